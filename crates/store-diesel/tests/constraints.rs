//! Every constraint of the schema, by violating it behind the store's back.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use keyward_store_diesel::testing::TestDatabase;
use support::{Client, on_both};

on_both![
    a_row_that_breaks_no_rule_is_taken,
    every_rule_is_enforced,
    texts_have_greatest_lengths,
    a_name_belongs_to_one_user_until_it_is_deleted,
    a_number_of_an_import_belongs_to_one_row,
    a_key_of_another_system_is_one_of_the_kinds,
    rows_need_the_rows_that_they_refer_to,
    a_deleted_credential_takes_its_secrets_along,
    there_is_one_row_of_a_key,
    recovery_codes_of_one_person_are_many,
    a_used_step_never_becomes_unused,
    attempts_need_no_account,
    a_secret_that_waits_has_an_end,
    audit_events_stay_as_they_are,
    the_audit_head_is_one_row,
];

fn a_row_that_breaks_no_rule_is_taken(database: &TestDatabase) {
    let mut client = filled(database);
    for (table, ..) in ROWS {
        assert!(client.count(table) > 0, "{table}");
    }
}

fn every_rule_is_enforced(database: &TestDatabase) {
    let mut client = filled(database);
    for (table, change) in VIOLATIONS {
        let before = client.value(&digest(table));
        let result = client.run(&format!("UPDATE {table} SET {change}"));
        assert!(result.is_err(), "{table}: {change} was taken");
        assert_eq!(client.value(&digest(table)), before, "{table}: {change}");
    }
}

fn texts_have_greatest_lengths(database: &TestDatabase) {
    let mut client = filled(database);
    for (table, column, greatest) in GREATEST_LENGTHS {
        let mut set = |length: usize| {
            let text = "x".repeat(length);
            client.run(&format!("UPDATE {table} SET {column} = '{text}'"))
        };
        assert!(set(*greatest).is_ok(), "{table}.{column}");
        assert!(set(*greatest + 1).is_err(), "{table}.{column}");
    }
}

fn a_name_belongs_to_one_user_until_it_is_deleted(database: &TestDatabase) {
    let mut client = filled(database);
    let second = USER.replace(USER_ID, &USER_ID.replace('1', "2"));
    for (status, is_free) in [("active", false), ("disabled", false), ("deleted", true)] {
        client
            .run(&format!("UPDATE users SET status = '{status}'"))
            .unwrap();
        let taken = client.run(&format!(
            "INSERT INTO users ({USER_COLUMNS}) VALUES {second}"
        ));
        assert_eq!(taken.is_ok(), is_free, "{status}");
    }
}

fn a_number_of_an_import_belongs_to_one_row(database: &TestDatabase) {
    let mut client = filled(database);
    for (table, column) in [
        ("users", "legacy_id"),
        ("api_keys", "legacy_id"),
        ("credentials", "legacy_id"),
        ("credentials", "legacy_workspace_id"),
    ] {
        let indexed = if client.is_sqlite() {
            format!(
                "SELECT CAST(count(*) AS TEXT) AS value FROM sqlite_schema \
                 WHERE name = '{table}_{column}' AND sql LIKE 'CREATE UNIQUE INDEX%'"
            )
        } else {
            format!(
                "SELECT CAST(count(*) AS TEXT) AS value FROM pg_indexes \
                 WHERE indexname = '{table}_{column}' AND indexdef LIKE 'CREATE UNIQUE INDEX%'"
            )
        };
        assert_eq!(client.value(&indexed), "1", "{table}.{column}");
    }
    let other = USER
        .replace(USER_ID, &USER_ID.replace('1', "2"))
        .replace("'ada'", "'eve'");
    client
        .run(&format!(
            "INSERT INTO users ({USER_COLUMNS}) VALUES {other}"
        ))
        .unwrap();
    assert!(client.run("UPDATE users SET legacy_id = 1").is_err());
}

fn a_key_of_another_system_is_one_of_the_kinds(database: &TestDatabase) {
    let mut client = filled(database);
    for kind in ["user", "agent", "login", "foreign"] {
        client
            .run(&format!(
                "UPDATE api_keys SET kind = '{kind}', legacy_id = 7"
            ))
            .unwrap();
    }
}

