//! Productions that are not safe: each is refused, or told by the right check.

use std::os::unix::fs::PermissionsExt as _;

use keyward_core::{Clock as _, SystemClock};
use serde_json::Value;

use crate::doctor::check;
use crate::sandbox::Sandbox;

/// What has to happen to a production with one thing wrong.
enum Told {
    /// `serve` ends with 78, and this check says why.
    Blocks(&'static str),
    /// It starts, and this check warns.
    Warns(&'static str),
    /// The settings themselves are refused, by the name of one.
    Refused(&'static str),
}
use Told::{Blocks, Refused, Warns};

/// The name of the case, what is set, and what has to happen.
type Case = (&'static str, &'static [(&'static str, &'static str)], Told);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("no encryption key", &[("FIELD_ENCRYPTION_KEY", "")], Blocks("keys.field-encryption-key")),
    ("no secret key", &[("SECRET_KEY", "")], Blocks("keys.secret-key")),
    ("a short secret", &[("SECRET_KEY", "short")], Blocks("keys.secret-key")),
    ("a secret of one letter", &[("SECRET_KEY", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")], Blocks("keys.secret-key")),
    ("a key of zeros", &[("FIELD_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")], Blocks("keys.field-encryption-key")),
    ("a key that is none", &[("FIELD_ENCRYPTION_KEY", "not-a-fernet-key")], Blocks("keys.field-encryption-key")),
    ("half a key", &[("FIELD_ENCRYPTION_KEY", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4")], Blocks("keys.field-encryption-key")),
    ("the example of the Fernet specification", &[("FIELD_ENCRYPTION_KEY", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")], Blocks("keys.field-encryption-key")),
    ("a good and a bad key", &[("FIELD_ENCRYPTION_KEY", "5Iu5iCXHRqvMcQdPvkCJvQ4rEeuJdnzKkLcAFZr5ZVc=,nonsense")], Blocks("keys.field-encryption-key")),
    ("a key file that is not there", &[("SECRET_KEY", ""), ("SECRET_KEY_FILE", "/nonexistent/key")], Blocks("keys.secret-key")),
    ("a key file that everybody reads", &[("SECRET_KEY", ""), ("SECRET_KEY_FILE", "open.key")], Blocks("keys.file-modes")),
    ("a key file that is a folder", &[("SECRET_KEY", ""), ("SECRET_KEY_FILE", "/")], Blocks("keys.secret-key")),
    ("an empty key file", &[("SECRET_KEY", ""), ("SECRET_KEY_FILE", "empty.key")], Blocks("keys.secret-key")),
    ("a key twice", &[("SECRET_KEY_FILE", "empty.key")], Refused("SECRET_KEY_FILE")),
    ("a data directory that everybody enters", &[("DATA_DIR", "open")], Blocks("storage.data-dir-mode")),
    ("debugging", &[("DEBUG", "true")], Blocks("service.debug-off")),
    ("debugging by another word", &[("DEBUG", "on")], Blocks("service.debug-off")),
    ("every origin", &[("CORS_ALLOW_ALL_ORIGINS", "true")], Blocks("service.cors-closed")),
    ("every origin, in the list", &[("CORS_ORIGINS", "*")], Blocks("service.cors-closed")),
    ("every origin among others", &[("CORS_ORIGINS", "https://a.example,*")], Blocks("service.cors-closed")),
    ("an origin with a path", &[("CORS_ORIGINS", "https://a.example/x")], Refused("CORS_ORIGINS")),
    ("all addresses without TLS", &[("BIND", "0.0.0.0:0")], Blocks("service.https")),
    ("all IPv6 addresses without TLS", &[("BIND", "[::]:0")], Blocks("service.https")),
    ("a name to listen on", &[("BIND", "localhost:8080")], Refused("BIND")),
    ("proxies everywhere", &[("TRUSTED_PROXIES", "0.0.0.0/0")], Refused("TRUSTED_PROXIES")),
    ("a proxy that is none", &[("TRUSTED_PROXIES", "proxy.example")], Refused("TRUSTED_PROXIES")),
    ("a certificate that is not there", &[("TLS_CERT_FILE", "/nonexistent.pem"), ("TLS_KEY_FILE", "/nonexistent.key")], Blocks("service.tls-certificate")),
    ("a certificate without a key", &[("TLS_CERT_FILE", "cert.pem")], Refused("TLS_CERT_FILE")),
    ("a certificate that is none", &[("TLS_CERT_FILE", "empty.key"), ("TLS_KEY_FILE", "empty.key")], Blocks("service.tls-certificate")),
    ("metrics on the network without TLS", &[("METRICS_BIND", "0.0.0.0:0")], Blocks("service.metrics-tls")),
    ("the broker into every network", &[("BROKER_ALLOW_PRIVATE", "0.0.0.0/0")], Blocks("broker.private-networks")),
    ("the broker to what tells secrets of a machine", &[("BROKER_ALLOW_PRIVATE", "169.254.169.254")], Blocks("broker.private-networks")),
    ("the broker to link-local addresses", &[("BROKER_ALLOW_PRIVATE", "169.254.0.0/16")], Blocks("broker.private-networks")),
    ("a wildcard for the broker", &[("BROKER_ALLOW_PRIVATE", "*.internal")], Refused("BROKER_ALLOW_PRIVATE")),
    ("no database", &[("DATABASE_URL", "")], Blocks("database.url")),
    ("a database of another kind", &[("DATABASE_URL", "mysql://localhost/keyward")], Blocks("database.url")),
    ("PostgreSQL over a network without TLS", &[("DATABASE_URL", "postgres://u:MARKER@db.example/keyward")], Blocks("database.tls")),
    ("PostgreSQL that prefers TLS", &[("DATABASE_URL", "postgres://u:MARKER@db.example/keyward?sslmode=prefer")], Blocks("database.tls")),
    ("Redis of another kind", &[("REDIS_URL", "http://:MARKER@redis.example")], Blocks("redis.url")),
    ("Redis that is no URL", &[("REDIS_URL", "MARKER")], Blocks("redis.url")),
    ("Redis with a database that is no number", &[("REDIS_URL", "rediss://:MARKER@redis.example/one")], Blocks("redis.url")),
    ("Redis whose certificate nobody checks", &[("REDIS_URL", "rediss://:MARKER@redis.example/0#insecure")], Blocks("redis.url")),
    ("Redis in a file that is not there", &[("REDIS_URL_FILE", "/nonexistent/url")], Blocks("redis.url")),
    ("Redis twice", &[("REDIS_URL", "redis://:MARKER@127.0.0.1"), ("REDIS_URL_FILE", "empty.key")], Refused("REDIS_URL_FILE")),
    ("Redis on a network without a password", &[("REDIS_URL", "rediss://redis.invalid")], Blocks("redis.password")),
    ("Redis on a network without TLS", &[("REDIS_URL", "redis://:MARKER@redis.invalid")], Blocks("redis.tls")),
    ("Redis that does not answer", &[("REDIS_URL", "redis://:MARKER@127.0.0.1:1")], Warns("redis.reachable")),
    ("a database in memory", &[("DATABASE_URL", "sqlite:///dev/shm/keyward-bad-production.db")], Warns("database.place")),
    ("a loud log", &[("LOG_LEVEL", "debug")], Warns("service.log-level")),
    ("traces over a network in plain text", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318")], Warns("service.traces-tls")),
    ("a waiver for nothing", &[("CHECK_WAIVERS", "no.such-check until 2026-12-31 because x")], Warns("checklist.waivers")),
    ("a waiver without an end", &[("CHECK_WAIVERS", "service.debug-off until 9999-12-31 because x")], Warns("checklist.waivers")),
    ("a waiver that has ended", &[("CHECK_WAIVERS", "service.debug-off until 2020-01-01 because x"), ("DEBUG", "true")], Blocks("service.debug-off")),
    ("a waiver without a reason", &[("CHECK_WAIVERS", "service.debug-off until 2030-01-01")], Refused("CHECK_WAIVERS")),
    ("a misspelled setting", &[("KEYWARD_DEBUG", "false")], Refused("DEBUG")),
    ("a mode that is none", &[("KEYWARD_ENV", "prod")], Refused("KEYWARD_ENV")),
];

/// A sound production with the settings of a case.
fn production(settings: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::production().set("BIND", "127.0.0.1:0");
    sandbox.write("open.key", sandbox.value("SECRET_KEY"), 0o644);
    sandbox.write("empty.key", "", 0o600);
    std::fs::create_dir(sandbox.path("open")).unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("open"), everybody).unwrap();
    settings
        .iter()
        .fold(sandbox, |sandbox, (name, value)| sandbox.set(name, value))
}

/// The outcome and severity of a check.
fn outcome(report: &Value, id: &str) -> (String, String) {
    let check = check(report, id);
    let word = |name: &str| check[name].as_str().unwrap().to_owned();
    (word("outcome"), word("severity"))
}

/// What is wrong with how a case ended, if anything.
fn complaint((name, settings, told): &Case) -> Option<String> {
    let sandbox = production(settings);
    let doctor = sandbox.run(&["doctor", "--json"]);
    let wrong = |why: String| Some(format!("{name}: {why}"));
    if doctor.texts().contains("MARKER") {
        return wrong("a secret is shown".to_owned());
    }
    if let Refused(setting) = told {
        let is_right = doctor.code == 78 && doctor.stderr.contains(setting);
        return if is_right {
            None
        } else {
            wrong(format!("{doctor:?}"))
        };
    }
    let report: Value = serde_json::from_str(&doctor.stdout).unwrap();
    match told {
        Blocks(id) => {
            let found = outcome(&report, id);
            if (found.0.as_str(), found.1.as_str(), doctor.code) != ("fail", "blocking", 2) {
                return wrong(format!(
                    "{id} is {found:?}, and doctor ends with {}",
                    doctor.code
                ));
            }
            let served = sandbox.run(&["serve"]);
            if served.code != 78 || !served.stderr.contains(id) {
                return wrong(format!("serve: {served:?}"));
            }
            None
        }
        Warns(id) => {
            let found = outcome(&report, id).0;
            let is_right = found == "warn" && doctor.code == 1;
            if is_right {
                None
            } else {
                wrong(format!("{id} is {found}, {}", doctor.code))
            }
        }
        Refused(_) => None,
    }
}

#[test]
fn each_of_forty_bad_productions_is_refused_or_told_by_the_right_check() {
    assert!(CASES.len() >= 40, "{}", CASES.len());
    let complaints: Vec<_> = CASES.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    // The control: with nothing wrong, nothing is.
    let doctor = production(&[]).run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert_eq!(report["fail"], 0, "{report:#}");
}

#[test]
fn a_waiver_lets_a_production_start_and_stays_visible() {
    let end = SystemClock.now().plus(30 * 24 * 60 * 60).to_string();
    let waiver = format!(
        "service.debug-off until {} because we look for a fault",
        &end[..10]
    );
    let settings = [("DEBUG", "true"), ("CHECK_WAIVERS", waiver.as_str())];
    let sandbox = production(&settings);
    assert_eq!(sandbox.run(&["migrate"]).code, 0);
    let doctor = sandbox.run(&["doctor"]);
    assert!(
        doctor.stdout.contains("WAIV  service.debug-off"),
        "{doctor:?}"
    );
    assert!(doctor.stdout.contains("we look for a fault"), "{doctor:?}");
    assert!(doctor.stdout.contains("1 waived"), "{doctor:?}");
}
