use keyward_audit::Event;
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{
    MacRing, MalformedCode, ProofBinding, ProofCode, ProofKey, TotpCode, TotpSecret, TotpStep,
};

use crate::accounts::subject;
use crate::authenticate::answers_for;
use crate::codes::{Asker, Codes, Enrolment};
use crate::factors::TotpColumn;
use crate::{
    Action, Any, AuthTx, CodeError, Denied, Environment, Permit, Principal, Purpose, Recheck as _,
    SecondFactors as _, TotpSecrets, User, UserId, UserKind, Users,
};

/// Gives agents the codes by which they prove who they are, and accepts each of them once.
///
/// A code is bound to one receiver and one purpose, and worth nothing to anybody else. Only the
/// agent itself gets it, with its own key; only the receiver can have it accepted, with its own
/// key. Neither is ever accepted where people log in.
pub struct Proofs<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> Proofs<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Draws the secret of a new agent, in the transaction that makes it. Nobody ever sees it.
    pub fn enrol(&self, tx: &mut S::Tx, agent: UserId, now: Timestamp) -> Result<(), StoreError> {
        let text = TotpSecret::generate().to_base32();
        let context = TotpColumn::Active.context(agent);
        let at = u64::try_from(now.0).unwrap_or(0);
        let secrets = TotpSecrets {
            active: Some(self.0.fields.seal(text.expose(), &context, at)),
            pending: None,
        };
        tx.set_totp_secrets(agent, &secrets)
    }

    /// The code of the calling agent for `audience` and `purpose`, or without an audience the
    /// plain one, which anybody can have accepted.
    pub fn show(
        &self,
        caller: &Permit<Any>,
        audience: Option<UserId>,
        purpose: Option<&Purpose>,
    ) -> Result<ShownProof, ProofError> {
        if caller.kind != UserKind::Agent {
            return Err(ProofError::OnlyAgents);
        }
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let current = Any::recheck(caller, tx, &self.0.macs, now)?;
            let secret = self.secret(tx, current.user)?;
            let code = match audience {
                None => GivenProof::Plain(secret.code_at(now.0)),
                Some(audience) => {
                    let key = key(&secret, current.user, audience, purpose);
                    GivenProof::Bound(key.code_at(now.0))
                }
            };
            let event = Event::new(current.actor(), PROOF_SHOW, subject(current.user));
            let event = described(event, audience, purpose);
            self.0.audit.record(tx, &event)?;
            Ok(ShownProof {
                code,
                expires_in: expires_in(now),
            })
        })
    }

    /// Accepts a proof once, and then does `effect` with the verifier and the agent as they are
    /// now, in the transaction that marks it used.
    ///
    /// # Errors
    ///
    /// [`CodeError::Rejected`] for a wrong code, one that was used, and an agent that is unknown,
    /// frozen, revoked or has ended: nobody can tell them apart.
    pub fn accept<T>(
        &self,
        verifier: &Permit<Any>,
        prover: UserId,
        proof: &PresentedProof,
        effect: impl FnOnce(&mut S::Tx, &User) -> Result<T, StoreError>,
    ) -> Result<T, ProofError> {
        let now = self.0.clock.now();
        let macs = &self.0.macs;
        Codes(&self.0).consume(
            proof,
            Enrolment::Active,
            Asker::User(prover),
            |tx, _| {
                Any::recheck(verifier, tx, macs, now)?;
                live_agent(tx, prover, macs, now)?.ok_or(CodeError::Rejected)?;
                Ok::<_, ProofError>(prover)
            },
            |_, _| Ok(()),
            |tx, prover| {
                let verifier: Principal = Any::recheck(verifier, tx, macs, now)?;
                let agent = live_agent(tx, prover, macs, now)?.ok_or(CodeError::Rejected)?;
                let mark = proof.mark(prover);
                let event = Event::new(verifier.actor(), PROOF_VERIFY, subject(prover));
                let event = described(event, mark.verifier, mark.purpose.as_ref());
                self.0.audit.record(tx, &event)?;
                Ok(effect(tx, &agent)?)
            },
        )
    }

    fn secret(&self, tx: &mut S::Tx, agent: UserId) -> Result<TotpSecret, StoreError> {
        let corrupt = |cause: &'static str| StoreError::corrupt("totp_secrets.active", cause);
        let sealed = tx.totp_secrets(agent)?.active;
        let sealed = sealed.ok_or_else(|| corrupt("an agent has no secret"))?;
        let opened = self
            .0
            .fields
            .open(&sealed, &TotpColumn::Active.context(agent))
            .map_err(|error| StoreError::corrupt("totp_secrets.active", error))?;
        TotpSecret::from_base32(opened.expose()).map_err(|_| corrupt("not a secret"))
    }
}

/// The agent with this id, if its keys work now.
fn live_agent<Tx: Users>(
    tx: &mut Tx,
    id: UserId,
    macs: &MacRing,
    now: Timestamp,
) -> Result<Option<User>, StoreError> {
    let mut genuine = |id| -> Result<Option<User>, StoreError> {
        let user = tx.user(id)?.and_then(|user| user.verify(macs).ok());
        Ok(user.filter(|user| user.is_live(now)))
    };
    let Some((agent, delegation)) =
        genuine(id)?.and_then(|user| Some((user.clone(), user.delegation?)))
    else {
        return Ok(None);
    };
    let sponsor = genuine(delegation.owner)?;
    Ok((sponsor.is_some() && answers_for(sponsor.as_ref(), &agent)).then_some(agent))
}