fn rows_need_the_rows_that_they_refer_to(database: &TestDatabase) {
    let mut client = filled(database);
    let nobody = USER_ID.replace('1', "9");
    for (table, column) in [
        ("api_keys", "user_id"),
        ("idempotency_keys", "user_id"),
        ("credentials", "created_by"),
        ("credential_secrets", "credential_id"),
        ("credential_uses", "credential_id"),
        ("credential_uses", "user_id"),
        ("totp_secrets", "user_id"),
        ("recovery_codes", "user_id"),
        ("attempts", "account"),
        ("login_tickets", "user_id"),
    ] {
        let moved = client.run(&format!("UPDATE {table} SET {column} = '{nobody}'"));
        assert!(moved.is_err(), "{table}.{column}");
    }
    assert!(client.run("DELETE FROM users").is_err());
}

fn a_deleted_credential_takes_its_secrets_along(database: &TestDatabase) {
    let mut client = filled(database);
    client.run("DELETE FROM credentials").unwrap();
    assert_eq!(client.count("credential_secrets"), 0);
    assert_eq!(client.count("credential_uses"), 0);
}

fn there_is_one_row_of_a_key(database: &TestDatabase) {
    let mut client = filled(database);
    for (table, columns, row) in ROWS {
        // The end of the chain is there from the start, and events have a rule of their own.
        if *table == "audit_events" {
            continue;
        }
        let again = client.run(&format!("INSERT INTO {table} ({columns}) VALUES {row}"));
        assert!(again.is_err(), "{table}");
        assert_eq!(client.count(table), 1, "{table}");
    }
}

fn recovery_codes_of_one_person_are_many(database: &TestDatabase) {
    let mut client = filled(database);
    let other = MAC.replace('f', "e");
    let more = format!("INSERT INTO recovery_codes (user_id, mac) VALUES ('{USER_ID}', '{other}')");
    client.run(&more).unwrap();
    assert!(client.run(&more).is_err());
    assert_eq!(client.count("recovery_codes"), 2);
}

fn a_used_step_never_becomes_unused(database: &TestDatabase) {
    let mut client = filled(database);
    for step in [6, 6, 60_000_000] {
        let set = format!("UPDATE attempts SET last_step = {step}, fails = 0");
        client.run(&set).unwrap();
    }
    for step in ["59999999", "0", "-1", "last_step - 1"] {
        let set = format!("UPDATE attempts SET fails = 9, last_step = {step}");
        let error = client.run(&set).unwrap_err();
        assert!(error.to_string().contains("never decreases"), "{error}");
    }
    let kept = "SELECT CAST(last_step + fails AS TEXT) AS value FROM attempts";
    assert_eq!(client.value(kept), "60000000");
}

fn attempts_need_no_account(database: &TestDatabase) {
    let mut client = filled(database);
    client.run("UPDATE attempts SET account = NULL").unwrap();
    assert_eq!(client.count("attempts"), 1);
}

fn a_secret_that_waits_has_an_end(database: &TestDatabase) {
    let mut client = filled(database);
    for (set, is_taken) in [
        ("pending = NULL", false),
        ("pending_expires_at = NULL", false),
        ("pending = NULL, pending_expires_at = NULL", true),
        ("pending_expires_at = 1", false),
        ("pending = 'v1.0123456789abcdef.x'", false),
        ("active = NULL", true),
        (
            "pending = 'v1.0123456789abcdef.x', pending_expires_at = 1",
            true,
        ),
    ] {
        let outcome = client.run(&format!("UPDATE totp_secrets SET {set}"));
        assert_eq!(outcome.is_ok(), is_taken, "{set}");
    }
}

fn audit_events_stay_as_they_are(database: &TestDatabase) {
    let mut client = filled(database);
    let mut attempts = vec![
        "UPDATE audit_events SET action = 'user.read'".to_owned(),
        "UPDATE audit_events SET mac = mac".to_owned(),
        "DELETE FROM audit_events".to_owned(),
        "DELETE FROM audit_events WHERE seq = 1".to_owned(),
    ];
    attempts.push(if client.is_sqlite() {
        format!("INSERT OR REPLACE INTO audit_events VALUES {EVENT}").replace("host", "system")
    } else {
        "TRUNCATE audit_events".to_owned()
    });
    for attempt in attempts {
        let error = client.run(&attempt).unwrap_err();
        assert!(
            error.to_string().contains("append-only"),
            "{attempt}: {error}"
        );
    }
    let kept = "SELECT actor_kind || action || mac AS value FROM audit_events";
    assert_eq!(client.value(kept), format!("hostuser.create{MAC}"));
}

