use keyward_audit::{AuditEvents as _, Event};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{
    Password, ProvisioningUri, RecoveryCode, SecretText, Signed, TotpCode, TotpSecret,
};

use crate::accounts::subject;
use crate::codes::{Asker, Codes, Enrolment};
use crate::factors::TotpColumn;
use crate::guard::FRESH_SECONDS;
use crate::password_check::PasswordCheck;
use crate::{
    Action, Any, ApiKeys as _, AttemptLimits as _, AuthTx, CodeError, Denied, Environment, Host,
    LoginTickets as _, Overloaded, PasswordRefused, PendingTotp, Permit, Principal, Recheck as _,
    SecondFactor, SecondFactors as _, TotpSecrets, User, UserAdministrator, UserId, UserKind,
    UserReplaced, Username, Users as _, Visitor, sessions,
};

/// Second factors of people: enrolment, recovery codes, and proof of presence (step-up).
///
/// ```
/// use keyward_auth::{Environment, LoggedIn, Login, ManageMfa, SecondFactor, Username, Visitor};
/// use keyward_crypto::{Password, TotpSecret};
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::new(LastUsed::default()));
///
/// // `environment`, `authenticate` and `admin` are as on the page of this crate.
/// let mfa = ManageMfa::new(environment.clone());
/// let permit = authenticate.principal(&admin.key)?.permit()?;
/// let enrolling = mfa.begin(&permit)?;
/// assert!(enrolling.uri.expose().starts_with("otpauth://totp/Keyward:ada?"));
///
/// // What the app does with it.
/// let app = TotpSecret::from_base32(enrolling.secret.expose())?;
/// let code = app.code_at(environment.clock.now().0);
/// let mut recovery = mfa.confirm(&permit, code)?.0;
/// assert_eq!(recovery.len(), 10);
///
/// // From now on a password gives a ticket, and a code or a recovery code makes a session of it.
/// let login = Login::new(environment);
/// let visitor = Visitor { source: "192.0.2.7".to_owned(), request: None };
/// let first = login.with_password(&Username::parse("ada")?, &password, &visitor)?;
/// let LoggedIn::NeedsSecondFactor { ticket, .. } = first else { panic!("ada has one") };
/// let factor = SecondFactor::Recovery(recovery.remove(0));
/// let session = login.with_second_factor(&ticket, &factor, &visitor)?;
/// assert!(authenticate.principal(&session.key)?.mfa_enabled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManageMfa<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> ManageMfa<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Draws a new secret for the caller's authenticator app. It waits for its first code, see
    /// [`confirm`](Self::confirm); until then whatever was enrolled before stays in use.
    pub fn begin(&self, caller: &Permit<Any>) -> Result<Enrolling, MfaError> {
        let caller = &person(caller)?;
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let current = Any::recheck(caller, tx, &self.0.macs, now)?;
            current.require_fresh_factor(now)?;
            let event = Event::new(current.actor(), MFA_SETUP, subject(current.user));
            let enrolling = self.pend(tx, current.user, &current.username, now)?;
            self.0.audit.record(tx, &event)?;
            Ok(enrolling)
        })
    }

    /// Begins for somebody else, on the host. They confirm it there, too.
    pub fn begin_for(&self, host: Host, user: UserId) -> Result<Enrolling, MfaError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            tx.lock_audit_head()?;
            let person = self.genuine_person(tx, user)?.1;
            let event = Event::new(host.actor(), MFA_SETUP, subject(user));
            let enrolling = self.pend(tx, user, &person.username, now)?;
            self.0.audit.record(tx, &event)?;
            Ok(enrolling)
        })
    }

    /// Takes the secret into use that was drawn last, if `code` is one of its codes, and gives ten
    /// new recovery codes. Other sessions of the caller end.
    pub fn confirm(&self, caller: &Permit<Any>, code: TotpCode) -> Result<RecoveryCodes, MfaError> {
        let caller = &person(caller)?;
        let kept = Some(caller.key.id);
        let how = (Enrolment::Pending, S::Tx::void_tickets as Claim<S::Tx>);
        self.consume(caller, code, how, |tx, current, now| {
            let codes = self.enable(tx, current.user, kept, now)?;
            self.freshen(tx, current, now)?;
            let event = Event::new(current.actor(), MFA_ENABLE, subject(current.user));
            self.0.audit.record(tx, &event)?;
            Ok(codes)
        })
    }

    /// As [`confirm`](Self::confirm), on the host.
    pub fn confirm_for(
        &self,
        host: Host,
        user: UserId,
        code: TotpCode,
    ) -> Result<RecoveryCodes, MfaError> {
        let now = self.0.clock.now();
        Codes(&self.0).consume(
            &SecondFactor::Code(code),
            Enrolment::Pending,
            Asker::User(user),
            |_, _| Ok(user),
            |tx, user| Ok(tx.void_tickets(user)?),
            |tx, user| {
                let codes = self.enable(tx, user, None, now)?;
                let event = Event::new(host.actor(), MFA_ENABLE, subject(user));
                self.0.audit.record(tx, &event)?;
                Ok(codes)
            },
        )
    }

    /// Does without a second factor from now on. Other sessions of the caller end.
    pub fn disable(&self, caller: &Permit<Any>, code: TotpCode) -> Result<(), MfaError> {
        let caller = &person(caller)?;
        let kept = Some(caller.key.id);
        let how = (Enrolment::Active, S::Tx::void_tickets as Claim<S::Tx>);
        self.consume(caller, code, how, |tx, current, now| {
            self.remove(tx, current.user, kept, now)?;
            let event = Event::new(current.actor(), MFA_DISABLE, subject(current.user));
            Ok(self.0.audit.record(tx, &event)?)
        })
    }

    /// Ten new recovery codes in place of what is left of the old ones.
    pub fn renew_recovery_codes(
        &self,
        caller: &Permit<Any>,
        code: TotpCode,
    ) -> Result<RecoveryCodes, MfaError> {
        let caller = &person(caller)?;
        let how = (Enrolment::Active, no_tickets as Claim<S::Tx>);
        self.consume(caller, code, how, |tx, current, _| {
            let codes = self.draw_recovery_codes(tx, current.user)?;
            let event = Event::new(current.actor(), MFA_RECOVERY, subject(current.user));
            self.0.audit.record(tx, &event)?;
            Ok(codes)
        })
    }

    /// Whether the caller has a second factor, and how many recovery codes are left.
    pub fn status(&self, caller: &Permit<Any>) -> Result<MfaStatus, MfaError> {
        let caller = person(caller)?;
        let left = self.0.store.lookup(|tx| tx.recovery_codes(caller.user))?;
        Ok(MfaStatus {
            enabled: caller.mfa_enabled,
            recovery_codes_left: left.len(),
        })
    }

    /// Takes the second factor away from somebody who has lost it, and ends all their sessions.
    pub fn reset(&self, by: &impl UserAdministrator, user: UserId) -> Result<(), MfaError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            self.remove(tx, user, None, now)?;
            tx.lift_limits(user)?;
            Ok(self
                .0
                .audit
                .record(tx, &Event::new(actor, MFA_RESET, subject(user)))?)
        })
    }

    /// Lifts every lock and count of a person's factors and passwords, but not the limit of five in 60
    /// seconds. Logins that have begun end.
    pub fn unlock(&self, by: &impl UserAdministrator, user: UserId) -> Result<(), MfaError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            self.genuine_person(tx, user)?;
            tx.void_tickets(user)?;
            tx.lift_limits(user)?;
            Ok(self
                .0
                .audit
                .record(tx, &Event::new(actor, USER_UNLOCK, subject(user)))?)
        })
    }

    /// Shows the second factor anew: the presented key may make sensitive changes until then.
    pub fn step_up(&self, caller: &Permit<Any>, code: TotpCode) -> Result<Timestamp, MfaError> {
        let caller = &person(caller)?;
        let how = (Enrolment::Active, no_tickets as Claim<S::Tx>);
        self.consume(caller, code, how, |tx, current, now| {
            self.refresh(tx, current, now)
        })
    }

    /// The same with the password, for people without a second factor.
    pub fn step_up_with_password(
        &self,
        caller: &Permit<Any>,
        password: &Password,
        visitor: &Visitor,
    ) -> Result<Timestamp, MfaError> {
        let caller = &person(caller)?;
        if caller.mfa_enabled {
            return Err(MfaError::CodeRequired);
        }
        let right = PasswordCheck(&self.0).check(&caller.username, password, visitor)?;
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let user = right.settle(tx, &self.0.macs, now)?;
            let current = Any::recheck(caller, tx, &self.0.macs, now)?;
            if user.unverified().mfa_since.is_some() || current.user != user.unverified().id {
                return Err(MfaError::CodeRequired);
            }
            self.refresh(tx, &current, now)
        })
    }

    /// Consumes a code of the caller for something that the caller may still do then.
    fn consume<T>(
        &self,
        caller: &Permit<Any>,
        code: TotpCode,
        (enrolment, claim): (Enrolment, Claim<S::Tx>),
        effect: impl FnOnce(&mut S::Tx, &Principal, Timestamp) -> Result<T, MfaError>,
    ) -> Result<T, MfaError> {
        let now = self.0.clock.now();
        if enrolment == Enrolment::Pending {
            // Before the code is counted: what is refused for this is no guess.
            caller.require_fresh_factor(now)?;
        }
        Codes(&self.0).consume(
            &SecondFactor::Code(code),
            enrolment,
            Asker::User(caller.user),
            |_, _| Ok(caller.user),
            |tx, user| Ok(claim(tx, user)?),
            |tx, _| {
                let current = Any::recheck(caller, tx, &self.0.macs, now)?;
                // A code of a new app is no proof of the one that it is to replace.
                if enrolment == Enrolment::Pending {
                    current.require_fresh_factor(now)?;
                }
                effect(tx, &current, now)
            },
        )
    }

    fn pend(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        username: &Username,
        now: Timestamp,
    ) -> Result<Enrolling, MfaError> {
        let secret = TotpSecret::generate();
        let text = secret.to_base32();
        let context = TotpColumn::Pending.context(user);
        let secrets = TotpSecrets {
            pending: Some(PendingTotp {
                secret: self.seal(&text, &context, now),
                expires_at: now.plus(PENDING_SECONDS),
            }),
            ..tx.totp_secrets(user)?
        };
        tx.set_totp_secrets(user, &secrets)?;
        Ok(Enrolling {
            uri: ProvisioningUri::new(&secret, ISSUER, username.as_str()),
            secret: text,
        })
    }

    fn enable(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        kept: Option<keyward_crypto::ApiKeyId>,
        now: Timestamp,
    ) -> Result<RecoveryCodes, MfaError> {
        let pending = tx.totp_secrets(user)?.pending.ok_or(CodeError::Rejected)?;
        let opened = self
            .0
            .fields
            .open(&pending.secret, &TotpColumn::Pending.context(user))
            .map_err(|error| StoreError::corrupt("totp_secrets.pending", error))?;
        let secrets = TotpSecrets {
            active: Some(self.seal(&opened, &TotpColumn::Active.context(user), now)),
            pending: None,
        };
        tx.set_totp_secrets(user, &secrets)?;
        self.set_mfa_since(tx, user, Some(now))?;
        sessions::end_all_but(tx, user, kept, &self.0.macs, now)?;
        Ok(self.draw_recovery_codes(tx, user)?)
    }

    fn remove(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        kept: Option<keyward_crypto::ApiKeyId>,
        now: Timestamp,
    ) -> Result<(), MfaError> {
        self.set_mfa_since(tx, user, None)?;
        tx.set_totp_secrets(user, &TotpSecrets::default())?;
        tx.set_recovery_codes(user, &[])?;
        Ok(sessions::end_all_but(tx, user, kept, &self.0.macs, now)?)
    }

    fn set_mfa_since(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        since: Option<Timestamp>,
    ) -> Result<(), MfaError> {
        let (old, mut person) = self.genuine_person(tx, user)?;
        person.mfa_since = since;
        person.version = person.version.saturating_add(1);
        match tx.replace_user(old.mac(), &Signed::sign(person, &self.0.macs))? {
            UserReplaced::Done => Ok(()),
            _ => Err(MfaError::Busy),
        }
    }

    fn genuine_person(
        &self,
        tx: &mut S::Tx,
        user: UserId,
    ) -> Result<(Signed<User>, User), MfaError> {
        let stored = tx.user(user)?.ok_or(MfaError::NotFound)?;
        let row = stored
            .clone()
            .verify(&self.0.macs)
            .map_err(|forged| StoreError::corrupt("users", forged))?;
        if row.status == crate::UserStatus::Deleted {
            return Err(MfaError::NotFound);
        }
        if row.kind == UserKind::Agent {
            return Err(MfaError::NotForAgents);
        }
        Ok((stored, row))
    }

    fn draw_recovery_codes(
        &self,
        tx: &mut S::Tx,
        user: UserId,
    ) -> Result<RecoveryCodes, StoreError> {
        let codes: Vec<_> = (0..RECOVERY_CODES)
            .map(|_| RecoveryCode::generate())
            .collect();
        let macs: Vec<_> = codes
            .iter()
            .map(|code| code.mac(&self.0.macs, user.as_bytes()))
            .collect();
        tx.set_recovery_codes(user, &macs)?;
        Ok(RecoveryCodes(codes))
    }

    fn refresh(
        &self,
        tx: &mut S::Tx,
        current: &Principal,
        now: Timestamp,
    ) -> Result<Timestamp, MfaError> {
        let until = self.freshen(tx, current, now)?;
        let event = Event::new(current.actor(), STEP_UP, subject(current.user));
        self.0.audit.record(tx, &event)?;
        Ok(until)
    }

    /// Notes at the caller's key that the second factor was shown with it.
    fn freshen(
        &self,
        tx: &mut S::Tx,
        current: &Principal,
        now: Timestamp,
    ) -> Result<Timestamp, MfaError> {
        let found = tx.key_with_owner(current.key.id)?.ok_or(Denied::KeyEnded)?;
        let until = now.plus(FRESH_SECONDS);
        let mut key = found.key.unverified().clone();
        key.fresh_until = Some(until);
        if !tx.replace_api_key(found.key.mac(), &Signed::sign(key, &self.0.macs))? {
            return Err(MfaError::Busy);
        }
        Ok(until)
    }

    fn seal(
        &self,
        text: &SecretText,
        context: &keyward_crypto::Context,
        now: Timestamp,
    ) -> keyward_crypto::EncryptedString {
        let now = u64::try_from(now.0).unwrap_or(0);
        self.0.fields.seal(text.expose(), context, now)
    }
}

