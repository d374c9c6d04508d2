//! What is peculiar to PostgreSQL: a server that goes away, limits, settings.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use keyward_auth::{
    ApiKeys as _, AttemptLimits as _, AttemptPolicy, LimitSubject, LoginTickets as _, Role,
    TicketRecord, User, UserId, UserReplaced, Users as _,
};
use keyward_core::{Store as _, StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId, LoginTicket, Signed};
use keyward_encryption::EncryptionKeys as _;
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{ConnectError, DatabaseUrl, DieselStore, DieselTx, Options};
use support::{Client, NOW, added, admin, api_key, changed, macs, sign, user, write};

#[test]
fn a_wrong_address_is_said_at_once() {
    let url = DatabaseUrl::parse("postgres://someone:secret@127.0.0.1:1/nothing").unwrap();
    let error = DieselStore::connect(&url, Options::default())
        .err()
        .unwrap();
    assert!(matches!(&error, ConnectError::Unreachable(_)));
    assert!(
        !format!("{error:?} {url:?}").contains("secret"),
        "{error:?}"
    );
}

#[test]
fn settings_take_effect() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let report = database.store().durability_report().unwrap();
    assert_eq!(report.backend, "PostgreSQL");
    for (name, value) in [
        ("synchronous_commit", "on"),
        ("statement_timeout", "5s"),
        ("lock_timeout", "4s"),
    ] {
        let found = report.settings.iter().find(|(setting, _)| setting == name);
        assert_eq!(
            found.map(|(_, value)| value.as_str()),
            Some(value),
            "{name}"
        );
    }
}

#[test]
fn a_server_that_forgets_commits_is_refused() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let mut client = Client::of(&database);
    let name = client.value("SELECT current_database()::text AS value");
    client
        .run(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = off"
        ))
        .unwrap();
    let error = DieselStore::connect(&database.database_url(), Options::default())
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the database has synchronous_commit = off; Keyward needs on"
    );
}

#[test]
fn a_read_cannot_write() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let row = sign(user());
    for result in [
        store.read(|tx| tx.add_user(&row)),
        store.lookup(|tx| tx.add_user(&row)),
    ] {
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
    }
    assert!(!store.read(|tx| tx.any_user()).unwrap());
}

#[test]
fn after_the_loss_of_all_connections_one_request_fails_and_the_next_work() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    for round in 0..3 {
        open_many(&store);
        end_connections(&database);
        let outcomes: Vec<bool> = (0..12)
            .map(|n| {
                if n % 2 == 0 {
                    store.lookup(|tx| tx.any_user()).is_ok()
                } else {
                    store.write(|tx| tx.add_user(&sign(user()))).is_ok()
                }
            })
            .collect();
        let failed = outcomes.iter().filter(|worked| !**worked).count();
        assert!(failed <= 1, "round {round}: {outcomes:?}");
        assert!(
            outcomes[1..].iter().all(|worked| *worked),
            "round {round}: {outcomes:?}"
        );
    }
}

#[test]
fn a_connection_that_is_lost_inside_a_transaction_is_replaced() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let lost = sign(user());
    let result = store.write(|tx| {
        tx.add_user(&lost)?;
        end_connections(&database);
        tx.any_user()
    });
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    let result = store.write(|tx| {
        tx.add_user(&lost)?;
        end_connections(&database);
        Ok::<_, StoreError>(())
    });
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "at COMMIT: {result:?}"
    );
    assert!(!store.read(|tx| tx.any_user()).unwrap());
    added(&store, user());
}

#[test]
fn waiting_for_a_lock_ends() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let row = added(&store, user());
    let mut client = Client::of(&database);
    client
        .run("BEGIN; UPDATE users SET version = version")
        .unwrap();
    let new = changed(&row, |_| ());
    let result = store.write(|tx| tx.replace_user(row.mac(), &new));
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    client.run("COMMIT").unwrap();
    write(&store, |tx| tx.replace_user(row.mac(), &new));
}