fn the_audit_head_is_one_row(database: &TestDatabase) {
    let mut client = filled(database);
    assert_eq!(client.count("audit_head"), 1);
    for id in [1, 2] {
        let second = client.run(&format!("INSERT INTO audit_head VALUES ({id}, 0, '', '')"));
        assert!(second.is_err(), "{id}");
    }
}

/// One valid row in each table.
fn filled(database: &TestDatabase) -> Client {
    let _ = database.store();
    let mut client = Client::of(database);
    for (table, columns, row) in ROWS {
        client
            .run(&format!("INSERT INTO {table} ({columns}) VALUES {row}"))
            .unwrap();
    }
    client
}

/// Something that changes when a row of the table does.
fn digest(table: &str) -> String {
    let columns = match table {
        "users" => "id || username || kind || role || status || row_mac",
        "api_keys" => "id || kind || user_id || name || scopes || key_mac || row_mac",
        "idempotency_keys" => "user_id || key || fingerprint || answer",
        "audit_events" => "action || mac",
        "audit_head" => "last_mac || mac",
        "credentials" => "id || name || credential_type || created_by || open_fields || row_mac",
        "credential_secrets" => "credential_id || field || sealed",
        "credential_uses" => "credential_id || user_id || minute || uses",
        "encryption_rotation" => "id || state || total",
        "safekeeping" => "kind || key_ids",
        "kept_time" => "id || ' ' || at",
        "totp_secrets" => "user_id || active || pending || pending_expires_at",
        "recovery_codes" => "user_id || mac",
        "attempts" => "subject || account || fails || window_count || last_step",
        "login_tickets" => "id || ticket_mac || user_id || tries || row_mac",
        _ => "kid || sealed || state",
    };
    format!("SELECT {columns} AS value FROM {table}")
}

macro_rules! mac {
    () => {
        "0123456789abcdef.0000000000000000000000000000000000000000000000000000000000000000"
    };
}
macro_rules! user_id {
    () => {
        "01920000-0000-7000-8000-111111111111"
    };
}

const MAC: &str = mac!();
const USER_ID: &str = user_id!();
const USER: &str = concat!(
    "('",
    user_id!(),
    "', 'ada', 'human', 'admin', 'active', NULL, '', '', 1, 1, '",
    mac!(),
    "')"
);
const EVENT: &str = concat!(
    "(1, 1, 'host', '', '', '', 'user.create', 'user', 'x', '{}', '",
    mac!(),
    "')"
);

const USER_COLUMNS: &str = "id, username, kind, role, status, password_hash, first_name, \
                            last_name, created_at, version, row_mac";