/// Takes the tickets that end with a code.
type Claim<Tx> = fn(&mut Tx, UserId) -> Result<(), StoreError>;

#[expect(clippy::unnecessary_wraps, reason = "the signature of a claim")]
fn no_tickets<Tx>(_: &mut Tx, _: UserId) -> Result<(), StoreError> {
    Ok(())
}

fn person(caller: &Permit<Any>) -> Result<Permit<Any>, MfaError> {
    match caller.kind {
        UserKind::Human => Ok(caller.clone()),
        UserKind::Agent => Err(MfaError::NotForAgents),
    }
}

/// A secret that waits for its first code. Shown once.
#[derive(Debug)]
pub struct Enrolling {
    /// The secret in base32, for typing it in.
    pub secret: SecretText,
    /// The same as authenticator apps scan it.
    pub uri: ProvisioningUri,
}

/// Ten codes, each of which takes the place of one code of the app. Shown once.
#[derive(Debug)]
pub struct RecoveryCodes(pub Vec<RecoveryCode>);

/// See [`ManageMfa::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MfaStatus {
    /// Whether a second factor is asked for.
    pub enabled: bool,
    /// How many recovery codes are left.
    pub recovery_codes_left: usize,
}

/// Why a second factor was not changed or shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MfaError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Agents have no second factor.
    #[error("an agent cannot do this")]
    NotForAgents,
    /// The password does not do where there is a second factor.
    #[error("a code of the authenticator app is needed")]
    CodeRequired,
    /// The password was not accepted.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// The code was not accepted.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Somebody changed the user at the same moment.
    #[error("the user is being changed by somebody else")]
    Busy,
    /// See [`Overloaded`].
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What authenticator apps show as the name of the service.
const ISSUER: &str = "Keyward";
const RECOVERY_CODES: usize = 10;
/// How long a secret waits for its first code.
const PENDING_SECONDS: i64 = 15 * 60;

const MFA_SETUP: Action = Action("mfa.setup");
const MFA_ENABLE: Action = Action("mfa.enable");
const MFA_DISABLE: Action = Action("mfa.disable");
const MFA_RECOVERY: Action = Action("mfa.recovery-codes");
const MFA_RESET: Action = Action("mfa.reset");
const USER_UNLOCK: Action = Action("user.unlock");
const STEP_UP: Action = Action("user.step-up");
