//! Stores with one fault each: a check that does not fail on them would prove nothing.

mod agents;
mod encryption;
mod kept_time;
mod people;
mod signed;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use keyward_audit::{AuditEvents, Head, Record, Seq};
use keyward_auth::{
    Answer, ApiKeyRecord, ApiKeys, IdempotencyKey, IdempotencyKeys, KeyCursor, KeyWithOwner,
    ListedKey, StoredAnswer, User, UserId, UserReplaced, UserStatus, Username, Users,
};
use keyward_core::{LegacyId, Store, StoreError, Timestamp};
use keyward_credentials::{
    Credential, CredentialId, CredentialName, Credentials, FieldPath, Legacy, SecretField,
    StoredCredential, UseCounts,
};
use keyward_crypto::{ApiKeyId, ApiKeyKind, Mac, Signed};

use crate::contract::{
    api_keys, audit, credentials, idempotency, rows, units_of_work, users, uses,
};
use crate::{MemoryStore, MemoryTx};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// A `write` that fails or panics is kept.
    NoRollback,
    /// Every `write` decides by the state that it found when it began: read, then write.
    ReadThenWrite,
    /// The same, but a `write` keeps the users that it changed and leaves the others, as SQL does
    /// at READ COMMITTED.
    WriteSkew,
    /// Changes are written whatever MAC the row carries.
    IgnoresMac,
    /// The last administrator can be removed.
    NoLastAdmin,
    /// One column is left out when a user is changed.
    LosesStatus,
    /// One column is left out when a key is changed.
    LosesRevocation,
    /// Every tenth event is missing.
    SeqGaps,
    /// The keys of all users are in one table without the user.
    SharedIdempotencyKeys,
    /// Forgets the answer from exactly the given time too.
    ForgetsTooMuch,
    /// Writes the time of last use, whatever there is.
    LastUseGoesBack,
    /// Deleting a credential leaves its secret fields.
    OrphanedSecrets,
    /// The limit of a list counts rows of a join, not credentials.
    LimitCountsSecrets,
    /// One MAC that cannot be read makes an error of a list.
    UnreadableIsAnError,
    /// A store that takes changes says that it does not.
    SaysItIsIll,
    /// One column that came later is left out when a user is changed.
    LosesMfa,
    /// One column that came later is left out when a key is changed.
    LosesFreshness,
    /// All keys of a user pass for sessions.
    SessionsOfAnyKind,
    /// Sessions that were revoked go on.
    SessionsThatEnded,
    /// A user who was imported and deleted since is not found by the old number.
    ForgetsDeletedImports,
    /// The number of a workspace finds a credential.
    MixesLegacyRows,
    /// A name finds the credentials of everybody.
    NamesWithoutCreator,
    /// One count for all users of a credential.
    SharedUses,
    /// A count that never ends.
    UsesForEver,
    /// A minute that is over gives the count back.
    UsesBeginAnewWhenever,
    /// Something is wrong with attempts, second factors or tickets.
    People(people::Fault),
    /// Something is wrong with agents or their proofs.
    Agents(agents::Fault),
    /// Something is wrong with encryption keys or sealed values.
    Encryption(encryption::Fault),
    /// Something is wrong with the time that is kept.
    KeptTime(kept_time::Fault),
    /// Something is wrong with the MACs of rows.
    Signed(signed::Fault),
}

struct BrokenStore {
    inner: MemoryStore,
    fault: Fault,
}

struct BrokenTx {
    inner: MemoryTx,
    fault: Fault,
    users: Vec<Signed<User>>,
}

impl BrokenStore {
    fn new(fault: Fault) -> Self {
        let inner = MemoryStore::new();
        Self { inner, fault }
    }

    fn tx(&self, inner: &MemoryTx) -> BrokenTx {
        BrokenTx {
            inner: inner.clone(),
            fault: self.fault,
            users: Vec::new(),
        }
    }

    fn commit(&self, done: BrokenTx) -> Result<(), StoreError> {
        if self.fault == Fault::WriteSkew {
            self.inner.tamper(|rows| {
                for user in done.users {
                    rows.put_user(user);
                }
            });
            return Ok(());
        }
        self.inner.write(|tx| {
            *tx = done.inner;
            Ok(())
        })
    }
}