#[test]
fn a_deadlock_is_unavailable_and_not_a_failure() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let rows = [added(&store, user()), added(&store, user())];
    let news = [changed(&rows[0], |_| ()), changed(&rows[1], |_| ())];
    let both_hold_one = std::sync::Barrier::new(2);
    let cross = |first: usize| {
        store.write(|tx| {
            tx.replace_user(rows[first].mac(), &news[first])?;
            both_hold_one.wait();
            tx.replace_user(rows[1 - first].mac(), &news[1 - first])
        })
    };
    let results = thread::scope(|scope| {
        let threads = [scope.spawn(|| cross(0)), scope.spawn(|| cross(1))];
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(
        results.iter().filter(|result| result.is_ok()).count(),
        1,
        "{results:?}"
    );
    let is_unavailable =
        |result: &Result<_, StoreError>| matches!(result, Err(StoreError::Unavailable(_)));
    assert_eq!(
        results
            .iter()
            .filter(|result| is_unavailable(result))
            .count(),
        1,
        "{results:?}"
    );
}

#[test]
fn making_keys_for_administrators_and_taking_their_role_never_wait_for_each_other() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let mut admins: Vec<_> = (0..3).map(|_| added(&store, admin())).collect();
    admins.sort_by_key(|admin| admin.unverified().id);
    let ids: Vec<_> = admins.iter().map(|admin| admin.unverified().id).collect();
    let ended = std::sync::atomic::AtomicBool::new(false);
    let ended = &ended;
    thread::scope(|scope| {
        for _ in 0..4 {
            let (store, ids) = (&store, &ids);
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    // Against the order in which administrators are locked.
                    let made = store.write(|tx| {
                        for owner in ids.iter().rev() {
                            tx.add_api_key(&sign(api_key(*owner)))?;
                            thread::sleep(Duration::from_millis(1));
                        }
                        Ok::<_, StoreError>(())
                    });
                    made.unwrap();
                }
            });
        }
        let changing: Vec<_> = (admins[..2].iter())
            .map(|admin| scope.spawn(|| take_and_give_back(&store, admin, 40)))
            .collect();
        let results: Vec<_> = changing.into_iter().map(|thread| thread.join()).collect();
        ended.store(true, Ordering::Relaxed);
        for result in results {
            result.unwrap().unwrap();
        }
    });
}

fn take_and_give_back(
    store: &DieselStore,
    admin: &Signed<User>,
    times: usize,
) -> Result<(), StoreError> {
    let mut row = admin.clone();
    for role in [Role::Normal, Role::Admin].into_iter().cycle().take(times) {
        let new = changed(&row, |user| user.role = role);
        let outcome = store.write(|tx| tx.replace_user(row.mac(), &new))?;
        assert_eq!(outcome, UserReplaced::Done);
        row = new;
    }
    Ok(())
}

#[test]
fn an_attempt_does_not_wait_for_a_change_of_its_user() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let (ada, eve) = (added(&store, admin()), added(&store, admin()));
    let demoted = changed(&ada, |user| user.role = Role::Normal);
    write(&store, |tx| {
        let outcome = tx.replace_user(ada.mac(), &demoted)?;
        assert_eq!(outcome, UserReplaced::Done);
        // The first attempts of both, which refer to rows that are locked.
        for user in [&ada, &eve] {
            let subject = LimitSubject::totp(user.unverified().id);
            let reserved = elsewhere(&store, |tx| {
                tx.reserve_attempt(&subject, NOW, &AttemptPolicy::TOTP)
            });
            assert!(reserved.is_some());
        }
        Ok(())
    });
}

#[test]
fn cleaning_up_passes_over_what_others_hold() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let [ada, eve] = [user(), user()].map(|user| added(&store, user).unverified().id);
    let passwords = [ada, eve].map(|id| LimitSubject::password(&macs(), Some(id), "", ""));
    let tickets = [ada, eve].map(ticket);
    let old = NOW.plus(-90_000);
    write(&store, |tx| {
        tickets
            .iter()
            .try_for_each(|ticket| tx.add_ticket(ticket))?;
        for subject in &passwords {
            tx.reserve_attempt(subject, old, &AttemptPolicy::PASSWORD)?;
        }
        Ok(())
    });
    let forget = |tx: &mut DieselTx| {
        tx.forget_tickets(NOW.plus(1_000))?;
        tx.forget_attempts(NOW, NOW, 100)
    };
    write(&store, |tx| {
        tx.reserve_attempt(&passwords[0], old, &AttemptPolicy::PASSWORD)?;
        tx.try_ticket(tickets[0].unverified().id, NOW, 5)?;
        assert_eq!(elsewhere(&store, forget), 1);
        Ok(())
    });
    let mut client = Client::of(&database);
    assert_eq!(
        (client.count("attempts"), client.count("login_tickets")),
        (1, 1)
    );
    assert_eq!(write(&store, forget), 1);
    assert_eq!(
        (client.count("attempts"), client.count("login_tickets")),
        (0, 0)
    );
}

