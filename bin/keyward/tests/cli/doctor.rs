use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::running::Sql;
use crate::sandbox::{Ran, Sandbox};

/// Production as it should be, with its database migrated, a recovery kit and a backup.
fn sound() -> Sandbox {
    let sandbox = Sandbox::production();
    for command in [&["migrate"] as &[&str], &["backup", "key"]] {
        let ran = sandbox.run(command);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    backed_up(&sandbox, "strftime('%s', 'now')");
    sandbox
}

/// Notes a backup of this time.
fn backed_up(sandbox: &Sandbox, at: &str) {
    let mut sql = Sql::sqlite(&sandbox.path("production.db"));
    sql.run(&format!(
        "INSERT OR REPLACE INTO safekeeping (kind, at, key_ids) \
         VALUES ('backup', CAST({at} AS INTEGER), '')"
    ));
}

/// What a sound installation ends with: where the tests themselves run in /tmp, `database.place` warns.
fn sound_exit() -> i32 {
    i32::from(env!("CARGO_TARGET_TMPDIR").starts_with("/tmp"))
}

fn json(sandbox: &Sandbox, format: &str) -> (i32, Value) {
    let ran = sandbox.run(&["doctor", "--format", format]);
    let value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    (ran.code, value)
}

fn outcome<'a>(report: &'a Value, id: &str) -> &'a str {
    check(report, id)["outcome"].as_str().unwrap()
}

/// The check with this id.
pub(crate) fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["id"] == id);
    found.unwrap_or_else(|| panic!("no check {id}: {report:#}"))
}

#[test]
fn a_sound_installation_ends_with_0() {
    let (code, report) = json(&sound(), "json");
    assert_eq!(code, sound_exit(), "{report:#}");
    assert_eq!(report["environment"], "production");
    let warnings = sound_exit().into();
    assert_eq!((&report["fail"], &report["warn"]), (&0.into(), &warnings));
}

#[test]
fn warnings_end_with_1() {
    let dir = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    let database = format!("sqlite://{}/k.db", dir.path().display());
    let sandbox = Sandbox::production().set("DATABASE_URL", &database);
    assert_eq!(sandbox.run(&["migrate"]).code, 0);
    let (code, report) = json(&sandbox, "json");
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(outcome(&report, "database.place"), "warn");
}

#[test]
fn failures_end_with_2_and_have_evidence_and_a_fix() {
    let (code, report) = json(&sound().set("DEBUG", "1").set("BIND", "0.0.0.0:80"), "json");
    assert_eq!(code, 2);
    assert_eq!(report["fail"], 2);
    let check = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == "service.https")
        .unwrap();
    insta::assert_json_snapshot!(check, @r#"
    {
      "asvs": "v5.0.0-12.2.1",
      "evidence": "0.0.0.0:80 can be reached from the network without TLS",
      "fix": "set TLS_CERT_FILE and TLS_KEY_FILE, put a proxy with TLS before it and name that in TRUSTED_PROXIES, or set BIND to 127.0.0.1:8080",
      "id": "service.https",
      "outcome": "fail",
      "severity": "blocking",
      "title": "Nothing listens on a network without TLS"
    }
    "#);
}

#[test]
fn trusted_proxies_make_up_for_missing_tls_in_production_only() {
    let sandbox = sound()
        .set("BIND", "0.0.0.0:80")
        .set("TRUSTED_PROXIES", "192.0.2.0/24");
    let (code, report) = json(&sandbox, "json");
    assert_eq!(code, sound_exit(), "{report:#}");
    let evidence = report.to_string();
    assert!(evidence.contains("turns away all peers but this machine and TRUSTED_PROXIES"));

    let (_, report) = json(&sandbox.set("KEYWARD_ENV", "development"), "json");
    assert_eq!(outcome(&report, "service.https"), "warn");
    assert!(report.to_string().contains("set KEYWARD_ENV to production"));
}

#[test]
fn a_missing_recovery_kit_and_one_that_lacks_a_key_are_warnings_in_production() {
    let sandbox = Sandbox::production();
    assert_eq!(sandbox.run(&["migrate"]).code, 0);
    let (code, report) = json(&sandbox, "json");
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(outcome(&report, "keys.recovery-kit"), "warn");

    for name in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
        let sandbox = sound();
        let (_, report) = json(&sandbox, "json");
        assert_eq!(outcome(&report, "keys.recovery-kit"), "pass");
        let more = sandbox.run(&["keys", "generate", "--json"]).stdout;
        let more: Value = serde_json::from_str(&more).unwrap();
        let both = format!("{},{}", more[name].as_str().unwrap(), sandbox.value(name));
        let (code, report) = json(&sandbox.set(name, &both), "json");
        assert_eq!(
            (code, outcome(&report, "keys.recovery-kit")),
            (1, "warn"),
            "{name}"
        );
    }
}

