use keyward_audit::{Actor, AuditEvents};
use keyward_auth::needs::AgentsWrite;
use keyward_auth::{
    ApiKeys, Denied, Host, Permit, Principal, Recheck as _, Scopes, UserId, UserKind,
};
use keyward_core::Timestamp;
use keyward_crypto::{ApiKeyKind, MacRing};

use crate::Agent;

/// Somebody who may manage agents: a caller with the scope, within their reach, or the operator of
/// the host.
///
/// Sealed: only [`Permit`] and [`Host`] are one.
pub trait AgentAdministrator: sealed::Sealed {
    /// Whose agents are there for the caller. The others are not found.
    fn reach(&self) -> Reach;

    /// Asks again, inside the transaction of the change.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the caller may not any more.
    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        macs: &MacRing,
        now: Timestamp,
    ) -> Result<Authority, Denied>;
}

impl AgentAdministrator for Permit<AgentsWrite> {
    fn reach(&self) -> Reach {
        Reach::of(self)
    }

    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        macs: &MacRing,
        now: Timestamp,
    ) -> Result<Authority, Denied> {
        let caller = AgentsWrite::recheck(self, tx, macs, now)?;
        Ok(Authority {
            actor: caller.actor(),
            reach: Reach::of(&caller),
            caller: Some(caller),
        })
    }
}

impl AgentAdministrator for Host {
    fn reach(&self) -> Reach {
        Reach::Everybody
    }

    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        _: &MacRing,
        _: Timestamp,
    ) -> Result<Authority, Denied> {
        tx.lock_audit_head()?;
        Ok(Authority {
            actor: self.actor(),
            reach: Reach::Everybody,
            caller: None,
        })
    }
}

/// Whose agents somebody can see and manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    Everybody,
    /// Those for which this person answers.
    OwnedBy(UserId),
    /// Those below this agent.
    Below(UserId),
}

impl Reach {
    fn of(caller: &Principal) -> Self {
        match caller.kind {
            UserKind::Agent => Self::Below(caller.user),
            UserKind::Human if caller.is_admin() => Self::Everybody,
            UserKind::Human => Self::OwnedBy(caller.user),
        }
    }

    /// Whether an agent is within reach.
    #[must_use]
    pub fn contains(self, agent: &Agent) -> bool {
        let delegation = agent.user.unverified().delegation;
        match self {
            Self::Everybody => true,
            Self::OwnedBy(person) => delegation.is_some_and(|given| given.owner == person),
            Self::Below(above) => agent.record.unverified().lineage.is_below(above),
        }
    }
}

/// Who makes a change, as they are inside its transaction.
#[derive(Debug)]
pub struct Authority {
    pub(crate) actor: Actor,
    pub(crate) reach: Reach,
    pub(crate) caller: Option<Principal>,
}

impl Authority {
    /// What makes keys needs a recent second factor of people who have one.
    pub(crate) fn require_fresh_factor(&self, now: Timestamp) -> Result<(), Denied> {
        self.caller
            .as_ref()
            .map_or(Ok(()), |caller| caller.require_fresh_factor(now))
    }

    /// What a key that they make can have at most, beside what its agent can.
    pub(crate) fn bound(&self) -> (Scopes, Option<Timestamp>) {
        self.caller.as_ref().map_or((Scopes::all(), None), bound)
    }
}

/// No key makes a stronger one or one that lives longer. A login key is short-lived by nature and
/// is how people make what lasts, so it sets no end.
pub(crate) fn bound(caller: &Principal) -> (Scopes, Option<Timestamp>) {
    let lasting = caller.key.kind != ApiKeyKind::Login;
    let ends = caller.key.expires_at.filter(|_| lasting);
    (caller.key.scopes, ends)
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for keyward_auth::Permit<keyward_auth::needs::AgentsWrite> {}
    impl Sealed for keyward_auth::Host {}
}