impl Store for BrokenStore {
    type Tx = BrokenTx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut BrokenTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.inner.read(|tx| work(&mut self.tx(tx)))
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut BrokenTx) -> Result<T, E>,
    ) -> Result<T, E> {
        match self.fault {
            Fault::NoRollback => {
                let outcome = self.inner.write(|tx| {
                    let mut broken = self.tx(tx);
                    let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut broken)));
                    *tx = broken.inner;
                    Ok::<_, StoreError>(outcome)
                })?;
                outcome.unwrap_or_else(|panic| resume_unwind(panic))
            }
            Fault::ReadThenWrite | Fault::WriteSkew => {
                let mut broken = self.inner.write(|tx| Ok::<_, StoreError>(self.tx(tx)))?;
                let value = work(&mut broken)?;
                // Long enough for the others to begin, also on a busy machine.
                thread::sleep(Duration::from_millis(20));
                self.commit(broken)?;
                Ok(value)
            }
            _ => self.inner.write(|tx| {
                let mut broken = self.tx(tx);
                let value = work(&mut broken)?;
                *tx = broken.inner;
                Ok(value)
            }),
        }
    }

    fn health(&self) -> Result<(), StoreError> {
        if self.fault == Fault::SaysItIsIll {
            return Err(StoreError::Unavailable("a standby".into()));
        }
        self.inner.health()
    }
}

impl BrokenTx {
    fn refuse_unreadable<'a>(
        &self,
        mut macs: impl Iterator<Item = &'a Mac>,
    ) -> Result<(), StoreError> {
        if self.fault == Fault::UnreadableIsAnError && macs.any(Mac::is_unreadable) {
            return Err(StoreError::corrupt("row_mac", "not a MAC"));
        }
        Ok(())
    }
}

impl Users for BrokenTx {
    fn add_user(&mut self, user: &Signed<User>) -> Result<bool, StoreError> {
        self.users.push(user.clone());
        self.inner.add_user(user)
    }

    fn user(&mut self, id: UserId) -> Result<Option<Signed<User>>, StoreError> {
        self.inner.user(id)
    }

    fn user_by_name(&mut self, username: &Username) -> Result<Option<Signed<User>>, StoreError> {
        self.inner.user_by_name(username)
    }

    fn user_by_legacy_id(&mut self, id: LegacyId) -> Result<Option<Signed<User>>, StoreError> {
        let mut found = self.inner.user_by_legacy_id(id)?;
        if self.fault == Fault::ForgetsDeletedImports {
            found = found.filter(|user| user.unverified().status != UserStatus::Deleted);
        }
        Ok(found)
    }

    fn users_after(
        &mut self,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Signed<User>>, StoreError> {
        let found = self.inner.users_after(after, limit)?;
        self.refuse_unreadable(found.iter().map(Signed::mac))?;
        Ok(found)
    }

    fn any_user(&mut self) -> Result<bool, StoreError> {
        self.inner.any_user()
    }

    fn replace_user(&mut self, old: &Mac, new: &Signed<User>) -> Result<UserReplaced, StoreError> {
        let id = new.unverified().id;
        let mut outcome = match (self.fault, self.inner.user(id)?) {
            (Fault::IgnoresMac, Some(stored)) => self.inner.replace_user(stored.mac(), new)?,
            (Fault::LosesMfa, Some(stored)) => {
                let mut row = new.unverified().clone();
                row.mfa_since = stored.unverified().mfa_since;
                let new = Signed::from_stored(row, new.mac().clone());
                self.inner.replace_user(old, &new)?
            }
            (Fault::LosesStatus, Some(_)) => {
                let mut row = new.unverified().clone();
                row.status = UserStatus::Active;
                let new = Signed::from_stored(row, new.mac().clone());
                self.inner.replace_user(old, &new)?
            }
            _ => self.inner.replace_user(old, new)?,
        };
        if self.fault == Fault::NoLastAdmin && outcome == UserReplaced::LastAdmin {
            Arc::make_mut(&mut self.inner.tables.users).insert(id, Arc::new(new.clone()));
            outcome = UserReplaced::Done;
        }
        if outcome == UserReplaced::Done {
            self.users.push(new.clone());
        }
        Ok(outcome)
    }
}

impl ApiKeys for BrokenTx {
    fn add_api_key(&mut self, key: &Signed<ApiKeyRecord>) -> Result<(), StoreError> {
        self.inner.add_api_key(key)
    }

