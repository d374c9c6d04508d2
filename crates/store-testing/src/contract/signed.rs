//! Every column with MACs: the checks of [`SignedRows`].

use keyward_agents::Agents;
use keyward_audit::AuditEvents;
use keyward_auth::{ApiKeyRecord, ApiKeys, SecondFactors, Users};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_credentials::{Credential, Credentials};
use keyward_crypto::{ApiKey, ApiKeyKind, Mac, MacPurpose, MacRing, Signed};
use keyward_encryption::{
    EncryptionKeys, KeyRecord, KeyState, MacColumn, SealedValues, SignedRow, SignedRows,
};

use super::encryption::{NOW, key, under};
use super::rows::{SECRET, added_user, api_key, sign, user};
use super::run::{count, paged, race, read, undone, write};

/// What these checks need of a store.
pub(crate) trait SignedTx:
    SignedRows
    + SealedValues
    + EncryptionKeys
    + Users
    + ApiKeys
    + Credentials
    + Agents
    + SecondFactors
    + AuditEvents
{
}

impl<Tx> SignedTx for Tx where
    Tx: SignedRows
        + SealedValues
        + EncryptionKeys
        + Users
        + ApiKeys
        + Credentials
        + Agents
        + SecondFactors
        + AuditEvents
{
}

/// Checks what [`SignedRows`] promises of every column with MACs, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn signed_rows<
    S: Store<
        Tx: SignedRows
                + SealedValues
                + EncryptionKeys
                + Users
                + ApiKeys
                + Credentials
                + Agents
                + SecondFactors
                + AuditEvents,
    >,
>(
    store: &S,
) {
    every_mac_is_counted(store);
    rows_are_listed_once_in_order(store);
    a_mac_is_written_over_the_one_that_was_read(store);
    of_racing_signers_one_is_written(store);
    keys_are_found_by_their_secret(store);
    recovery_codes_are_dropped_by_their_secret(store);
    audit_keys_read_back(store);
    nothing_is_written_by_a_retired_secret(store);
    who_retires_and_who_signs_do_not_both_succeed(store);
}

pub(crate) fn every_mac_is_counted<S: Store<Tx: SignedTx>>(store: &S) {
    for column in MacColumn::ALL {
        let macs = secret();
        assert_eq!(counted(store, column, &macs), 0, "mac_counts of {column:?}");
        for _ in 0..2 {
            put(store, column, &macs);
        }
        assert_eq!(
            counted(store, column, &macs),
            2,
            "mac_counts of {column:?}: how many MACs are by which secret"
        );
    }
    let counts = read(store, |tx| tx.mac_counts(MacColumn::UserRow, NOW));
    assert!(
        counts.is_sorted_by(|one, other| one.0 < other.0),
        "mac_counts: every secret once, in their order"
    );
    for ended in [
        |key: &mut ApiKeyRecord| key.revoked_at = Some(Timestamp(1)),
        |key: &mut ApiKeyRecord| key.expires_at = Some(NOW),
    ] {
        let macs = secret();
        put_key(store, &macs, ended);
        assert_eq!(
            counted(store, MacColumn::ApiKeySecret, &macs),
            0,
            "mac_counts: counts the secret of a key that does not work any more"
        );
        assert_eq!(counted(store, MacColumn::ApiKeyRow, &macs), 1);
    }
    let macs = secret();
    put_key(store, &macs, |key| key.expires_at = Some(NOW.plus(1)));
    assert_eq!(
        counted(store, MacColumn::ApiKeySecret, &macs),
        1,
        "mac_counts: leaves out the secret of a key that still works"
    );
}

