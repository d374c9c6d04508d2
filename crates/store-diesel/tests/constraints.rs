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
    rows_need_the_rows_that_they_refer_to,
    a_deleted_credential_takes_its_secrets_along,
    the_last_used_step_never_decreases,
    audit_events_stay_as_they_are,
    the_audit_head_is_one_row,
];

fn a_row_that_breaks_no_rule_is_taken(database: &TestDatabase) {
    let mut client = filled(database);
    for (table, _) in ROWS {
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
        let taken = client.run(&format!("INSERT INTO users VALUES {second}"));
        assert_eq!(taken.is_ok(), is_free, "{status}");
    }
}

fn rows_need_the_rows_that_they_refer_to(database: &TestDatabase) {
    let mut client = filled(database);
    let nobody = USER_ID.replace('1', "9");
    for (table, column) in [
        ("api_keys", "user_id"),
        ("idempotency_keys", "user_id"),
        ("totp_secrets", "user_id"),
        ("recovery_codes", "user_id"),
        ("attempts", "account"),
        ("login_tickets", "user_id"),
        ("credentials", "created_by"),
        ("credential_secrets", "credential_id"),
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
}

fn the_last_used_step_never_decreases(database: &TestDatabase) {
    let mut client = filled(database);
    client.run("UPDATE attempts SET last_step = 8").unwrap();
    client.run("UPDATE attempts SET last_step = 8").unwrap();
    let error = client.run("UPDATE attempts SET last_step = 7").unwrap_err();
    assert!(error.to_string().contains("never decreases"), "{error}");
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
    for (table, row) in ROWS {
        client
            .run(&format!("INSERT INTO {table} VALUES {row}"))
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
        "totp_secrets" => "user_id || active || pending",
        "recovery_codes" => "user_id || mac",
        "attempts" => "subject || account || CAST(last_step AS TEXT) || CAST(fails AS TEXT)",
        "login_tickets" => "id || ticket_mac || user_id || row_mac",
        "audit_events" => "action || mac",
        "audit_head" => "last_mac || mac",
        "credentials" => "id || name || credential_type || created_by || open_fields || row_mac",
        "credential_secrets" => "credential_id || field || sealed",
        _ => "kid || sealed",
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
    "', NULL)"
);
const EVENT: &str = concat!(
    "(1, 1, 'host', '', '', '', 'user.create', 'user', 'x', '{}', '",
    mac!(),
    "')"
);

const ROWS: &[(&str, &str)] = &[
    ("users", USER),
    (
        "api_keys",
        concat!(
            "('0123456789ABCxyz', 'user', '",
            user_id!(),
            "', 'laptop', 'read', 1, NULL, NULL, NULL, '",
            mac!(),
            "', '",
            mac!(),
            "', NULL)"
        ),
    ),
    (
        "totp_secrets",
        concat!(
            "('",
            user_id!(),
            "', 'v1.0123456789abcdef.x', 'v1.0123456789abcdef.y', 1)"
        ),
    ),
    (
        "recovery_codes",
        concat!("('", user_id!(), "', '", mac!(), "')"),
    ),
    (
        "attempts",
        concat!("('totp:x', '", user_id!(), "', 1, 1, 1, 1, NULL, 7, 1)"),
    ),
    (
        "login_tickets",
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
    (
        "idempotency_keys",
        concat!("('", user_id!(), "', 'attempt', '", mac!(), "', '', 1)"),
    ),
    ("audit_events", EVENT),
    (
        "credentials",
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
        "('01920000-0000-7000-8000-c00000000001', 'api_key', 'v1.0123456789abcdef.x', 'wxyz')",
    ),
    (
        "key_checks",
        "('0123456789abcdef', 'v1.0123456789abcdef.x', 1)",
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
    ("api_keys", "fresh_until = 'ever'"),
    ("users", "mfa_since = 'ever'"),
    ("totp_secrets", "user_id = NULL"),
    ("totp_secrets", "active = 'GEZDGNBVGY3TQOJQ'"),
    ("totp_secrets", "pending = 'GEZDGNBVGY3TQOJQ'"),
    ("totp_secrets", "pending = NULL"),
    ("totp_secrets", "pending_expires_at = NULL"),
    ("recovery_codes", "mac = 'aaaa-bbbb-cccc-dddd'"),
    ("recovery_codes", "mac = NULL"),
    ("attempts", "subject = ''"),
    ("attempts", "subject = NULL"),
    ("attempts", "fails = -1"),
    ("attempts", "fails = NULL"),
    ("attempts", "window_start = NULL"),
    ("attempts", "window_count = -1"),
    ("attempts", "window_count = NULL"),
    ("attempts", "locked_until = NULL"),
    ("attempts", "disabled_at = 'never'"),
    ("attempts", "last_step = NULL"),
    ("attempts", "last_step = 6"),
    ("attempts", "last_step = last_step - 1"),
    ("attempts", "touched_at = NULL"),
    ("login_tickets", "id = 'short'"),
    ("login_tickets", "ticket_mac = 'x'"),
    ("login_tickets", "user_id = NULL"),
    ("login_tickets", "expires_at = NULL"),
    ("login_tickets", "tries = -1"),
    ("login_tickets", "tries = NULL"),
    ("login_tickets", "row_mac = 'x'"),
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
];

const GREATEST_LENGTHS: &[(&str, &str, usize)] = &[
    ("users", "username", 255),
    ("users", "password_hash", 512),
    ("users", "first_name", 150),
    ("users", "last_name", 150),
    ("api_keys", "name", 100),
    ("api_keys", "scopes", 1_000),
    ("idempotency_keys", "key", 255),
    ("attempts", "subject", 255),
    ("credentials", "name", 255),
    ("credential_secrets", "field", 255),
];