#[test]
fn an_old_backup_is_a_warning_in_production() {
    let sandbox = sound();
    let (_, report) = json(&sandbox, "json");
    assert_eq!(outcome(&report, "backup.age"), "pass");
    for (at, expected) in [
        ("strftime('%s', 'now', '-6 days')", "pass"),
        ("strftime('%s', 'now', '-8 days')", "warn"),
    ] {
        backed_up(&sandbox, at);
        assert_eq!(outcome(&json(&sandbox, "json").1, "backup.age"), expected);
    }
    let (_, report) = json(&sandbox.set("KEYWARD_ENV", "development"), "json");
    assert_eq!(outcome(&report, "backup.age"), "skip");
}

#[test]
fn a_key_file_that_others_can_read_is_found() {
    let sandbox = sound();
    let key = sandbox.write("s.key", sandbox.value("SECRET_KEY"), 0o640);
    let sandbox = sandbox
        .unset("SECRET_KEY")
        .set("SECRET_KEY_FILE", key.to_str().unwrap());
    let (code, report) = json(&sandbox, "json");
    assert_eq!(code, 2);
    assert_eq!(outcome(&report, "keys.file-modes"), "fail");
    assert_eq!(outcome(&report, "keys.secret-key"), "fail");
    assert!(report.to_string().contains("chmod 600"));

    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let (code, report) = json(&sandbox, "json");
    assert_eq!(code, sound_exit(), "{report:#}");
    assert_eq!(outcome(&report, "keys.file-modes"), "pass");
}

#[test]
fn a_data_directory_that_others_can_enter_is_found() {
    let sandbox = sound();
    fs::create_dir(sandbox.path("keyward-data")).unwrap();
    let path = sandbox.path("keyward-data");
    for (mode, expected) in [(0o755, "fail"), (0o700, "pass")] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            outcome(&json(&sandbox, "json").1, "storage.data-dir-mode"),
            expected
        );
    }
}

#[test]
fn a_password_in_the_database_url_is_never_shown() {
    // Nothing listens there, so that no server's answer gets into the output.
    let url = "postgres://someone:MARKER@localhost:1/keyward";
    let sandbox = Sandbox::production().set("DATABASE_URL", url);
    for format in ["table", "json", "sarif"] {
        let ran = sandbox.run(&["doctor", "--format", format]);
        assert!(
            ran.stdout.contains("postgres://localhost:1/keyward"),
            "{ran:?}"
        );
        assert!(
            !ran.texts().contains("MARKER") && !ran.texts().contains("someone"),
            "{ran:?}"
        );
    }
}

#[test]
fn keys_are_never_shown() {
    let sandbox = sound();
    for format in ["table", "json", "sarif"] {
        let ran = sandbox.run(&["doctor", "--format", format]);
        for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
            assert!(!ran.texts().contains(sandbox.value(variable)), "{ran:?}");
        }
    }
}

#[test]
fn the_table_has_a_line_for_each_check_and_no_colour_in_a_pipe() {
    let ran: Ran = sound().set("DEBUG", "1").run(&["doctor"]);
    assert_eq!(ran.code, 2);
    let line = ran
        .stdout
        .lines()
        .find(|line| line.contains("service.debug-off"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["FAIL", "service.debug-off", "DEBUG", "is", "on"]
    );
    assert!(
        ran.stdout
            .contains("fix: remove DEBUG, or set it to false (v5.0.0-13.4.2)")
    );
    assert!(
        ran.stdout
            .lines()
            .last()
            .unwrap()
            .starts_with("production: "),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
}

#[test]
fn sarif_has_a_rule_for_each_result() {
    let (code, log) = json(&sound().set("DEBUG", "1"), "sarif");
    assert_eq!(code, 2);
    assert_eq!(log["version"], "2.1.0");
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(rules.len(), results.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
    }
    let failed: Vec<_> = results
        .iter()
        .filter(|result| result["level"] == "error")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (&failed[0]["ruleId"], &failed[0]["level"]),
        (&"service.debug-off".into(), &"error".into())
    );
}

#[test]
fn the_global_option_for_json_is_a_format_too() {
    let sandbox = sound();
    let ran = sandbox.run(&["doctor", "--json"]);
    assert!(
        serde_json::from_str::<Value>(&ran.stdout).is_ok(),
        "{ran:?}"
    );
    let ran = sandbox.run(&["doctor", "--json", "--format", "table"]);
    assert!(
        serde_json::from_str::<Value>(&ran.stdout).is_err(),
        "{ran:?}"
    );
}

#[test]
fn development_is_told_what_production_would_demand_and_nothing_is_created() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["doctor"]);
    assert!(
        ran.stdout.contains("KEYWARD_ENV=production keyward doctor"),
        "{ran:?}"
    );
    assert_eq!(fs::read_dir(sandbox.root()).unwrap().count(), 0);
    let (code, report) = json(&sandbox.set("KEYWARD_ENV", "production"), "json");
    assert_eq!(code, 2);
    for id in [
        "keys.field-encryption-key",
        "keys.secret-key",
        "database.url",
    ] {
        assert_eq!(outcome(&report, id), "fail", "{id}");
    }
}

#[test]
fn settings_that_cannot_be_understood_end_with_78() {
    let ran = Sandbox::new()
        .set("BIND", "everywhere")
        .run(&["doctor", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (78, ""), "{ran:?}");
}
