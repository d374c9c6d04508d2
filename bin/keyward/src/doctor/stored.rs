//! What the database itself says. Nothing in it is changed.

use std::error::Error;

use keyward_audit::{ReadAudit, Verification, VerifyAudit};
use keyward_core::Store as _;
use keyward_crypto::MacRing;
use keyward_encryption::{follow_states, learn_audit_keys};
use keyward_store_diesel::{DieselStore, Options};

use crate::key_check;
use crate::keys;
use crate::settings::Settings;

use super::check::{Check, Rule, Severity};
use super::{clock, people, safekeeping};

/// How much of the audit log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audit {
    /// All of it, however long that takes.
    Whole,
    /// All of it, or nothing where that would take seconds.
    IfShort,
}

/// Every check.
pub(super) fn checks(settings: &Settings, audit: Audit) -> Vec<Check> {
    with_store(settings, |store| {
        let mut checks = quick(settings, store);
        // Durability is asked for only when the schema is there.
        if checks.iter().any(|check| check.id == DURABLE.id) {
            let macs = keys::existing_macs(settings).ok().flatten();
            let macs = macs.map(|(macs, _)| macs);
            checks.push(intact(settings, store, audit));
            checks.push(people::check(settings.mode, store, macs.as_ref()));
            checks.extend(safekeeping::checks(settings, store));
        } else {
            let missing = [DURABLE, AUDIT].into_iter().chain(clock::RULES);
            let missing = missing.chain(later());
            checks.extend(missing.map(|rule| rule.skip("the schema is not up to date")));
        }
        checks
    })
}

/// The checks that a start waits for.
pub(super) fn quick_checks(settings: &Settings) -> Vec<Check> {
    with_store(settings, |store| quick(settings, store))
}

fn with_store(settings: &Settings, check: impl FnOnce(&DieselStore) -> Vec<Check>) -> Vec<Check> {
    let Ok(url) = settings.database_url() else {
        return skip_all("DATABASE_URL cannot be used");
    };
    if url.sqlite_path().is_some_and(|path| !path.exists()) {
        return skip_all("there is no database yet; the first start creates it");
    }
    match DieselStore::connect(&url, Options::default()) {
        Ok(store) => check(&store),
        Err(error) => {
            let mut checks =
                vec![REACHABLE.fail(cause(&error), "start the database, or correct DATABASE_URL")];
            checks.extend(skip_all("the database does not answer").split_off(1));
            checks
        }
    }
}

fn skip_all(reason: &str) -> Vec<Check> {
    let rules = RULES.into_iter().chain(clock::RULES).chain(later());
    rules.map(|rule| rule.skip(reason)).collect()
}

/// The rules that need a database with its tables, and are not asked for at a start.
fn later() -> impl Iterator<Item = Rule> {
    people::RULES.into_iter().chain(safekeeping::RULES)
}

fn quick(settings: &Settings, store: &DieselStore) -> Vec<Check> {
    let mut checks = vec![
        REACHABLE.pass(store.url().label()),
        keys_fit(settings, store),
    ];
    match store.pending_migrations() {
        Ok(pending) if pending.is_empty() => {
            checks.push(SCHEMA.pass("every migration is applied"));
            checks.push(durable(store));
            checks.push(clock::check(store));
        }
        Ok(pending) => {
            let missing = format!("not applied yet: {}", pending.join(", "));
            checks.push(SCHEMA.warn(missing, "run `keyward migrate`, or start the server"));
        }
        Err(error) => checks.push(SCHEMA.fail(cause(&error), LOOK)),
    }
    checks
}

fn keys_fit(settings: &Settings, store: &DieselStore) -> Check {
    let (Ok(Some((fields, _))), Ok(Some((macs, _)))) = (
        keys::existing_fields(settings),
        keys::existing_macs(settings),
    ) else {
        return KEYS.skip("there are no usable keys to compare");
    };
    match key_check::verify(store, &fields, &macs) {
        Err(error) => KEYS.fail(cause(&error), LOOK),
        Ok(Ok(0)) => KEYS.skip("the database was not written with any key yet"),
        Ok(Ok(known)) => KEYS.pass(format!("{known} known keys are configured")),
        Ok(Err(error)) => KEYS.fail(
            error,
            "configure the keys that the database was written with",
        ),
    }
}

