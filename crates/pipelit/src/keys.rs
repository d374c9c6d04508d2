use keyward_audit::{Action, Subject};
use keyward_auth::{ApiKeyRecord, ApiKeys as _, KeyName};
use keyward_core::{LegacyId, Store, StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, Signed};

use crate::pass::{Outcome, Pass, Stop};
use crate::report::API_KEYS;
use crate::when::when;
use crate::{ImportTx, KeyRow, Reason, Repair, Warning, names};

impl<S: Store<Tx: ImportTx>> Pass<'_, S> {
    /// All keys but those of sessions, as MACs.
    pub(crate) fn api_keys(&mut self, tx: &mut S::Tx) -> Result<(), StoreError> {
        let rows = self.rows;
        for row in &rows.api_keys {
            if is_session(row) {
                self.report
                    .left_out(API_KEYS, row.id, "session", SESSION_TEXT);
                continue;
            }
            let outcome = self.api_key(tx, row);
            self.judge(API_KEYS, row.id, outcome)?;
        }
        Ok(())
    }

    fn api_key(&mut self, tx: &mut S::Tx, row: &KeyRow) -> Result<Outcome, Stop> {
        let key = ApiKey::parse(row.key.expose()).ok();
        let key = key.filter(|key| key.kind() == ApiKeyKind::Foreign);
        let key = key.ok_or(Reason::KeyForm)?;
        let owner = self.owner(row.user_id)?;
        let macs = &self.environment.macs;
        if let Some(found) = tx.key_with_owner(key.id())? {
            let stored = found.key.unverified();
            let is_same =
                stored.legacy_id == Some(LegacyId(row.id)) && stored.user == owner.user.id;
            return if is_same && key.matches(macs, &stored.key_mac) {
                Ok(Outcome::AlreadyThere)
            } else {
                Err(Reason::KeyTaken.into())
            };
        }
        let mut repairs = Vec::new();
        let record = ApiKeyRecord {
            id: key.id(),
            kind: key.kind(),
            user: owner.user.id,
            name: name(row, &mut repairs),
            scopes: owner.key_scopes(),
            created_at: self.time(row.created_at.as_deref(), "created_at", &mut repairs),
            expires_at: expiry(row)?,
            // When it was revoked, Pipelit does not say.
            revoked_at: (!row.is_active).then_some(self.now),
            fresh_until: None,
            legacy_id: Some(LegacyId(row.id)),
            key_mac: key.mac(macs),
        };
        tx.add_api_key(&Signed::sign(record.clone(), macs))?;
        if let Some(at) = row.last_used_at.as_deref().and_then(when) {
            // As noted for every key: to the minute.
            let minute = at.plus(-at.0.rem_euclid(60));
            tx.touch_api_keys(&[(record.id, minute)])?;
        }
        let details = [
            ("user", record.user.to_string()),
            ("scopes", record.scopes.to_string()),
        ];
        self.record(
            tx,
            KEY_IMPORT,
            Subject::new("api_key", record.id),
            row.id,
            details,
        )?;
        self.warn_of_key(row);
        Ok(Outcome::Imported(repairs))
    }

    fn warn_of_key(&mut self, row: &KeyRow) {
        if expiry_text(row).is_some() {
            self.report.warn(API_KEYS, row.id, &Warning::ExpiryInUtc);
        } else if row.is_active {
            self.report.warn(API_KEYS, row.id, &Warning::NoExpiry);
        }
    }
}

/// Whether somebody has got the key by logging in.
pub(crate) fn is_session(row: &KeyRow) -> bool {
    row.name.as_deref() == Some(SESSION)
}

/// Whether Pipelit accepts the key at `now`.
pub(crate) fn is_live(row: &KeyRow, now: Timestamp) -> bool {
    let end = expiry_text(row).map(when);
    row.is_active && end.is_none_or(|end| end.is_some_and(|end| now < end))
}

fn expiry_text(row: &KeyRow) -> Option<&str> {
    row.expires_at
        .as_deref()
        .filter(|text| !text.trim().is_empty())
}

/// An expiry that cannot be read is no reason to let a key live for ever.
fn expiry(row: &KeyRow) -> Result<Option<Timestamp>, Reason> {
    let read = |text| when(text).ok_or(Reason::Time("expires_at"));
    expiry_text(row).map(read).transpose()
}

/// The name, and the beginning of the key by which Pipelit shows it: many keys are called `default`.
fn name(row: &KeyRow, repairs: &mut Vec<Repair>) -> KeyName {
    let name = row.name.as_deref().unwrap_or_default();
    let prefix = row.prefix.as_deref().unwrap_or_default();
    let shown: String = row.key.expose().chars().take(PREFIX_LENGTH).collect();
    let suffix = if prefix == shown {
        format!(" ({prefix}…)")
    } else {
        String::new()
    };
    let name = if name.trim().is_empty() {
        UNNAMED
    } else {
        name
    };
    let room = NAME_LENGTH - suffix.chars().count();
    let short = names::tidied(name, room);
    if short != name.trim() {
        repairs.push(Repair::Tidied("name"));
    }
    KeyName::parse(&(short + &suffix)).unwrap_or_else(|_| KeyName::from_stored(UNNAMED.to_owned()))
}

const SESSION: &str = "session";
const SESSION_TEXT: &str = "a login of Pipelit; its owner logs in again";
/// Older versions have no names.
const UNNAMED: &str = "imported";
const NAME_LENGTH: usize = 100;
const PREFIX_LENGTH: usize = 8;
const KEY_IMPORT: Action = Action("api_key.import");

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: Option<&str>, prefix: Option<&str>) -> KeyRow {
        KeyRow {
            id: 1,
            user_id: Some(1),
            key: "0f8fad5b-d9cb-469f-a165-70867728950e".into(),
            name: name.map(str::to_owned),
            prefix: prefix.map(str::to_owned),
            created_at: None,
            last_used_at: None,
            expires_at: None,
            is_active: true,
        }
    }

    #[test]
    fn a_key_is_called_as_pipelit_shows_it() {
        let named = |key_name, prefix| {
            let mut repairs = Vec::new();
            let shown = name(&row(key_name, prefix), &mut repairs).to_string();
            (shown, repairs.len())
        };
        let expected = "default (0f8fad5b…)".to_owned();
        assert_eq!(named(Some("default"), Some("0f8fad5b")), (expected, 0));
        assert_eq!(named(None, None), ("imported".to_owned(), 0));
        assert_eq!(named(Some("x"), Some("another!")), ("x".to_owned(), 0));
        let (long, repairs) = named(Some(&"y".repeat(100)), Some("0f8fad5b"));
        assert_eq!((long.chars().count(), repairs), (100, 1));
        assert!(long.ends_with(" (0f8fad5b…)"));
    }

    #[test]
    fn a_key_lives_until_its_end_in_utc() {
        let mut key = row(None, None);
        assert!(is_live(&key, Timestamp(i64::MAX)));
        key.expires_at = Some("1970-01-01 00:00:10".to_owned());
        assert!(is_live(&key, Timestamp(9)));
        assert!(!is_live(&key, Timestamp(10)));
        assert_eq!(expiry(&key), Ok(Some(Timestamp(10))));
        key.expires_at = Some("soon".to_owned());
        assert!(!is_live(&key, Timestamp(0)));
        assert_eq!(expiry(&key), Err(Reason::Time("expires_at")));
        key.expires_at = None;
        key.is_active = false;
        assert!(!is_live(&key, Timestamp(0)));
    }
}