/// A table, columns, and their values in a row that breaks no rule.
const ROWS: &[(&str, &str, &str)] = &[
    ("users", USER_COLUMNS, USER),
    (
        "api_keys",
        "id, kind, user_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, \
         key_mac, row_mac",
        concat!(
            "('0123456789ABCxyz', 'user', '",
            user_id!(),
            "', 'laptop', 'read', 1, NULL, NULL, NULL, '",
            mac!(),
            "', '",
            mac!(),
            "')"
        ),
    ),
    (
        "idempotency_keys",
        "user_id, key, fingerprint, answer, created_at",
        concat!("('", user_id!(), "', 'attempt', '", mac!(), "', '', 1)"),
    ),
    (
        "audit_events",
        "seq, at, actor_kind, actor_id, actor_key, request, action, subject_kind, subject_id, \
         details, mac",
        EVENT,
    ),
    (
        "credentials",
        "id, name, credential_type, created_by, open_fields, created_at, updated_at, version, \
         row_mac",
        concat!(
            "('01920000-0000-7000-8000-c00000000001', 'OpenAI', 'llm', '",
            user_id!(),
            "', '{}', 1, 1, 1, '",
            mac!(),
            "')"
        ),
    ),
    (
        "credential_secrets",
        "credential_id, field, sealed, last4",
        "('01920000-0000-7000-8000-c00000000001', 'api_key', 'v1.0123456789abcdef.x', 'wxyz')",
    ),
    (
        "credential_uses",
        "credential_id, user_id, minute, uses",
        concat!(
            "('01920000-0000-7000-8000-c00000000001', '",
            user_id!(),
            "', 60, 1)"
        ),
    ),
    (
        "key_checks",
        "kid, sealed, created_at",
        "('0123456789abcdef', 'v1.0123456789abcdef.x', 1)",
    ),
    (
        "safekeeping",
        "kind, at, key_ids",
        "('backup', 1, '0123456789abcdef')",
    ),
    ("kept_time", "id, at", "(1, 1)"),
    (
        "totp_secrets",
        "user_id, active, pending, pending_expires_at",
        concat!(
            "('",
            user_id!(),
            "', 'v1.0123456789abcdef.x', 'v1.0123456789abcdef.y', 1)"
        ),
    ),
    (
        "recovery_codes",
        "user_id, mac",
        concat!("('", user_id!(), "', '", mac!(), "')"),
    ),
    (
        "attempts",
        "subject, account, fails, window_start, window_count, locked_until, disabled_at, \
         last_step, touched_at, month_start, month_fails",
        concat!(
            "('totp:x', '",
            user_id!(),
            "', 3, 1, 2, 0, NULL, 5, 1, 1, 3)"
        ),
    ),
    (
        "login_tickets",
        "id, ticket_mac, user_id, expires_at, tries, row_mac",
        concat!(
            "('0123456789ABCxyz', '",
            mac!(),
            "', '",
            user_id!(),
            "', 1, 0, '",
            mac!(),
            "')"
        ),
    ),
];