pub(crate) fn rows_are_listed_once_in_order<S: Store<Tx: SignedTx>>(store: &S) {
    for column in MacColumn::ROWS {
        let (mine, other) = (secret(), secret());
        let mut expected: Vec<_> = (0..5).map(|_| put(store, column, &mine)).collect();
        expected.sort();
        put(store, column, &other);
        for limit in [2, 100] {
            let listed = paged(
                limit,
                |after: Option<String>, limit| {
                    read(store, |tx| {
                        tx.signed_not_under(column, &other.active(), after.as_deref(), limit)
                    })
                },
                SignedRow::id,
            );
            assert!(
                listed
                    .iter()
                    .all(|row| row.mac().key_id() != &other.active()),
                "signed_not_under of {column:?}: lists a row by that secret"
            );
            let ids: Vec<_> = listed.iter().map(SignedRow::id).collect();
            assert!(
                ids.is_sorted_by(|one, other| one < other),
                "signed_not_under of {column:?}: not in the order of ids, or a row twice"
            );
            let mine: Vec<_> = ids.into_iter().filter(|id| expected.contains(id)).collect();
            assert_eq!(
                mine, expected,
                "signed_not_under of {column:?}: a row is missing"
            );
        }
    }
    for column in [MacColumn::ApiKeySecret, MacColumn::RecoveryCode] {
        put(store, column, &secret());
        let listed = read(store, |tx| {
            tx.signed_not_under(column, &secret().active(), None, 9)
        });
        assert!(listed.is_empty(), "signed_not_under of {column:?}");
    }
}

pub(crate) fn a_mac_is_written_over_the_one_that_was_read<S: Store<Tx: SignedTx>>(store: &S) {
    for column in MacColumn::ROWS {
        let (old, new) = (secret(), secret());
        let row = listed(store, column, &put(store, column, &old));
        let anew = of_row(&row, &new);
        undone(store, |tx| tx.sign_anew(&row, &anew));
        assert_eq!(counted(store, column, &new), 0, "sign_anew of {column:?}");
        assert!(
            write(store, |tx| tx.sign_anew(&row, &anew)),
            "sign_anew of {column:?}: not written over what was read"
        );
        assert!(
            !write(store, |tx| tx.sign_anew(&row, &of_row(&row, &secret()))),
            "sign_anew of {column:?}: the MAC is another one by now"
        );
        let found = listed(store, column, &row.id());
        assert_eq!(
            found.mac(),
            &anew,
            "sign_anew of {column:?}: came back with another MAC"
        );
        assert!(
            found.signed_anew(&new).is_some(),
            "sign_anew of {column:?}: changed more than the MAC"
        );
    }
}

pub(crate) fn of_racing_signers_one_is_written<S: Store<Tx: SignedTx>>(store: &S) {
    for column in MacColumn::ROWS {
        let row = listed(store, column, &put(store, column, &secret()));
        let written = race(RACERS, |_| {
            let anew = of_row(&row, &secret());
            write(store, |tx| tx.sign_anew(&row, &anew))
        });
        assert_eq!(
            count(&written),
            1,
            "sign_anew of {column:?}: of racing calls one is written"
        );
    }
}

pub(crate) fn keys_are_found_by_their_secret<S: Store<Tx: SignedTx>>(store: &S) {
    let macs = secret();
    let found = |limit| {
        let found = read(store, |tx| {
            tx.api_keys_by_secret(&macs.active(), NOW, None, limit)
        });
        found.len()
    };
    let id = put(store, MacColumn::ApiKeySecret, &macs);
    put(store, MacColumn::ApiKeySecret, &macs);
    put(store, MacColumn::ApiKeySecret, &secret());
    put_key(store, &macs, |key| key.revoked_at = Some(Timestamp(1)));
    put_key(store, &macs, |key| key.expires_at = Some(NOW));
    assert_eq!(found(1), 1, "api_keys_by_secret: no more than the limit");
    assert_eq!(
        found(9),
        2,
        "api_keys_by_secret: those that work, by that secret"
    );
    let keys = read(store, |tx| {
        tx.api_keys_by_secret(&macs.active(), NOW, None, 9)
    });
    assert!(keys.iter().any(|key| key.unverified().id.as_str() == id));
    assert!(keys.iter().all(|key| key.is_genuine(&macs)));
    let listed = paged(
        1,
        |after, limit| {
            read(store, |tx| {
                tx.api_keys_by_secret(&macs.active(), NOW, after, limit)
            })
        },
        |key| key.unverified().id,
    );
    assert_eq!(
        listed.len(),
        2,
        "api_keys_by_secret: page by page every key once"
    );
}