fn durable(store: &DieselStore) -> Check {
    match store.durability_report() {
        Ok(report) if report.weaknesses.is_empty() => {
            let settings: Vec<_> = report
                .settings
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            DURABLE.pass(format!("{}: {}", report.backend, settings.join(" ")))
        }
        Ok(report) => DURABLE.fail(
            report.weaknesses.join("; "),
            "change these settings of the database server",
        ),
        Err(error) => DURABLE.fail(cause(&error), LOOK),
    }
}

fn intact(settings: &Settings, store: &DieselStore, audit: Audit) -> Check {
    if audit == Audit::IfShort {
        match ReadAudit::new(store.clone()).newest(None, 1) {
            Ok(newest) if newest.first().is_none_or(|last| last.fields.seq <= SHORT) => {}
            Ok(_) => {
                return AUDIT
                    .skip("the log is long; `keyward doctor` and `keyward audit verify` read it");
            }
            Err(error) => return AUDIT.fail(cause(&error), LOOK),
        }
    }
    let Ok(Some((macs, _))) = keys::existing_macs(settings) else {
        return AUDIT.skip("there is no usable SECRET_KEY to verify with");
    };
    match verified(settings, store, macs) {
        Ok(found) if found.findings.is_empty() => {
            AUDIT.pass(format!("{} events, none changed or missing", found.events))
        }
        Ok(found) => {
            let first = found.findings.first().map(ToString::to_string);
            AUDIT.fail(
                format!(
                    "{} findings, the first: {}",
                    found.findings.len(),
                    first.unwrap_or_default()
                ),
                "run `keyward audit verify`, and find out who can write to the database",
            )
        }
        Err(error) => AUDIT.fail(cause(&error), LOOK),
    }
}

fn verified(
    settings: &Settings,
    store: &DieselStore,
    macs: MacRing,
) -> Result<Verification, keyward_core::StoreError> {
    let is_up_to_date = store
        .pending_migrations()
        .is_ok_and(|pending| pending.is_empty());
    if let (true, Ok(Some((fields, _)))) = (is_up_to_date, keys::existing_fields(settings)) {
        let states = store.encryption_keys_before_migration()?;
        // What is missing is said by another check.
        let _ = follow_states(&states, &fields, &macs);
        store.lookup(|tx| learn_audit_keys(tx, &fields, &macs))?;
    }
    VerifyAudit::new(store.clone(), macs).verify(None)
}

pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Events.
const SHORT: i64 = 20_000;

pub(super) const LOOK: &str = "find the reason in the log of the database, and run this again";

pub(super) const RULES: [Rule; 5] = [REACHABLE, KEYS, SCHEMA, DURABLE, AUDIT];

const REACHABLE: Rule = Rule {
    id: "database.reachable",
    title: "The database answers",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.2.6",
};

const KEYS: Rule = Rule {
    id: "keys.match-database",
    title: "The keys are those that the database was written with",
    severity: Severity::Blocking,
    asvs: "v5.0.0-11.1.1",
};

const SCHEMA: Rule = Rule {
    id: "database.schema",
    title: "The schema of the database is up to date",
    severity: Severity::Warning,
    asvs: "v5.0.0-13.2.6",
};

const DURABLE: Rule = Rule {
    id: "database.durability",
    title: "The database keeps what it confirmed",
    severity: Severity::Blocking,
    asvs: "v5.0.0-16.4.2",
};

const AUDIT: Rule = Rule {
    id: "audit.intact",
    title: "The audit log is as it was written",
    severity: Severity::Warning,
    asvs: "v5.0.0-16.4.2",
};