    fn key_with_owner(&mut self, id: ApiKeyId) -> Result<Option<KeyWithOwner>, StoreError> {
        self.inner.key_with_owner(id)
    }

    fn api_keys_of(
        &mut self,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<ListedKey>, StoreError> {
        let found = self.inner.api_keys_of(user, after, limit)?;
        self.refuse_unreadable(found.iter().map(|listed| listed.key.mac()))?;
        Ok(found)
    }

    fn live_sessions(
        &mut self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError> {
        let keys = self.inner.tables.api_keys.values().map(|row| &row.key);
        let of_user = keys.filter(|key| key.unverified().user == user);
        Ok(match self.fault {
            Fault::SessionsOfAnyKind => of_user
                .filter(|key| key.unverified().is_live(now))
                .cloned()
                .collect(),
            Fault::SessionsThatEnded => of_user
                .filter(|key| key.unverified().kind == ApiKeyKind::Login)
                .cloned()
                .collect(),
            _ => self.inner.live_sessions(user, now)?,
        })
    }

    fn replace_api_key(
        &mut self,
        old: &Mac,
        new: &Signed<ApiKeyRecord>,
    ) -> Result<bool, StoreError> {
        let stored = self.inner.key_with_owner(new.unverified().id)?;
        match (self.fault, stored) {
            (Fault::IgnoresMac, Some(stored)) => self.inner.replace_api_key(stored.key.mac(), new),
            (Fault::LosesFreshness, Some(stored)) => {
                let mut row = new.unverified().clone();
                row.fresh_until = stored.key.unverified().fresh_until;
                let new = Signed::from_stored(row, new.mac().clone());
                self.inner.replace_api_key(old, &new)
            }
            (Fault::LosesRevocation, Some(stored)) => {
                let mut row = new.unverified().clone();
                row.revoked_at = stored.key.unverified().revoked_at;
                let new = Signed::from_stored(row, new.mac().clone());
                self.inner.replace_api_key(old, &new)
            }
            _ => self.inner.replace_api_key(old, new),
        }
    }

    fn touch_api_keys(&mut self, used: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        self.inner.touch_api_keys(used)?;
        if self.fault == Fault::LastUseGoesBack {
            let keys = Arc::make_mut(&mut self.inner.tables.api_keys);
            for (id, at) in used {
                if let Some(row) = keys.get_mut(id) {
                    Arc::make_mut(row).last_used_at = Some(*at);
                }
            }
        }
        Ok(())
    }
}

impl IdempotencyKeys for BrokenTx {
    fn claim_answer(&mut self, claim: &StoredAnswer) -> Result<bool, StoreError> {
        let is_taken = (self.inner.tables.answers.keys()).any(|(_, key)| key == claim.key.as_str());
        if self.fault == Fault::SharedIdempotencyKeys && is_taken {
            return Ok(false);
        }
        self.inner.claim_answer(claim)
    }

    fn keep_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        self.inner.keep_answer(user, key, answer)
    }

    fn stored_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        self.inner.stored_answer(user, key)
    }

    fn forget_answers(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let extra = i64::from(self.fault == Fault::ForgetsTooMuch);
        self.inner.forget_answers(before.plus(extra))
    }
}

impl UseCounts for BrokenTx {
    fn count_use(
        &mut self,
        credential: CredentialId,
        user: UserId,
        minute: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        let minute = match self.fault {
            Fault::UsesForEver => Timestamp(1_800_000_000),
            // Earlier minutes look like clocks that were wrong.
            Fault::UsesBeginAnewWhenever => Timestamp(minute.0.saturating_mul(60)),
            _ => minute,
        };
        let user = match self.fault {
            Fault::SharedUses => {
                let found = self.inner.credential(credential)?;
                found.map_or(user, |found| found.credential.unverified().created_by)
            }
            _ => user,
        };
        self.inner.count_use(credential, user, minute, limit)
    }
}

impl AuditEvents for BrokenTx {
    fn lock_audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        self.inner.lock_audit_head()
    }