pub(crate) fn recovery_codes_are_dropped_by_their_secret<S: Store<Tx: SignedTx>>(store: &S) {
    let (gone, kept) = (secret(), secret());
    let owner = added_user(store);
    let codes = [code(&gone, 1), code(&kept, 2), code(&gone, 3)];
    write(store, |tx| tx.set_recovery_codes(owner, &codes));
    assert_eq!(
        write(store, |tx| tx.drop_recovery_codes_by(&gone.active())),
        2,
        "drop_recovery_codes_by: says how many"
    );
    assert_eq!(
        read(store, |tx| tx.recovery_codes(owner)),
        [code(&kept, 2)],
        "drop_recovery_codes_by: drops those by that secret alone"
    );
}

pub(crate) fn audit_keys_read_back<S: Store<Tx: SignedTx>>(store: &S) {
    let key = key(KeyState::DecryptOnly);
    write(store, |tx| tx.add_encryption_key(&key));
    let kept = |store: &S| {
        let keys = read(store, SignedRows::audit_keys);
        keys.into_iter().find(|(kid, _)| *kid == key.kid)
    };
    assert_eq!(kept(store), None, "audit_keys: one that nobody has kept");
    let sealed = under(key.kid.as_str());
    write(store, |tx| tx.keep_audit_key(&key.kid, &sealed));
    assert_eq!(
        kept(store),
        Some((key.kid, sealed)),
        "keep_audit_key: came back other than it was kept"
    );
}

pub(crate) fn nothing_is_written_by_a_retired_secret<S: Store<Tx: SignedTx>>(store: &S) {
    let macs = beside_that_of_the_checks();
    let sealed = under(key(KeyState::Added).kid.as_str());
    write(store, |tx| {
        tx.add_encryption_key(&KeyRecord {
            kid: macs.active(),
            state: KeyState::Retired,
            sealed: sealed.clone(),
            created_at: NOW,
        })
    });
    for column in MacColumn::ALL {
        let written = store.write(|tx| put_into(tx, column, &macs, |_| ()));
        assert!(
            matches!(written, Err(StoreError::Unavailable(_))),
            "a MAC of {column:?} by a retired secret must be StoreError::Unavailable"
        );
    }
    for column in MacColumn::ROWS {
        let row = listed(store, column, &put(store, column, &secret()));
        let anew = of_row(&row, &macs);
        let written = store.write(|tx| tx.sign_anew(&row, &anew));
        assert!(
            matches!(written, Err(StoreError::Unavailable(_))),
            "sign_anew of {column:?} by a retired secret must be StoreError::Unavailable"
        );
    }
    let log = super::audit::log(&macs);
    let appended = store.write(|tx| log.record(tx, &super::audit::event("contract.retired")));
    assert!(
        matches!(appended, Err(StoreError::Unavailable(_))),
        "append_audit_events: an event by a retired secret must be StoreError::Unavailable"
    );
}

pub(crate) fn who_retires_and_who_signs_do_not_both_succeed<S: Store<Tx: SignedTx>>(store: &S) {
    for _ in 0..4 {
        let macs = secret();
        let key = KeyRecord {
            kid: macs.active(),
            state: KeyState::DecryptOnly,
            sealed: under(key(KeyState::Added).kid.as_str()),
            created_at: NOW,
        };
        write(store, |tx| tx.add_encryption_key(&key));
        let owner = added_user(store);
        let done = race(2, |racer| {
            let outcome = store.write(|tx| {
                if racer == 0 {
                    let mut record = api_key(owner);
                    record.key_mac = ApiKey::generate(ApiKeyKind::User).mac(&macs);
                    tx.add_api_key(&Signed::sign(record, &macs))?;
                    return Ok(true);
                }
                tx.lock_encryption_keys()?;
                tx.hold_sealed_values()?;
                let counts = tx.mac_counts(MacColumn::ApiKeyRow, NOW)?;
                let is_unused = counts.iter().all(|(kid, _)| *kid != Some(key.kid));
                if is_unused {
                    tx.set_key_state(&key.kid, KeyState::Retired)?;
                }
                Ok(is_unused)
            });
            match outcome {
                Ok(done) => done,
                Err(StoreError::Unavailable(_)) => false,
                Err(error) => super::run::works(Err(error)),
            }
        });
        assert_eq!(
            count(&done),
            1,
            "of who retires a secret and who signs with it at the same moment exactly one succeeds"
        );
    }
}

