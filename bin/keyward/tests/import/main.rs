//! `keyward import`, with the real binary, from databases as Pipelit leaves them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

mod afterwards;
mod arguments;
mod defects;
mod healthy;
mod old_versions;
mod pipelit;

use serde_json::Value;

use crate::running::{Home, Ran};

/// Runs a test on an empty SQLite database and on an empty one of PostgreSQL.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                super::$test(&crate::running::Home::new());
            })*
        }
        mod postgres {
            $(#[test]
            fn $test() {
                if let Some(home) = crate::running::Home::on_postgres() {
                    super::$test(&home.with_keys());
                }
            })*
        }
    };
}
pub(crate) use on_both;

/// Runs the import with these further arguments.
pub(crate) fn import(home: &Home, from: &pipelit::Pipelit, more: &[&str]) -> Ran {
    let key_file = home.write("pipelit.env", &pipelit::Pipelit::env_file(), 0o600);
    let url = from.url();
    let arguments = ["import", "pipelit", "--from", &url, "--key-file"];
    let mut arguments = arguments.to_vec();
    arguments.push(key_file.to_str().unwrap());
    arguments.extend(more);
    home.run(&arguments)
}

/// The report of an import with this exit code.
pub(crate) fn report(ran: &Ran, code: i32) -> Value {
    assert_eq!(ran.code, code, "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("no JSON: {ran:?}"))
}

/// The counts of one table: read, imported, repaired, already there, left out, refused.
pub(crate) fn counts(report: &Value, table: &str) -> [u64; 6] {
    let tables = report["tables"].as_array().unwrap();
    let counts = tables
        .iter()
        .find(|counts| counts["table"] == table)
        .unwrap();
    let names = [
        "read",
        "imported",
        "repaired",
        "already_there",
        "left_out",
        "refused",
    ];
    names.map(|name| counts[name].as_u64().unwrap())
}

/// The findings of one list as table, id and code.
pub(crate) fn findings(report: &Value, list: &str) -> Vec<(String, i64, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report[list].as_array().unwrap().iter();
    let findings = findings.map(|one| {
        (
            text(&one["table"]),
            one["id"].as_i64().unwrap(),
            text(&one["code"]),
        )
    });
    findings.collect()
}

/// How many rows the tables that an import fills have.
pub(crate) fn rows(home: &Home) -> [String; 7] {
    let mut sql = home.sql();
    [
        "users",
        "agents",
        "api_keys",
        "totp_secrets",
        "credentials",
        "credential_secrets",
        "audit_events",
    ]
    .map(|table| {
        sql.value(&format!(
            "SELECT CAST(count(*) AS TEXT) AS value FROM {table}"
        ))
    })
}