/// In a unit of work of its own, while another one is open.
fn elsewhere<T: Send>(
    store: &DieselStore,
    work: impl Fn(&mut DieselTx) -> Result<T, StoreError> + Send,
) -> T {
    thread::scope(|scope| scope.spawn(|| store.write(work)).join().unwrap()).unwrap()
}

fn ticket(user: UserId) -> Signed<TicketRecord> {
    let ticket = LoginTicket::generate();
    sign(TicketRecord {
        id: ticket.id(),
        ticket_mac: ticket.mac(&macs()),
        user,
        expires_at: NOW.plus(300),
    })
}

#[test]
fn touching_many_keys_from_many_nodes_never_goes_back() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let owner = added(&store, user()).unverified().id;
    let keys: Vec<_> = (0..50).map(|_| sign(api_key(owner))).collect();
    for key in &keys {
        write(&store, |tx| tx.add_api_key(key));
    }
    let ids: Vec<_> = keys.iter().map(|key| key.unverified().id).collect();
    thread::scope(|scope| {
        for node in 0..4 {
            let (store, ids) = (&store, &ids);
            scope.spawn(move || {
                for round in 0..20 {
                    let mut used: Vec<_> = ids
                        .iter()
                        .map(|id| (*id, Timestamp(round * 4 + node)))
                        .collect();
                    if node % 2 == 0 {
                        used.reverse();
                    }
                    store.write(|tx| tx.touch_api_keys(&used)).unwrap();
                }
            });
        }
    });
    let listed = store.read(|tx| tx.api_keys_of(owner, None, 100)).unwrap();
    assert!(
        listed
            .iter()
            .all(|key| key.last_used_at == Some(Timestamp(79)))
    );
}

#[test]
fn key_checks_are_read_before_there_is_a_table() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = DieselStore::connect(&database.database_url(), Options::default()).unwrap();
    assert_eq!(
        support::pairs(store.encryption_keys_before_migration().unwrap()),
        []
    );
    store.migrate().unwrap();
    let kid = KeyId::parse("0123456789abcdef").unwrap();
    let sealed = EncryptedString::from_stored("v1.0123456789abcdef.x".to_owned());
    write(&store, |tx| {
        tx.add_encryption_key(&support::key_record(kid, &sealed))
    });
    assert_eq!(
        support::pairs(store.encryption_keys_before_migration().unwrap()),
        [(kid, sealed)]
    );
}

#[test]
fn two_nodes_add_one_user_of_a_name() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (store, slow) = (database.store(), database.store());
    let first = sign(user());
    let mut second = user();
    second.username = first.unverified().username.clone();
    let second = sign(second);
    let added = thread::scope(|scope| {
        let waiting = slow.write(|tx| {
            assert!(tx.add_user(&first)?);
            let waiting = scope.spawn(|| {
                write(&store, |tx| {
                    let added = tx.add_user(&second)?;
                    // The transaction goes on after the conflict.
                    tx.any_user()?;
                    Ok(added)
                })
            });
            thread::sleep(Duration::from_millis(100));
            assert!(!waiting.is_finished(), "the second must wait for the first");
            Ok::<_, StoreError>(waiting)
        });
        waiting.unwrap().join().unwrap()
    });
    assert!(!added);
}

/// So that the pools have several connections.
fn open_many(store: &DieselStore) {
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                store
                    .read(|tx| {
                        thread::sleep(Duration::from_millis(30));
                        tx.any_user()
                    })
                    .unwrap();
                store
                    .write(|tx| {
                        thread::sleep(Duration::from_millis(30));
                        tx.any_user()
                    })
                    .unwrap();
            });
        }
    });
}

/// What a restart of the server does to its clients.
fn end_connections(database: &TestDatabase) {
    let mut client = Client::of(database);
    client.values(
        "SELECT pg_terminate_backend(pid)::text AS value FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    // The server answers before its processes have ended.
    thread::sleep(Duration::from_millis(100));
}