/// A secret that nothing was signed by before.
fn secret() -> MacRing {
    MacRing::parse(MacRing::generate_secret().expose())
        .unwrap_or_else(|error| panic!("a generated secret is refused: {error}"))
}

/// A secret of its own that signs, and that of the checks for what is there.
fn beside_that_of_the_checks() -> MacRing {
    let mine = MacRing::generate_secret();
    MacRing::danger_parse_any(&format!("{},{SECRET}", mine.expose()))
        .unwrap_or_else(|error| panic!("a generated secret is refused: {error}"))
}

fn code(macs: &MacRing, number: u8) -> Mac {
    macs.mac(MacPurpose::RecoveryCode, &[&[number]])
}

fn of_row(row: &SignedRow, macs: &MacRing) -> Mac {
    match row {
        SignedRow::User(row) => Signed::sign(row.unverified().clone(), macs).mac().clone(),
        SignedRow::ApiKey(row) => Signed::sign(row.unverified().clone(), macs).mac().clone(),
        SignedRow::Credential(row) => Signed::sign(row.unverified().clone(), macs).mac().clone(),
        SignedRow::Agent(row) => Signed::sign(row.unverified().clone(), macs).mac().clone(),
    }
}

fn counted<S: Store<Tx: SignedTx>>(store: &S, column: MacColumn, macs: &MacRing) -> u64 {
    let counts = read(store, |tx| tx.mac_counts(column, NOW));
    let mut counts = counts.into_iter();
    let found = counts.find(|(kid, _)| *kid == Some(macs.active()));
    found.map_or(0, |(_, rows)| rows)
}

#[track_caller]
fn listed<S: Store<Tx: SignedTx>>(store: &S, column: MacColumn, id: &str) -> SignedRow {
    let unused = secret().active();
    let rows = read(store, |tx| {
        tx.signed_not_under(column, &unused, None, i64::MAX)
    });
    let mut rows = rows.into_iter();
    rows.find(|row| row.id() == id)
        .unwrap_or_else(|| panic!("signed_not_under of {column:?}: a row is missing"))
}

/// A new row whose MAC in this column is by a secret; returns its id.
fn put<S: Store<Tx: SignedTx>>(store: &S, column: MacColumn, macs: &MacRing) -> String {
    write(store, |tx| put_into(tx, column, macs, |_| ()))
}

fn put_key<S: Store<Tx: SignedTx>>(
    store: &S,
    macs: &MacRing,
    edit: impl FnOnce(&mut ApiKeyRecord),
) -> String {
    write(store, |tx| put_into(tx, MacColumn::ApiKeyRow, macs, edit))
}

fn put_into<Tx: SignedTx>(
    tx: &mut Tx,
    column: MacColumn,
    macs: &MacRing,
    edit: impl FnOnce(&mut ApiKeyRecord),
) -> Result<String, StoreError> {
    let owner = user();
    if column == MacColumn::UserRow {
        tx.add_user(&Signed::sign(owner.clone(), macs))?;
        return Ok(owner.id.to_string());
    }
    tx.add_user(&sign(owner.clone()))?;
    match column {
        MacColumn::ApiKeyRow | MacColumn::ApiKeySecret => {
            let mut record = api_key(owner.id);
            record.key_mac = ApiKey::generate(ApiKeyKind::User).mac(macs);
            edit(&mut record);
            let id = record.id.to_string();
            tx.add_api_key(&Signed::sign(record, macs))?;
            Ok(id)
        }
        MacColumn::CredentialRow => {
            let mut new = super::credentials::credential(owner.id, 0);
            let row: Credential = new.credential.unverified().clone();
            new.credential = Signed::sign(row, macs);
            tx.add_credential(&new)?;
            Ok(new.credential.unverified().id.to_string())
        }
        MacColumn::AgentRow => {
            let mut agent = super::agents::new(owner.id, None, |_| ());
            agent.record = Signed::sign(agent.record.unverified().clone(), macs);
            tx.add_user(&agent.user)?;
            tx.add_agent(&agent.record)?;
            Ok(agent.record.unverified().lineage.agent().to_string())
        }
        MacColumn::UserRow | MacColumn::RecoveryCode => {
            tx.set_recovery_codes(owner.id, &[code(macs, 1)])?;
            Ok(owner.id.to_string())
        }
    }
}

const RACERS: usize = 8;
