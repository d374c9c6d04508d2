//! Every column with sealed values: the checks of [`SealedValues`].

use keyward_auth::{PendingTotp, SecondFactors, TotpSecrets, UserId, Users};
use keyward_core::{Store, StoreError};
use keyward_credentials::{CredentialId, Credentials, FieldPath, SecretField};
use keyward_crypto::{EncryptedString, KeyId};
use keyward_encryption::{
    EncryptionKeys, KeyRecord, KeyState, SealedColumn, SealedRow, SealedValues, SignedRows,
};

use super::credentials::credential;
use super::encryption::{NOW, added, fresh_kid, key, under};
use super::rows::added_user;
use super::run::{count, race, read, undone, write};

/// What these checks need of a store.
pub(crate) trait SealedTx:
    EncryptionKeys + SealedValues + SignedRows + Credentials + SecondFactors + Users
{
}

impl<Tx: EncryptionKeys + SealedValues + SignedRows + Credentials + SecondFactors + Users> SealedTx
    for Tx
{
}

pub(crate) fn every_value_is_counted<S: Store<Tx: SealedTx>>(store: &S) {
    for column in SealedColumn::ALL {
        let (many, one, none) = (fresh_kid(), fresh_kid(), fresh_kid());
        let before = rows_under(store, column, None);
        for kid in [many.as_str(), one.as_str(), many.as_str(), "NO-KEY", ""] {
            put(store, column, &under(kid));
        }
        let counts = read(store, |tx| tx.sealed_counts(column));
        assert!(
            counts.is_sorted_by(|one, other| one.0 < other.0),
            "sealed_counts of {column:?}: every key once, in their order"
        );
        let found = [Some(many), Some(one), Some(none), None]
            .map(|kid| rows_under(store, column, kid.as_ref()));
        assert_eq!(
            found,
            [2, 1, 0, before + 2],
            "sealed_counts of {column:?}: how many values are under which key"
        );
        let sample = |kid| read(store, |tx| tx.sealed_sample(column, kid));
        assert_eq!(sample(&none), None, "sealed_sample of {column:?}");
        let sample = sample(&many).map(|row| (row.column, row.sealed.key_id()));
        assert_eq!(
            sample,
            Some((column, Some(many))),
            "sealed_sample of {column:?}: one of the values under the key"
        );
    }
    let own = added(store, KeyState::DecryptOnly);
    assert_eq!(
        rows_under(store, SealedColumn::SecretKeyCheck, Some(&own.kid)),
        0,
        "sealed_counts: the check of an encryption key, which is under that key for ever, counts"
    );
    retire(store, &own.kid);
}

pub(crate) fn values_are_listed_once_in_order<S: Store<Tx: SealedTx>>(store: &S) {
    for column in SealedColumn::ALL {
        let (kid, other) = (fresh_kid(), fresh_kid());
        let owner = added_user(store);
        let mut expected: Vec<_> = (0..7)
            .map(|n| {
                let sealed = under(if n == 3 { "NO-KEY" } else { other.as_str() });
                put_of(store, column, owner, &sealed)
            })
            .collect();
        let left_out = put(store, column, &under(kid.as_str()));
        expected.sort_by(|one, other| (&one.row, &one.field).cmp(&(&other.row, &other.field)));
        for limit in [3, 1_000] {
            let listed = listed(store, column, &kid, limit);
            assert!(
                listed.contains(&expected[0]),
                "sealed_not_under of {column:?}: misses a value, or says something else of it"
            );
            let ours: Vec<_> = listed
                .into_iter()
                .filter(|row| expected.iter().any(|known| known.row == row.row))
                .collect();
            assert_eq!(
                ours, expected,
                "sealed_not_under of {column:?} in pages of {limit}: every value once"
            );
        }
        assert!(
            !listed(store, column, &kid, 1_000).contains(&left_out),
            "sealed_not_under of {column:?}: lists what is under the key"
        );
        let nothing = read(store, |tx| tx.sealed_not_under(column, &kid, None, 0));
        assert_eq!(nothing, [], "sealed_not_under: a limit of 0");
    }
}

