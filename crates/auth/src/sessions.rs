use keyward_audit::{Actor, ActorKind, Event};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyId, ApiKeyKind, MacRing, Signed};

use crate::accounts::subject;
use crate::{Action, ApiKeyRecord, AuthTx, KeyName, Scopes, User, UserId};

/// From where, and in which request, somebody comes who is not known yet.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The network that attempts are counted by: an IPv4 address, or the /64 of an IPv6 address.
    /// It never grants anything.
    pub source: String,
    /// The request that is being served, for the audit log.
    pub request: Option<String>,
}

/// What a login gives: a short-lived key.
#[derive(Debug)]
pub struct Session {
    /// The key. This is the only time that it can be seen.
    pub key: ApiKey,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Makes the key of a session, in the transaction that ends the login.
pub(crate) fn begin<Tx: AuthTx>(
    tx: &mut Tx,
    user: &User,
    macs: &MacRing,
    now: Timestamp,
) -> Result<Session, StoreError> {
    let key = ApiKey::generate(ApiKeyKind::Login);
    let expires_at = now.plus(SESSION_SECONDS);
    let record = ApiKeyRecord {
        id: key.id(),
        kind: ApiKeyKind::Login,
        user: user.id,
        name: KeyName::from_stored("login".to_owned()),
        scopes: Scopes::of_role(user.role),
        created_at: now,
        expires_at: Some(expires_at),
        revoked_at: None,
        // Logging in took everything that the person has.
        fresh_until: user
            .mfa_since
            .map(|_| now.plus(crate::guard::FRESH_SECONDS)),
        legacy_id: None,
        key_mac: key.mac(macs),
    };
    tx.add_api_key(&Signed::sign(record, macs))?;
    Ok(Session { key, expires_at })
}

/// Ends every session of a user but one, and every login that has begun.
pub(crate) fn end_all_but<Tx: AuthTx>(
    tx: &mut Tx,
    user: UserId,
    kept: Option<ApiKeyId>,
    macs: &MacRing,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.void_tickets(user)?;
    for session in tx.live_sessions(user, now)? {
        if Some(session.unverified().id) == kept {
            continue;
        }
        let mut ended = session.unverified().clone();
        ended.revoked_at = Some(now);
        // A row that is not genuine opens nothing; signing it would make it so.
        if session.is_genuine(macs) {
            tx.replace_api_key(session.mac(), &Signed::sign(ended, macs))?;
        }
    }
    Ok(())
}

/// The person as an actor, where a login has no key yet.
pub(crate) fn login_event(user: &User, key: ApiKeyId, visitor: &Visitor, how: &str) -> Event {
    let actor = Actor {
        kind: ActorKind::Human,
        id: Some(user.id.to_string()),
        key: Some(key.to_string()),
        request: visitor.request.clone(),
    };
    Event::new(actor, LOGIN, subject(user.id))
        .with("by", how)
        .with("source", visitor.source.clone())
}

const LOGIN: Action = Action("user.login");
/// NIST SP 800-63B-4, section 2.2.3: within 24 hours; half of that, so that a day's work does not
/// leave a key for the night.
const SESSION_SECONDS: i64 = 12 * 60 * 60;
/// The same section: a session that nobody uses ends within an hour. Uses are noted by the minute,
/// so it ends between one minute less and that.
pub(crate) const IDLE_SECONDS: i64 = 60 * 60;