    fn append_audit_events(&mut self, records: &[Record], head: &Head) -> Result<(), StoreError> {
        if self.signs_wrongly(signed::Fault::AppendsRetired) {
            let keys = std::mem::take(&mut self.inner.tables.encryption_keys);
            let appended = self.inner.append_audit_events(records, head);
            self.inner.tables.encryption_keys = keys;
            return appended;
        }
        self.inner.append_audit_events(records, head)?;
        let seqs = records.iter().map(|record| record.fields.seq);
        for seq in seqs.filter(|seq| self.fault == Fault::SeqGaps && seq % 10 == 0) {
            Arc::make_mut(&mut self.inner.tables.audit).remove(&seq);
        }
        Ok(())
    }

    fn audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        self.inner.audit_head()
    }

    fn audit_events_after(&mut self, after: Seq, limit: i64) -> Result<Vec<Record>, StoreError> {
        self.inner.audit_events_after(after, limit)
    }

    fn audit_events_before(
        &mut self,
        before: Option<Seq>,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.audit_events_before(before, limit)
    }
}

impl Credentials for BrokenTx {
    fn add_credential(&mut self, new: &StoredCredential) -> Result<(), StoreError> {
        let id = new.credential.unverified().id;
        let credentials = &mut self.inner.tables.credentials;
        let orphans = credentials.get(&id).map(|row| row.secrets.clone());
        Arc::make_mut(credentials).remove(&id);
        self.inner.add_credential(new)?;
        for field in orphans.unwrap_or_default().values() {
            self.inner.put_secret(id, field)?;
        }
        Ok(())
    }

    fn credential(&mut self, id: CredentialId) -> Result<Option<StoredCredential>, StoreError> {
        let found = self.inner.credential(id)?;
        Ok(found.filter(|found| !is_orphaned(found)))
    }

    fn credential_by_legacy(
        &mut self,
        legacy: Legacy,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let legacy = match (self.fault, legacy) {
            (Fault::MixesLegacyRows, Legacy::Workspace(id)) => Legacy::Credential(id),
            _ => legacy,
        };
        self.inner.credential_by_legacy(legacy)
    }

    fn credentials_named(
        &mut self,
        name: &CredentialName,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let created_by = created_by.filter(|_| self.fault != Fault::NamesWithoutCreator);
        self.inner.credentials_named(name, created_by, limit)
    }

    fn credentials_after(
        &mut self,
        after: Option<CredentialId>,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let mut found = self.inner.credentials_after(after, created_by, limit)?;
        self.refuse_unreadable(found.iter().map(|one| one.credential.mac()))?;
        if self.fault == Fault::LimitCountsSecrets {
            let mut rows = 0;
            found.retain(|one| {
                rows += i64::try_from(one.secrets.len().max(1)).unwrap_or(i64::MAX);
                rows <= limit
            });
        }
        Ok(found)
    }

    fn replace_credential(
        &mut self,
        old: &Mac,
        new: &Signed<Credential>,
    ) -> Result<bool, StoreError> {
        let stored = self.inner.credential(new.unverified().id)?;
        match stored {
            Some(stored) if self.fault == Fault::IgnoresMac => {
                self.inner.replace_credential(stored.credential.mac(), new)
            }
            _ => self.inner.replace_credential(old, new),
        }
    }

    fn put_secret(&mut self, id: CredentialId, field: &SecretField) -> Result<(), StoreError> {
        self.past_retired(encryption::Fault::TakesRetiredSecrets, |tx| {
            tx.put_secret(id, field)
        })
    }

    fn drop_secret(&mut self, id: CredentialId, path: &FieldPath) -> Result<(), StoreError> {
        self.inner.drop_secret(id, path)
    }

    fn delete_credential(&mut self, id: CredentialId) -> Result<bool, StoreError> {
        let Some(stored) = self.credential(id)? else {
            return Ok(false);
        };
        if self.fault != Fault::OrphanedSecrets {
            return self.inner.delete_credential(id);
        }
        let mut row = stored.credential.unverified().clone();
        row.version = ORPHANED;
        let row = Signed::from_stored(row, stored.credential.mac().clone());
        self.inner.replace_credential(stored.credential.mac(), &row)
    }
}

fn is_orphaned(stored: &StoredCredential) -> bool {
    stored.credential.unverified().version == ORPHANED
}

/// Marks what looks deleted from outside.
const ORPHANED: i64 = -1;