fn key(
    secret: &TotpSecret,
    prover: UserId,
    audience: UserId,
    purpose: Option<&Purpose>,
) -> ProofKey {
    let binding = ProofBinding {
        prover: prover.as_bytes(),
        audience: audience.as_bytes(),
        purpose: purpose.map_or("", Purpose::as_str),
    };
    ProofKey::derive(secret, &binding)
}

fn described(event: Event, audience: Option<UserId>, purpose: Option<&Purpose>) -> Event {
    let event = event.with("bound", audience.is_some().to_string());
    let event = match audience {
        Some(audience) => event.with("audience", audience.to_string()),
        None => event,
    };
    match purpose {
        Some(purpose) => event.with("purpose", purpose.as_str()),
        None => event,
    }
}

/// A code is accepted in its own step and in the next one.
fn expires_in(now: Timestamp) -> i64 {
    2 * STEP_SECONDS - now.0.rem_euclid(STEP_SECONDS)
}

/// A code that an agent was given, to be handed to the receiver.
#[derive(Debug)]
pub struct ShownProof {
    /// The code.
    pub code: GivenProof,
    /// For how many seconds it can be accepted.
    pub expires_in: i64,
}

/// A code by which an agent proves who it is.
#[derive(Debug)]
pub enum GivenProof {
    /// For one receiver and one purpose.
    Bound(ProofCode),
    /// For anybody, and for nothing in particular.
    Plain(TotpCode),
}

impl GivenProof {
    /// Reads a code: eight digits are bound to a receiver, six are plain.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        ProofCode::parse(text)
            .map(Self::Bound)
            .or_else(|_| TotpCode::parse(text).map(Self::Plain))
    }

    /// The digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Bound(code) => code.expose(),
            Self::Plain(code) => code.expose(),
        }
    }

    /// Whether the code is for one receiver and one purpose.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        matches!(self, Self::Bound(_))
    }
}

/// A code as a receiver presents it.
#[derive(Debug)]
pub struct PresentedProof {
    /// What the agent has handed over.
    pub code: GivenProof,
    /// The receiver, who asks.
    pub verifier: UserId,
    /// What the receiver was told that it is for. A plain code is for nothing in particular.
    pub purpose: Option<Purpose>,
}

impl PresentedProof {
    pub(crate) fn key(&self, secret: &TotpSecret, prover: UserId) -> ProofKey {
        key(secret, prover, self.verifier, self.purpose.as_ref())
    }

    pub(crate) fn mark(&self, prover: UserId) -> ProofUse {
        let is_bound = self.code.is_bound();
        ProofUse {
            prover,
            verifier: is_bound.then_some(self.verifier),
            purpose: self.purpose.clone().filter(|_| is_bound),
        }
    }
}

/// For what a proof was used. There is one step that was used last for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofUse {
    /// The agent that proved who it is.
    pub prover: UserId,
    /// To whom; `None` for a plain code.
    pub verifier: Option<UserId>,
    /// What for.
    pub purpose: Option<Purpose>,
}

/// Proofs that were used, inside a unit of work.
pub trait UsedProofs {
    /// Notes the step of a proof that is accepted, and says whether it may be: not when this step
    /// or a later one was used for the same before, and not when its mark may have been forgotten.
    ///
    /// One statement decides, so that of racing calls one gets `true`.
    fn use_proof(&mut self, proof: &ProofUse, step: TotpStep) -> Result<bool, StoreError>;

    /// Drops the marks of steps before `before`. From then on no proof of such a step is accepted,
    /// even if the clock is set back.
    fn forget_proofs(&mut self, before: TotpStep) -> Result<(), StoreError>;
}

/// Why there is no proof, or it was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// People do not prove who they are to agents in this way.
    #[error("only an agent has such a code")]
    OnlyAgents,
    /// The code was not accepted.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const PROOF_SHOW: Action = Action("agent.show-proof");
const PROOF_VERIFY: Action = Action("agent.verify-proof");
/// RFC 6238, section 4.1.
const STEP_SECONDS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_accepted_until_the_end_of_the_next_step() {
        for (now, expected) in [(0, 60), (29, 31), (30, 60), (59, 31), (-1, 31)] {
            assert_eq!(expires_in(Timestamp(now)), expected, "{now}");
        }
    }

    #[test]
    fn a_plain_code_is_used_up_for_everybody() {
        let proof = |code| PresentedProof {
            code,
            verifier: UserId::generate(),
            purpose: Some(Purpose::parse("deploy").unwrap()),
        };
        let prover = UserId::generate();
        let plain = proof(GivenProof::Plain(TotpCode::parse("123456").unwrap()));
        assert_eq!(plain.mark(prover).verifier, None);
        assert_eq!(plain.mark(prover).purpose, None);
        let bound = proof(GivenProof::Bound(ProofCode::parse("12345678").unwrap()));
        assert_eq!(bound.mark(prover).verifier, Some(bound.verifier));
        assert_eq!(bound.mark(prover).purpose, bound.purpose);
    }
}