const VIOLATIONS: &[(&str, &str)] = &[
    ("users", "id = 'short'"),
    ("users", "id = NULL"),
    ("users", "username = ''"),
    ("users", "username = NULL"),
    ("users", "kind = 'robot'"),
    ("users", "kind = 'Human'"),
    ("users", "role = 'root'"),
    ("users", "role = ''"),
    ("users", "status = 'locked'"),
    ("users", "password_hash = ''"),
    ("users", "first_name = NULL"),
    ("users", "last_name = NULL"),
    ("users", "created_at = NULL"),
    ("users", "created_at = 'yesterday'"),
    ("users", "version = -1"),
    ("users", "row_mac = ''"),
    ("users", "row_mac = NULL"),
    ("users", "mfa_since = 'always'"),
    ("api_keys", "id = '0123456789ABCxy'"),
    ("api_keys", "kind = 'root'"),
    ("api_keys", "user_id = NULL"),
    ("api_keys", "name = ''"),
    ("api_keys", "scopes = NULL"),
    ("api_keys", "created_at = NULL"),
    ("api_keys", "expires_at = 'never'"),
    ("api_keys", "revoked_at = 'never'"),
    ("api_keys", "last_used_at = 'never'"),
    ("api_keys", "key_mac = 'x'"),
    ("api_keys", "row_mac = 'x'"),
    ("api_keys", "fresh_until = 'always'"),
    ("api_keys", "legacy_id = 'first'"),
    ("users", "legacy_id = 'first'"),
    ("credentials", "legacy_id = 'first'"),
    ("credentials", "legacy_id = 1, legacy_workspace_id = 1"),
    ("idempotency_keys", "key = ''"),
    ("idempotency_keys", "fingerprint = ''"),
    ("idempotency_keys", "answer = NULL"),
    ("idempotency_keys", "created_at = NULL"),
    ("audit_head", "id = 2"),
    ("audit_head", "seq = -1"),
    ("audit_head", "seq = 1"),
    ("audit_head", "last_mac = 'x'"),
    ("audit_head", "mac = 'x'"),
    ("credentials", "id = 'short'"),
    ("credentials", "name = ''"),
    ("credentials", "credential_type = 'password'"),
    ("credentials", "created_by = NULL"),
    ("credentials", "open_fields = ''"),
    ("credentials", "open_fields = '[]'"),
    ("credentials", "broker = ''"),
    ("credentials", "broker = '[]'"),
    ("credential_uses", "minute = NULL"),
    ("credential_uses", "uses = 0"),
    ("credentials", "updated_at = NULL"),
    ("credentials", "version = -1"),
    ("credentials", "row_mac = ''"),
    ("credential_secrets", "field = ''"),
    ("credential_secrets", "sealed = 'sk-live-plain-text'"),
    ("credential_secrets", "sealed = 'gAAAAABl'"),
    ("credential_secrets", "sealed = 'V1.0123456789abcdef.x'"),
    ("credential_secrets", "sealed = ''"),
    ("credential_secrets", "sealed = NULL"),
    ("credential_secrets", "last4 = ''"),
    ("credential_secrets", "last4 = '12345'"),
    ("key_checks", "kid = 'short'"),
    ("key_checks", "sealed = 'plain'"),
    ("key_checks", "created_at = NULL"),
    ("key_checks", "state = 'lost'"),
    ("key_checks", "state = NULL"),
    ("encryption_rotation", "id = 2"),
    ("encryption_rotation", "state = 'lost'"),
    ("encryption_rotation", "total = -1"),
    ("safekeeping", "kind = NULL"),
    ("safekeeping", "kind = 'promise'"),
    ("safekeeping", "at = NULL"),
    ("safekeeping", "at = 'yesterday'"),
    ("safekeeping", "key_ids = NULL"),
    ("kept_time", "id = 2"),
    ("kept_time", "id = NULL"),
    ("kept_time", "at = NULL"),
    ("kept_time", "at = 'yesterday'"),
    ("totp_secrets", "user_id = NULL"),
    ("totp_secrets", "active = 'JBSWY3DPEHPK3PXP'"),
    ("totp_secrets", "active = 'V1.0123456789abcdef.x'"),
    ("totp_secrets", "active = ''"),
    ("totp_secrets", "pending = 'plain'"),
    ("totp_secrets", "pending = NULL"),
    ("totp_secrets", "pending_expires_at = NULL"),
    ("totp_secrets", "pending_expires_at = 'soon'"),
    ("recovery_codes", "user_id = NULL"),
    ("recovery_codes", "mac = NULL"),
    ("recovery_codes", "mac = ''"),
    ("recovery_codes", "mac = 'aaaq-eaye-auda-ocaj'"),
    ("attempts", "subject = NULL"),
    ("attempts", "subject = ''"),
    ("attempts", "account = 'nobody'"),
    ("attempts", "fails = NULL"),
    ("attempts", "fails = -1"),
    ("attempts", "window_start = NULL"),
    ("attempts", "window_start = 'now'"),
    ("attempts", "window_count = NULL"),
    ("attempts", "window_count = -1"),
    ("attempts", "locked_until = NULL"),
    ("attempts", "locked_until = 'never'"),
    ("attempts", "disabled_at = 'never'"),
    ("attempts", "last_step = NULL"),
    ("attempts", "last_step = 4"),
    ("attempts", "last_step = -1"),
    ("attempts", "touched_at = NULL"),
    ("attempts", "touched_at = 'now'"),
    ("attempts", "month_start = NULL"),
    ("attempts", "month_start = 'now'"),
    ("attempts", "month_fails = NULL"),
    ("attempts", "month_fails = -1"),
    ("login_tickets", "id = NULL"),
    ("login_tickets", "id = '0123456789ABCxy'"),
    ("login_tickets", "id = '0123456789ABCxyz0'"),
    ("login_tickets", "ticket_mac = NULL"),
    ("login_tickets", "ticket_mac = 'x'"),
    ("login_tickets", "user_id = NULL"),
    ("login_tickets", "expires_at = NULL"),
    ("login_tickets", "expires_at = 'soon'"),
    ("login_tickets", "tries = NULL"),
    ("login_tickets", "tries = -1"),
    ("login_tickets", "row_mac = NULL"),
    ("login_tickets", "row_mac = 'x'"),
];

const GREATEST_LENGTHS: &[(&str, &str, usize)] = &[
    ("users", "username", 255),
    ("users", "password_hash", 512),
    ("users", "first_name", 150),
    ("users", "last_name", 150),
    ("api_keys", "name", 100),
    ("api_keys", "scopes", 1_000),
    ("idempotency_keys", "key", 255),
    ("credentials", "name", 255),
    ("credential_secrets", "field", 255),
    ("attempts", "subject", 255),
];