/// Panics unless `check` finds `fault`, and says so in the words of `promise`.
#[track_caller]
fn assert_found(fault: Fault, promise: &str, check: impl FnOnce(&BrokenStore)) {
    let store = BrokenStore::new(fault);
    let caught = catch_unwind(AssertUnwindSafe(|| check(&store)));
    let panic = caught.expect_err("the check passed on a broken store");
    let message = (panic.downcast_ref::<String>().map(String::as_str))
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .expect("the check panics with a message");
    assert!(
        message.contains(promise),
        "{fault:?} was found, but the message names another promise: {message}"
    );
}

#[test]
fn a_write_that_is_kept_in_spite_of_an_error_is_found() {
    assert_found(Fault::NoRollback, "returned Err", |store| {
        units_of_work::a_failed_unit_of_work_leaves_nothing(store);
    });
}

#[test]
fn a_write_that_is_kept_in_spite_of_a_panic_is_found() {
    assert_found(Fault::NoRollback, "before it panicked", |store| {
        units_of_work::a_panic_leaves_nothing_and_the_store_goes_on(store);
    });
}

#[test]
fn a_health_that_does_not_fit_what_the_store_does_is_found() {
    assert_found(Fault::SaysItIsIll, "failed where it should work", |store| {
        units_of_work::a_store_that_works_says_so(store);
    });
}

#[test]
fn a_half_kept_write_over_several_repositories_is_found() {
    assert_found(Fault::NoRollback, "left something behind", |store| {
        units_of_work::across_repositories(store);
    });
}

#[test]
fn a_name_that_is_looked_up_before_it_is_taken_is_found() {
    assert_found(Fault::ReadThenWrite, "with one name", |store| {
        users::of_racing_names_one_is_added(store);
    });
}

#[test]
fn a_claim_that_is_looked_up_before_it_is_made_is_found() {
    assert_found(Fault::ReadThenWrite, "claim_answer: of 16", |store| {
        let user = rows::added_user(store);
        idempotency::of_racing_claims_one_is_kept(store, user);
    });
}

#[test]
fn a_mac_that_is_compared_before_the_row_is_written_is_found() {
    assert_found(Fault::ReadThenWrite, "replace_user: of racing", |store| {
        users::of_racing_changes_one_is_written(store);
    });
    assert_found(
        Fault::ReadThenWrite,
        "replace_api_key: of racing",
        |store| {
            let user = rows::added_user(store);
            api_keys::of_racing_changes_one_is_written(store, user);
        },
    );
    assert_found(
        Fault::ReadThenWrite,
        "replace_credential: of racing",
        |store| {
            let user = rows::added_user(store);
            credentials::of_racing_changes_one_is_written(store, user);
        },
    );
}

#[test]
fn an_audit_head_that_holds_nobody_back_is_found() {
    assert_found(Fault::ReadThenWrite, "without gaps", |store| {
        audit::racing_writers_leave_no_gap(store, &rows::macs());
    });
}

#[test]
fn administrators_that_are_counted_before_one_is_removed_are_found() {
    assert_found(Fault::WriteSkew, "0 of them", |store| {
        users::of_two_racing_admins_one_stays(store);
    });
}

#[test]
fn a_compare_and_set_that_does_not_compare_is_found() {
    assert_found(Fault::IgnoresMac, "replace_user", |store| {
        users::a_stale_change_is_not_written(store);
    });
    assert_found(Fault::IgnoresMac, "another MAC", |store| {
        let user = rows::added_user(store);
        api_keys::a_stale_change_is_not_written(store, user);
    });
    assert_found(Fault::IgnoresMac, "another MAC", |store| {
        let user = rows::added_user(store);
        credentials::a_stale_change_is_not_written(store, user);
    });
}

#[test]
fn a_last_admin_who_can_be_removed_is_found() {
    assert_found(
        Fault::NoLastAdmin,
        "the last active administrator",
        |store| {
            users::the_last_admin_stays(store);
        },
    );
}

#[test]
fn a_column_that_a_change_leaves_out_is_found() {
    assert_found(Fault::LosesStatus, "other values", |store| {
        users::a_change_writes_every_column_of_one_user(store);
    });
    assert_found(Fault::LosesRevocation, "other values", |store| {
        let user = rows::added_user(store);
        api_keys::a_stale_change_is_not_written(store, user);
    });
    assert_found(Fault::LosesMfa, "other values", |store| {
        users::a_change_writes_every_column_of_one_user(store);
    });
    assert_found(Fault::LosesFreshness, "other values", |store| {
        let user = rows::added_user(store);
        api_keys::a_change_writes_every_column_of_one_key(store, user);
    });
}

