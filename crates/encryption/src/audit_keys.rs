use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Context, KeyId, KeyRing, MacRing};

use crate::SignedRows;

/// Lets `macs` verify the parts of the audit log that retired secrets have signed.
///
/// One that does not open is said in the log; its part of the audit log is then reported as signed
/// by a secret that is not listed.
pub fn learn_audit_keys<Tx: SignedRows>(
    tx: &mut Tx,
    fields: &KeyRing,
    macs: &MacRing,
) -> Result<(), StoreError> {
    for (kid, sealed) in tx.audit_keys()? {
        let opened = fields.open(&sealed, &context(&kid));
        let is_learnt = opened.is_ok_and(|key| macs.add_audit_key(kid, &key).is_ok());
        if !is_learnt {
            tracing::error!(%kid, "the audit key of a retired SECRET_KEY cannot be opened");
        }
    }
    Ok(())
}

/// Keeps what will be needed of a secret that retires.
pub(crate) fn keep_audit_key<Tx: SignedRows>(
    tx: &mut Tx,
    kid: &KeyId,
    fields: &KeyRing,
    macs: &MacRing,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(key) = macs.audit_key(kid) else {
        return Ok(());
    };
    let sealed = fields.seal(key.expose(), &context(kid), now.unix());
    tx.keep_audit_key(kid, &sealed)
}

pub(crate) fn context(kid: &KeyId) -> Context {
    Context::new("key_checks", "audit_key", kid.as_str(), "")
}
