//! A restored copy is whole, whichever database it came from and went to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keyward_audit::{Action, Actor, Event, Subject, VerifyAudit};
use keyward_auth::{PersonName, User, Users as _};
use keyward_core::Store as _;
use keyward_store_diesel::testing::TestDatabase;

use crate::support::{Client, added, on_both, sign, user, write};
use crate::vault::{Vault, content, other_kind};

on_both![
    a_copy_on_the_other_kind_of_database_has_every_row,
    what_a_backup_holds_comes_back_from_the_other_kind_of_database,
    texts_and_numbers_come_through_as_they_are,
    an_agent_may_be_older_than_the_person_who_answers_for_it,
    a_backup_is_one_moment_while_others_write,
    tables_of_others_are_told_and_left_alone,
    making_and_restoring_are_in_the_audit_log,
];

/// What a restore changes has tests of its own.
const CHANGED: [&str; 6] = [
    "api_keys",
    "attempts",
    "audit_events",
    "audit_head",
    "recovery_codes",
    "used_proofs",
];

fn a_copy_on_the_other_kind_of_database_has_every_row(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let target = other_kind(database);
    let copy = vault.restored(&backup, &target);

    let (mut was, mut is) = (content(&vault.world.store), content(&copy.store));
    let audit = was["audit_events"].iter();
    assert!(
        audit
            .into_iter()
            .all(|event| is["audit_events"].contains(event))
    );
    assert_eq!(is["api_keys"].len(), was["api_keys"].len());
    for table in CHANGED {
        was.remove(table);
        is.remove(table);
    }
    assert_eq!(is, was);
    for table in [
        "users",
        "agents",
        "credentials",
        "credential_secrets",
        "totp_secrets",
    ] {
        assert!(!was[table].is_empty(), "{table} is not tested");
    }
}

fn what_a_backup_holds_comes_back_from_the_other_kind_of_database(database: &TestDatabase) {
    let vault = Vault::new(database);
    let target = other_kind(database);
    let mut there = Vault {
        world: vault.restored(&vault.backup(), &target),
        ..vault
    };
    let back = there.backup();
    there.world = there.world.on(database);
    let mut was = content(&there.world.store);
    there.restore(&back, &there.world, true).unwrap();

    let mut is = content(&there.world.store);
    for table in CHANGED {
        was.remove(table);
        is.remove(table);
    }
    assert_eq!(is, was);
    assert!(there.verify(&there.backup()).unwrap().findings().is_empty());
}

fn texts_and_numbers_come_through_as_they_are(database: &TestDatabase) {
    let vault = Vault::new(database);
    let texts = [
        "Zoë\u{301} \u{1F511}",
        "\"\\/\t\r\n\u{1}\u{7f}",
        "{[null]}",
        "",
    ];
    for (text, number) in texts.into_iter().zip([i64::MAX, i64::MIN + 1, 1 << 53, 0]) {
        added(
            &vault.world.store,
            User {
                first_name: PersonName::from_stored(text.to_owned()),
                created_at: keyward_core::Timestamp(number),
                ..user()
            },
        );
    }
    let target = other_kind(database);
    let copy = vault.restored(&vault.backup(), &target);
    assert_eq!(
        content(&copy.store)["users"],
        content(&vault.world.store)["users"]
    );
}

/// So many people that they are not all loaded by one statement.
fn an_agent_may_be_older_than_the_person_who_answers_for_it(database: &TestDatabase) {
    let vault = Vault::new(database);
    write(&vault.world.store, |tx| {
        for _ in 0..600 {
            assert!(tx.add_user(&sign(user()))?);
        }
        Ok(())
    });
    let newcomer = vault.world.add(keyward_auth::Role::Normal);
    let sql = format!(
        "UPDATE users SET owner_id = '{}' WHERE id = '{}'",
        newcomer.unverified().id,
        vault.agent
    );
    Client::of(database).run(&sql).unwrap();
    let target = other_kind(database);
    vault.restored(&vault.backup(), &target);
    assert_eq!(Client::of(&target).count("users"), 604);
}

/// Each writer adds a user and an event in one transaction, so that a copy with another number of
/// both is not of one moment; and the chain of events would have a gap or a wrong end.
fn a_backup_is_one_moment_while_others_write(database: &TestDatabase) {
    let vault = Vault::new(database);
    let environment = vault.world.environment();
    let stop = AtomicBool::new(false);
    let backups: Vec<_> = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let user = sign(user());
                    let id = user.unverified().id;
                    let event = Event::new(Actor::system(), ADD, Subject::new("user", id));
                    let done = environment.store.write(|tx| {
                        tx.add_user(&user)?;
                        environment.audit.record(tx, &event)
                    });
                    done.unwrap();
                }
            });
        }
        let backups = (0..5).map(|_| vault.backup()).collect();
        stop.store(true, Ordering::Relaxed);
        backups
    });
    let mut last = 0;
    for backup in backups {
        let verified = vault.verify(&backup).unwrap();
        assert_eq!(verified.findings(), []);
        let target = TestDatabase::sqlite();
        vault.restored(&backup, &target);
        let mut client = Client::of(&target);
        let added: i64 = client
            .value("SELECT CAST(count(*) AS TEXT) AS value FROM audit_events WHERE action = 'test.add'")
            .parse()
            .unwrap();
        let users = client.value(
            "SELECT CAST(count(*) AS TEXT) AS value FROM users \
             WHERE id IN (SELECT subject_id FROM audit_events WHERE action = 'test.add')",
        );
        assert_eq!(users, added.to_string());
        assert_eq!(client.count("users"), added + 3);
        assert!(added >= last);
        last = added;
    }
    assert!(last > 0, "nobody wrote");
}

fn tables_of_others_are_told_and_left_alone(database: &TestDatabase) {
    let vault = Vault::new(database);
    let mut client = Client::of(database);
    let table = "CREATE TABLE my_own (id BIGINT); INSERT INTO my_own VALUES (7)";
    client.run(table).unwrap();
    let (created, backup) = vault.create();
    assert_eq!(created.strangers, ["my_own"]);
    assert!(!created.manifest.rows.contains_key("my_own"));

    vault.restore(&backup, &vault.world, true).unwrap();
    assert_eq!(client.count("my_own"), 1);
}

fn making_and_restoring_are_in_the_audit_log(database: &TestDatabase) {
    let vault = Vault::new(database);
    let (created, backup) = vault.create();
    let target = other_kind(database);
    let copy = vault.restored(&backup, &target);

    let mut client = Client::of(&target);
    let actions =
        client.values("SELECT action AS value FROM audit_events ORDER BY seq DESC LIMIT 2");
    let actions: Vec<_> = actions.into_iter().flatten().collect();
    assert_eq!(actions, ["backup.restore", "backup.create"]);
    let actor = client.value(
        "SELECT DISTINCT actor_kind AS value FROM audit_events WHERE action LIKE 'backup.%'",
    );
    assert_eq!(actor, "host");

    // The anchor of the manifest is that of the event by which it was made.
    let anchor = created.manifest.audit_anchor.unwrap().parse().unwrap();
    let audit = VerifyAudit::new(copy.store.clone(), copy.environment().macs);
    assert_eq!(audit.verify(Some(&anchor)).unwrap().findings, []);
}

const ADD: Action = Action("test.add");