#[test]
fn a_number_of_an_import_that_finds_the_wrong_row_is_found() {
    assert_found(Fault::ForgetsDeletedImports, "user_by_legacy_id", |store| {
        users::an_imported_user_is_found_by_its_number(store);
    });
    assert_found(Fault::MixesLegacyRows, "credential_by_legacy", |store| {
        let user = rows::added_user(store);
        credentials::an_imported_credential_is_found_by_its_number(store, user);
    });
}

#[test]
fn sessions_that_are_none_are_found() {
    for fault in [Fault::SessionsOfAnyKind, Fault::SessionsThatEnded] {
        assert_found(fault, "live_sessions: lists a key", |store| {
            let user = rows::added_user(store);
            api_keys::live_sessions_are_those_that_open_something(store, user);
        });
    }
}

#[test]
fn a_gap_in_the_audit_chain_is_found() {
    assert_found(Fault::SeqGaps, "without gaps", |store| {
        audit::racing_writers_leave_no_gap(store, &rows::macs());
    });
}

#[test]
fn idempotency_keys_that_users_share_are_found() {
    assert_found(Fault::SharedIdempotencyKeys, "another one's", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        idempotency::users_never_meet(store, user, other);
    });
}

#[test]
fn an_answer_that_is_forgotten_too_early_is_found() {
    assert_found(Fault::ForgetsTooMuch, "or later was dropped", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        idempotency::old_answers_are_forgotten(store, user, other);
    });
}

#[test]
fn a_last_use_that_goes_back_is_found() {
    assert_found(Fault::LastUseGoesBack, "touch_api_keys: after", |store| {
        let user = rows::added_user(store);
        api_keys::last_use_never_goes_back(store, user);
    });
}

#[test]
fn secrets_that_outlive_their_credential_are_found() {
    assert_found(
        Fault::OrphanedSecrets,
        "delete_credential left secrets",
        |store| {
            let user = rows::added_user(store);
            credentials::a_deleted_credential_takes_its_secrets_along(store, user);
        },
    );
}

#[test]
fn a_name_that_finds_what_somebody_else_made_is_found() {
    assert_found(Fault::NamesWithoutCreator, "credentials_named", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        credentials::a_name_finds_all_that_have_it(store, user, other);
    });
}

#[test]
fn uses_that_are_counted_wrongly_are_found() {
    assert_found(Fault::SharedUses, "for each credential", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        uses::as_many_uses_as_allowed_are_counted(store, user, other);
    });
    assert_found(Fault::UsesForEver, "in a later minute", |store| {
        let user = rows::added_user(store);
        uses::a_later_minute_begins_anew(store, user);
    });
    assert_found(Fault::UsesBeginAnewWhenever, "share one count", |store| {
        let user = rows::added_user(store);
        uses::a_clock_that_is_a_little_behind_shares_the_count(store, user);
    });
    assert_found(Fault::ReadThenWrite, "of 24 uses at once", |store| {
        let user = rows::added_user(store);
        uses::of_racing_uses_as_many_as_allowed_are_counted(store, user);
    });
}

#[test]
fn a_list_that_one_broken_row_makes_an_error_is_found() {
    let promise = "stored row_mac is invalid";
    assert_found(Fault::UnreadableIsAnError, promise, |store| {
        users::a_row_without_a_readable_mac_is_listed(store);
    });
    assert_found(Fault::UnreadableIsAnError, promise, |store| {
        let user = rows::added_user(store);
        api_keys::a_row_without_a_readable_mac_is_listed(store, user);
    });
    assert_found(Fault::UnreadableIsAnError, promise, |store| {
        let user = rows::added_user(store);
        credentials::a_row_without_a_readable_mac_is_listed_and_deleted(store, user);
    });
}

#[test]
fn a_limit_that_counts_secrets_is_found() {
    assert_found(
        Fault::LimitCountsSecrets,
        "the limit counts credentials",
        |store| {
            let (user, other) = (rows::added_user(store), rows::added_user(store));
            credentials::a_list_has_every_credential_once(store, user, other);
        },
    );
}
