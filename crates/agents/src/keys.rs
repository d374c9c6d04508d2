use keyward_auth::{ApiKeyRecord, ApiKeys, KeyCursor, KeyName, Scopes, User};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, MacRing, Signed};

/// Makes a key of an agent.
pub(crate) fn issue<Tx: ApiKeys>(
    tx: &mut Tx,
    agent: &User,
    (scopes, ends): (Scopes, Option<Timestamp>),
    macs: &MacRing,
    now: Timestamp,
) -> Result<ApiKey, StoreError> {
    let key = ApiKey::generate(ApiKeyKind::Agent);
    let term = agent.delegation.and_then(|given| given.expires_at);
    let record = ApiKeyRecord {
        id: key.id(),
        kind: ApiKeyKind::Agent,
        user: agent.id,
        name: KeyName::from_stored("agent".to_owned()),
        scopes: agent.scopes().intersection(scopes),
        created_at: now,
        expires_at: [term, ends].into_iter().flatten().min(),
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: key.mac(macs),
    };
    tx.add_api_key(&Signed::sign(record, macs))?;
    Ok(key)
}

/// Ends every key of an agent: at once, or after an overlap.
pub(crate) fn end_all<Tx: ApiKeys>(
    tx: &mut Tx,
    agent: &User,
    overlap_seconds: u32,
    macs: &MacRing,
    now: Timestamp,
) -> Result<(), StoreError> {
    let end = now.plus(i64::from(overlap_seconds));
    let mut after = None;
    loop {
        let keys = tx.api_keys_of(agent.id, after, PAGE)?;
        let Some(last) = keys.last().map(|listed| listed.key.unverified().clone()) else {
            return Ok(());
        };
        for stored in keys.iter().map(|listed| &listed.key) {
            let mut ended = stored.unverified().clone();
            // A row that is not genuine opens nothing; signing it would make it so.
            if !ended.is_live(now) || !stored.is_genuine(macs) {
                continue;
            }
            if overlap_seconds == 0 {
                ended.revoked_at = Some(now);
            } else {
                ended.expires_at = Some(ended.expires_at.map_or(end, |set| set.min(end)));
            }
            tx.replace_api_key(stored.mac(), &Signed::sign(ended, macs))?;
        }
        after = Some(KeyCursor {
            created_at: last.created_at,
            id: last.id,
        });
    }
}

const PAGE: i64 = 200;