pub(crate) fn a_value_is_written_over_what_was_read<S: Store<Tx: SealedTx>>(store: &S) {
    for column in SealedColumn::ALL {
        let kid = fresh_kid();
        let row = put(store, column, &under(kid.as_str()));
        let bystander = put(store, column, &under(kid.as_str()));
        let (new, late) = (under(fresh_kid().as_str()), under(fresh_kid().as_str()));
        undone(store, |tx| tx.reseal(&row, &late));
        assert_eq!(
            value(store, &row),
            Some(row.sealed.clone()),
            "reseal of {column:?}: a failed `write` was kept"
        );
        assert!(
            write(store, |tx| tx.reseal(&row, &new)),
            "reseal of {column:?}: false although the value is the one that was read"
        );
        assert!(
            !write(store, |tx| tx.reseal(&row, &late)),
            "reseal of {column:?}: true although the value is another one by now"
        );
        assert_eq!(
            (value(store, &row), value(store, &bystander)),
            (Some(new), Some(bystander.sealed)),
            "reseal of {column:?}: writes that value and no other"
        );
        let gone = SealedRow {
            row: added_user(store).to_string(),
            ..row
        };
        assert!(
            !write(store, |tx| tx.reseal(&gone, &late)),
            "reseal of {column:?}: true for a row that is not there"
        );
    }
}

pub(crate) fn nothing_is_sealed_under_a_retired_key<S: Store<Tx: SealedTx>>(store: &S) {
    let retired = added(store, KeyState::Retired);
    for column in SealedColumn::ALL {
        let row = put(store, column, &under(fresh_kid().as_str()));
        let sealed = under(retired.kid.as_str());
        refused(
            &store.write(|tx| tx.reseal(&row, &sealed)),
            "reseal",
            column,
        );
        let owner = added_user(store);
        let new = store.write(|tx| put_into(tx, column, owner, &sealed));
        refused(&new, "a new value", column);
        if column == SealedColumn::CredentialSecret {
            let (id, field) = (CredentialId::parse(&row.row), secret(&sealed));
            let id = id.unwrap_or_else(|_| panic!("{row:?}"));
            let put = store.write(|tx| tx.put_secret(id, &field));
            refused(&put, "put_secret", column);
        }
        assert_eq!(rows_under(store, column, Some(&retired.kid)), 0);
    }
}

pub(crate) fn of_racing_reseals_one_is_written<S: Store<Tx: SealedTx>>(store: &S) {
    for column in SealedColumn::ALL {
        let row = put(store, column, &under(fresh_kid().as_str()));
        let new = [(); RACERS].map(|()| under(fresh_kid().as_str()));
        let written = race(RACERS, |racer| {
            write(store, |tx| tx.reseal(&row, &new[racer]))
        });
        assert_eq!(
            count(&written),
            1,
            "reseal of {column:?}: of racing calls exactly one must return true"
        );
        let winner = written.iter().position(|written| *written);
        assert_eq!(
            value(store, &row).as_ref(),
            winner.map(|winner| &new[winner]),
            "reseal of {column:?}: not the winner's value"
        );
    }
}

/// A person changes a secret while it is re-encrypted.
pub(crate) fn a_change_is_never_written_over<S: Store<Tx: SealedTx>>(store: &S) {
    for round in 0..10 {
        let row = put(
            store,
            SealedColumn::CredentialSecret,
            &under(fresh_kid().as_str()),
        );
        let id = CredentialId::parse(&row.row).unwrap_or_else(|_| panic!("{row:?}"));
        let (moved, changed) = (under(fresh_kid().as_str()), under(fresh_kid().as_str()));
        race(2, |racer| match (racer + round) % 2 {
            0 => drop(write(store, |tx| tx.reseal(&row, &moved))),
            _ => write(store, |tx| tx.put_secret(id, &secret(&changed))),
        });
        assert_eq!(
            value(store, &row),
            Some(changed),
            "reseal: a change that was made at the same moment is lost"
        );
    }
}

pub(crate) fn who_retires_and_who_seals_do_not_both_succeed<S: Store<Tx: SealedTx>>(store: &S) {
    for column in SealedColumn::ALL {
        for round in 0..6 {
            let key = added(store, KeyState::DecryptOnly);
            let owner = added_user(store);
            let done = race(2, |racer| {
                if (racer + round) % 2 == 0 {
                    return write(store, |tx| retire_if_unused(tx, column, &key));
                }
                let sealed = under(key.kid.as_str());
                match store.write(|tx| put_into(tx, column, owner, &sealed)) {
                    Err(StoreError::Unavailable(_)) => false,
                    outcome => {
                        outcome.unwrap_or_else(|error| panic!("{error:?}"));
                        true
                    }
                }
            });
            assert_eq!(
                count(&done),
                1,
                "hold_sealed_values: of one who retires a key under which nothing is and one who \
                 seals {column:?} under it, exactly one succeeds"
            );
        }
    }
}

fn retire_if_unused<Tx: SealedTx>(
    tx: &mut Tx,
    column: SealedColumn,
    key: &KeyRecord,
) -> Result<bool, StoreError> {
    tx.lock_encryption_keys()?;
    tx.hold_sealed_values()?;
    let counts = tx.sealed_counts(column)?;
    let is_unused = counts.iter().all(|(kid, _)| *kid != Some(key.kid));
    if is_unused {
        tx.set_key_state(&key.kid, KeyState::Retired)?;
    }
    Ok(is_unused)
}

