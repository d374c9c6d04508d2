use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyward_audit::{Action, Actor, AuditEvents as _, AuditLog, Event, Subject};
use keyward_auth::{
    Answer, ApiKeys as _, AuthTx, IdempotencyKey, IdempotencyKeys as _, StoredAnswer, User,
    UserReplaced, Users,
};
use keyward_core::{Store, StoreError, SystemClock, Timestamp};
use keyward_credentials::Credentials;
use keyward_crypto::{MacPurpose, Signed};

use super::credentials::credential;
use super::rows::{api_key, assert_same, changed, macs, sign, user};
use super::run::{OnPurpose, read, undone, works, write};

/// Checks what [`Store`] promises of `read`, `write` and `lookup`, by means of users.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn units_of_work<S: Store<Tx: Users>>(store: &S) {
    values_and_errors_come_through(store);
    a_store_that_works_says_so(store);
    a_failed_unit_of_work_leaves_nothing(store);
    a_panic_leaves_nothing_and_the_store_goes_on(store);
    a_unit_of_work_sees_its_own_changes(store);
    what_is_committed_is_seen_by_all(store);
    what_is_not_committed_is_seen_by_nobody_else(store);
    a_read_sees_one_snapshot(store);
}

pub(crate) fn a_store_that_works_says_so<S: Store>(store: &S) {
    works(store.health());
}

/// That one unit of work spans all repositories.
pub(crate) fn across_repositories<S: Store<Tx: AuthTx + Credentials>>(store: &S) {
    let owner = user();
    let key = api_key(owner.id);
    let credential = credential(owner.id, 2);
    let (key_id, credential_id) = (key.id, credential.credential.unverified().id);
    let claim = claim_of(&owner);
    let log = AuditLog::new(macs(), std::sync::Arc::new(SystemClock));
    let event = Event::new(
        Actor::host(),
        Action("contract.undo"),
        Subject::new("user", owner.id),
    );
    let last_seq = |tx: &mut S::Tx| Ok(tx.audit_head()?.map(|head| head.seq));
    let before = read(store, last_seq);

    undone(store, |tx| {
        tx.add_user(&sign(owner.clone()))?;
        tx.add_api_key(&sign(key.clone()))?;
        tx.claim_answer(&claim)?;
        tx.add_credential(&credential)?;
        log.record(tx, &event)
    });

    let (user, key, answer, credential, after) = read(store, |tx| {
        Ok((
            tx.user(owner.id)?,
            tx.key_with_owner(key_id)?,
            tx.stored_answer(owner.id, &claim.key)?,
            tx.credential(credential_id)?,
            last_seq(tx)?,
        ))
    });
    assert!(user.is_none(), "{LEFT}: the user");
    assert!(key.is_none(), "{LEFT}: the API key");
    assert!(answer.is_none(), "{LEFT}: the idempotency key");
    assert!(credential.is_none(), "{LEFT}: the credential");
    assert_eq!(after, before, "{LEFT}: the audit event");
}

fn claim_of(user: &User) -> StoredAnswer {
    StoredAnswer {
        user: user.id,
        key: IdempotencyKey::parse("contract")
            .unwrap_or_else(|error| panic!("a plain key is refused: {error}")),
        fingerprint: macs().mac(MacPurpose::IdempotentRequest, &[]),
        answer: Answer(String::new()),
        created_at: Timestamp(1_800_000_000),
    }
}

fn values_and_errors_come_through<S: Store<Tx: Users>>(store: &S) {
    assert_eq!(read(store, |_| Ok(1)), 1, "`read` changed the value");
    assert_eq!(write(store, |_| Ok(2)), 2, "`write` changed the value");
    assert_eq!(works(store.lookup(|_| Ok(3))), 3, "`lookup` changed it");
    let outcomes = [
        store.read(|_| Err::<(), _>(OnPurpose::Undo)),
        store.write(|_| Err::<(), _>(OnPurpose::Undo)),
        store.lookup(|_| Err::<(), _>(OnPurpose::Undo)),
    ];
    for outcome in outcomes {
        assert!(
            matches!(outcome, Err(OnPurpose::Undo)),
            "the error of a unit of work must be returned as it is, not {outcome:?}"
        );
    }
}

pub(crate) fn a_failed_unit_of_work_leaves_nothing<S: Store<Tx: Users>>(store: &S) {
    let kept = sign(user());
    write(store, |tx| tx.add_user(&kept));
    let lost = sign(user());
    undone(store, |tx| {
        tx.add_user(&lost)?;
        let renamed = changed(&kept, |user| user.username = super::rows::fresh_name());
        tx.replace_user(kept.mac(), &renamed)
    });

    assert!(find(store, &lost).is_none(), "{LEFT}: an added row");
    let found = find(store, &kept);
    let found = found.unwrap_or_else(|| panic!("a failed `write` took a row away"));
    assert_same(&found, &kept, "user, after a failed `write`");
}

