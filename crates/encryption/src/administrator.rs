use keyward_audit::{Actor, AuditEvents};
use keyward_auth::needs::Admin;
use keyward_auth::{ApiKeys, Denied, Host, Permit, Recheck as _};
use keyward_core::Timestamp;
use keyward_crypto::MacRing;

/// Somebody who may manage encryption keys: a caller with the scope `admin`, or the operator of the
/// host.
///
/// Sealed: only [`Permit`] and [`Host`] are one.
pub trait EncryptionAdministrator: sealed::Sealed {
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
}

impl EncryptionAdministrator for Permit<Admin> {
    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        macs: &MacRing,
        now: Timestamp,
    ) -> Result<Actor, Denied> {
        let current = Admin::recheck(self, tx, macs, now)?;
        current.require_fresh_factor(now)?;
        Ok(current.actor())
    }
}

impl EncryptionAdministrator for Host {
    fn authorise<Tx: ApiKeys + AuditEvents>(
        &self,
        tx: &mut Tx,
        _: &MacRing,
        _: Timestamp,
    ) -> Result<Actor, Denied> {
        tx.lock_audit_head()?;
        Ok(self.actor())
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for keyward_auth::Permit<keyward_auth::needs::Admin> {}
    impl Sealed for keyward_auth::Host {}
}
