use keyward_audit::AuditEvents;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::MacRing;

use crate::authenticate::accepted;
use crate::{ApiKeys, Permit, Principal, RequiredScope, Scope, UserKind};

/// Asks again, inside the transaction of a change, whether the caller may make it.
///
/// Between authentication and the change the caller's key may have been revoked or narrowed, and
/// its owner disabled or demoted. This takes the lock of the audit log first, as every change
/// does, so the answer holds until the transaction ends.
pub trait Recheck: RequiredScope + Sized {
    /// The caller as they are now.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the key or its owner lost what they had since.
    fn recheck<Tx: ApiKeys + AuditEvents>(
        caller: &Permit<Self>,
        tx: &mut Tx,
        macs: &MacRing,
        now: Timestamp,
    ) -> Result<Principal, Denied> {
        recheck(caller, Self::SCOPE, tx, macs, now)
    }
}

impl<Needed: RequiredScope> Recheck for Needed {}

fn recheck<Tx: ApiKeys + AuditEvents>(
    caller: &Principal,
    needed: Option<Scope>,
    tx: &mut Tx,
    macs: &MacRing,
    now: Timestamp,
) -> Result<Principal, Denied> {
    tx.lock_audit_head()?;
    let found = tx.key_with_owner(caller.key.id)?.ok_or(Denied::KeyEnded)?;
    let mut current = accepted(found, macs, now).ok_or(Denied::KeyEnded)?;
    if let Some(scope) = needed.filter(|scope| !current.key.scopes.contains(*scope)) {
        return Err(Denied::MissingScope(scope));
    }
    current.request.clone_from(&caller.request);
    Ok(current)
}

impl Principal {
    /// Whether the caller has shown their second factor recently. Changes that a stolen session
    /// must not make ask for it. Without a second factor there is nothing to show; agents have none.
    pub fn require_fresh_factor(&self, now: Timestamp) -> Result<(), Denied> {
        let exempt = self.kind == UserKind::Agent || !self.mfa_enabled;
        let fresh = self.key.fresh_until.is_some_and(|until| now < until);
        if exempt || fresh {
            Ok(())
        } else {
            Err(Denied::StepUpRequired)
        }
    }
}

/// Why a caller who was authenticated may not make a change after all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The key was revoked or has expired, or its owner was disabled, since the request began.
    #[error("the API key has ended")]
    KeyEnded,
    /// The key or the role of its owner lost the scope since the request began.
    #[error("the key needs the scope `{0}`")]
    MissingScope(Scope),
    /// The caller has a second factor and has not shown it within the last minutes.
    #[error("this needs a recent proof of the second factor")]
    StepUpRequired,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How long a second factor counts as recent.
pub(crate) const FRESH_SECONDS: i64 = 5 * 60;
