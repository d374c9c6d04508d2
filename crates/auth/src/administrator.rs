use keyward_audit::{Actor, AuditEvents};
use keyward_core::Timestamp;
use keyward_crypto::MacRing;

use crate::needs::UsersWrite;
use crate::{ApiKeys, Denied, Permit, Recheck as _, UserId};

/// Somebody who may manage people: a caller with the scope, or the operator of the host.
///
/// Sealed: only [`Permit`] and [`Host`] are one.
pub trait UserAdministrator: sealed::Sealed {
    /// Asks again, inside the transaction of the change, and says who it is for the audit log.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the caller may not, or has to show their second factor first.
    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        macs: &MacRing,
        now: Timestamp,
    ) -> Result<Actor, Denied>;

    /// Whose request it is; `None` on the host.
    fn user(&self) -> Option<UserId>;
}

impl UserAdministrator for Permit<UsersWrite> {
    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        macs: &MacRing,
        now: Timestamp,
    ) -> Result<Actor, Denied> {
        let current = UsersWrite::recheck(self, tx, macs, now)?;
        current.require_fresh_factor(now)?;
        Ok(current.actor())
    }

    fn user(&self) -> Option<UserId> {
        Some(self.user)
    }
}

/// The operator at the command line of the host, who has the database and its keys anyway.
///
/// Never make one for a request that came over a network: it may do everything.
#[derive(Clone, Copy, Debug)]
pub struct Host;

impl Host {
    /// The operator as the audit log names them.
    #[must_use]
    pub fn actor(self) -> Actor {
        Actor::host()
    }
}

impl UserAdministrator for Host {
    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        _: &MacRing,
        _: Timestamp,
    ) -> Result<Actor, Denied> {
        tx.lock_audit_head()?;
        Ok(self.actor())
    }

    fn user(&self) -> Option<UserId> {
        None
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::Permit<crate::needs::UsersWrite> {}
    impl Sealed for super::Host {}
}