pub(crate) fn a_panic_leaves_nothing_and_the_store_goes_on<S: Store<Tx: Users>>(store: &S) {
    let lost = sign(user());
    let caught = catch_unwind(AssertUnwindSafe(|| {
        store.write(|tx| {
            works(tx.add_user(&lost));
            // Without the message that `panic!` prints.
            if true {
                resume_unwind(Box::new("on purpose"));
            }
            Ok::<_, StoreError>(())
        })
    }));
    assert!(caught.is_err(), "a panic inside `write` must go on");
    assert!(
        find(store, &lost).is_none(),
        "what a `write` wrote before it panicked was kept"
    );

    // More often than a pool has connections: none may be lost or left inside a transaction.
    for _ in 0..20 {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            store.write(|_| -> Result<(), StoreError> { resume_unwind(Box::new("on purpose")) })
        }));
    }
    let next = sign(user());
    write(store, |tx| tx.add_user(&next));
    assert!(
        find(store, &next).is_some(),
        "after a panic inside `write` the store does not keep anything any more"
    );
}

fn a_unit_of_work_sees_its_own_changes<S: Store<Tx: Users>>(store: &S) {
    let first = sign(user());
    let second = changed(&first, |user| user.username = super::rows::fresh_name());
    let (added, replaced, by_old_name, by_new_name) = write(store, |tx| {
        tx.add_user(&first)?;
        let added = tx.user(first.unverified().id)?;
        let outcome = tx.replace_user(first.mac(), &second)?;
        assert_eq!(
            outcome,
            UserReplaced::Done,
            "a row that was added in the same `write` cannot be replaced"
        );
        let replaced = tx.user(first.unverified().id)?;
        let by_old_name = tx.user_by_name(&first.unverified().username)?;
        let by_new_name = tx.user_by_name(&second.unverified().username)?;
        Ok((added, replaced, by_old_name, by_new_name))
    });
    let added = added.unwrap_or_else(|| panic!("a `write` does not see what it added"));
    assert_same(&added, &first, "user, inside the same `write`");
    let replaced = replaced.unwrap_or_else(|| panic!("a `write` lost what it replaced"));
    assert_same(&replaced, &second, "user, inside the same `write`");
    assert!(
        by_old_name.is_none() && by_new_name.is_some(),
        "a `write` finds a user by the name from before its own change"
    );
}

fn what_is_committed_is_seen_by_all<S: Store<Tx: Users>>(store: &S) {
    let mut row = sign(user());
    write(store, |tx| tx.add_user(&row));
    // Again and again, so that every connection of a pool gets its turn.
    for round in 0..8 {
        let new = changed(&row, |user| user.created_at = Timestamp(round));
        write(store, |tx| tx.replace_user(row.mac(), &new));
        row = new;
        let id = row.unverified().id;
        let seen = [
            ("read", read(store, |tx| tx.user(id))),
            ("lookup", works(store.lookup(|tx| tx.user(id)))),
            ("write", write(store, |tx| tx.user(id))),
        ];
        let elsewhere = thread::scope(|scope| {
            let thread = scope.spawn(|| read(store, |tx| tx.user(id)));
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        for (by, found) in seen.into_iter().chain([("read of a thread", elsewhere)]) {
            let found = found.unwrap_or_else(|| panic!("`{by}` misses a committed row"));
            assert_eq!(
                found.mac(),
                row.mac(),
                "`{by}` sees an older state than the one committed last"
            );
        }
    }
}

fn what_is_not_committed_is_seen_by_nobody_else<S: Store<Tx: Users>>(store: &S) {
    let lost = sign(user());
    thread::scope(|scope| {
        let (to_main, from_reader) = mpsc::channel();
        undone(store, |tx| {
            tx.add_user(&lost)?;
            scope.spawn(move || to_main.send(find(store, &lost).is_none()));
            // A store may let readers wait until the write ends, so do not wait for them for ever.
            let early = from_reader.recv_timeout(PATIENCE);
            assert!(
                early.unwrap_or(true),
                "a `read` sees what another unit of work has not committed"
            );
            Ok(())
        });
    });
}

fn a_read_sees_one_snapshot<S: Store<Tx: Users>>(store: &S) {
    let old = sign(user());
    write(store, |tx| tx.add_user(&old));
    let new = changed(&old, |user| user.created_at = Timestamp(5));
    let id = old.unverified().id;
    thread::scope(|scope| {
        let (to_main, from_writer) = mpsc::channel();
        let (first, second) = read(store, |tx| {
            let first = tx.user(id)?;
            scope.spawn(move || {
                write(store, |tx| tx.replace_user(old.mac(), &new));
                to_main.send(())
            });
            // A store may let writers wait until the read ends, so do not wait for them for ever.
            let _ = from_writer.recv_timeout(PATIENCE);
            Ok((first, tx.user(id)?))
        });
        let mac = |found: Option<Signed<User>>| found.map(|user| user.mac().as_stored());
        assert_eq!(
            mac(first),
            mac(second),
            "one `read` saw two states: it needs a transaction on one snapshot"
        );
    });
}

fn find<S: Store<Tx: Users>>(store: &S, user: &Signed<User>) -> Option<Signed<User>> {
    read(store, |tx| tx.user(user.unverified().id))
}

const LEFT: &str = "a `write` that returned Err left something behind";
const PATIENCE: Duration = Duration::from_millis(300);