#[track_caller]
fn refused<T>(outcome: &Result<T, StoreError>, what: &str, column: SealedColumn) {
    assert!(
        matches!(outcome, Err(StoreError::Unavailable(_))),
        "{what} of {column:?} under a retired key must be StoreError::Unavailable"
    );
}

#[track_caller]
fn put<S: Store<Tx: SealedTx>>(
    store: &S,
    column: SealedColumn,
    sealed: &EncryptedString,
) -> SealedRow {
    put_of(store, column, added_user(store), sealed)
}

/// A new row with this value; in a column that has one of a user, of another user.
#[track_caller]
fn put_of<S: Store<Tx: SealedTx>>(
    store: &S,
    column: SealedColumn,
    owner: UserId,
    sealed: &EncryptedString,
) -> SealedRow {
    let owner = match column {
        SealedColumn::TotpActive | SealedColumn::TotpPending => added_user(store),
        _ => owner,
    };
    write(store, |tx| put_into(tx, column, owner, sealed))
}

fn put_into<Tx: SealedTx>(
    tx: &mut Tx,
    column: SealedColumn,
    owner: UserId,
    sealed: &EncryptedString,
) -> Result<SealedRow, StoreError> {
    let mut row = SealedRow {
        column,
        row: owner.to_string(),
        field: String::new(),
        owner: owner.to_string(),
        sealed: sealed.clone(),
    };
    let mut secrets = TotpSecrets::default();
    match column {
        SealedColumn::CredentialSecret => {
            let field = secret(sealed);
            let mut new = credential(owner, 0);
            row.row = new.credential.unverified().id.to_string();
            field.path.as_str().clone_into(&mut row.field);
            new.secrets.push(field);
            tx.add_credential(&new)?;
        }
        SealedColumn::TotpActive => {
            secrets.active = Some(sealed.clone());
            tx.set_totp_secrets(owner, &secrets)?;
        }
        SealedColumn::TotpPending => {
            secrets.pending = Some(PendingTotp {
                secret: sealed.clone(),
                expires_at: NOW,
            });
            tx.set_totp_secrets(owner, &secrets)?;
        }
        SealedColumn::SecretKeyCheck => {
            let record = KeyRecord {
                sealed: sealed.clone(),
                ..key(KeyState::DecryptOnly)
            };
            row.row = record.kid.to_string();
            row.owner = String::new();
            tx.add_encryption_key(&record)?;
        }
        SealedColumn::AuditKey => {
            let record = key(KeyState::DecryptOnly);
            row.row = record.kid.to_string();
            row.owner = String::new();
            tx.add_encryption_key(&record)?;
            tx.keep_audit_key(&record.kid, sealed)?;
        }
    }
    Ok(row)
}

fn secret(sealed: &EncryptedString) -> SecretField {
    SecretField {
        path: FieldPath::from_stored("config.a".to_owned()),
        sealed: sealed.clone(),
        last4: None,
    }
}

fn listed<S: Store<Tx: SealedTx>>(
    store: &S,
    column: SealedColumn,
    kid: &KeyId,
    limit: i64,
) -> Vec<SealedRow> {
    let mut all: Vec<SealedRow> = Vec::new();
    loop {
        let page = read(store, |tx| {
            tx.sealed_not_under(column, kid, all.last(), limit)
        });
        for row in &page {
            let before = all.last().map(|last| (&last.row, &last.field));
            assert!(
                before < Some((&row.row, &row.field)),
                "sealed_not_under of {column:?}: not behind `after`, in the order of rows and fields"
            );
            all.push(row.clone());
        }
        if i64::try_from(page.len()).is_ok_and(|found| found < limit) {
            return all;
        }
    }
}

/// What stands in the place of a row by now.
fn value<S: Store<Tx: SealedTx>>(store: &S, row: &SealedRow) -> Option<EncryptedString> {
    let rows = listed(store, row.column, &fresh_kid(), 1_000);
    rows.into_iter()
        .find(|known| (&known.row, &known.field) == (&row.row, &row.field))
        .map(|known| known.sealed)
}

fn rows_under<S: Store<Tx: SealedTx>>(store: &S, column: SealedColumn, kid: Option<&KeyId>) -> u64 {
    let counts = read(store, |tx| tx.sealed_counts(column));
    let mut under = counts.iter().filter(|(known, _)| known.as_ref() == kid);
    under.next().map_or(0, |(_, rows)| *rows)
}

fn retire<S: Store<Tx: SealedTx>>(store: &S, kid: &KeyId) {
    write(store, |tx| tx.set_key_state(kid, KeyState::Retired));
}

const RACERS: usize = 8;
