//! Rows that cannot be taken over, each with its reason.

use crate::healthy::healthy;
use crate::pipelit::{ADA_PASSWORD, LOST_KEY, Made, Pipelit, bcrypt, encrypted, quoted, token};
use crate::running::Home;
use crate::{counts, findings, import, on_both, report, rows};

on_both![
    one_value_that_no_key_opens_leaves_the_target_empty,
    every_defect_is_named_by_table_and_row,
    with_partial_the_others_are_imported,
    what_is_put_right_is_imported_by_the_next_run,
    names_that_are_taken_here_are_refused,
];

fn one_value_that_no_key_opens_leaves_the_target_empty(home: &Home) {
    let mut pipelit = healthy(Made::ByMigrations);
    let lost = quoted(&token(LOST_KEY, "sk-lost"));
    pipelit.credential(
        9,
        1,
        "llm",
        &[("provider_type", "'openai'"), ("api_key", &lost)],
    );

    let ran = import(home, &pipelit, &["--json"]);

    let expected = [("credentials".to_owned(), 9, "undecryptable".to_owned())];
    assert_eq!(findings(&report(&ran, 1), "refused"), expected);
    assert!(
        ran.stderr
            .contains("nothing was written, because 1 rows are refused"),
        "{ran:?}"
    );
    assert_eq!(rows(home), ["0"; 7]);
}

/// Everything that can be wrong with a row, beside healthy rows.
fn defective() -> Pipelit {
    let mut pipelit = healthy(Made::ByStart);
    broken_users(&mut pipelit);
    broken_keys(&mut pipelit);
    broken_credentials(&mut pipelit);
    pipelit.insert(
        "workspaces",
        &[
            ("id", "20"),
            ("name", "'broken'"),
            ("env_vars", r#"'{"A": "b"}'"#),
        ],
    );
    let mask = r#"'[{"key": "TOKEN", "value": "abcd****wxyz", "source": "raw"}]'"#;
    pipelit.insert(
        "workspaces",
        &[("id", "21"), ("name", "'masked'"), ("env_vars", mask)],
    );
    pipelit
}

fn broken_users(pipelit: &mut Pipelit) {
    pipelit.user(20, " admin", &[("password_hash", &bcrypt(ADA_PASSWORD))]);
    pipelit.user(21, "ADA", &[("password_hash", &bcrypt("another one"))]);
    let on = ("mfa_enabled", "TRUE");
    let lost = quoted(&token(LOST_KEY, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"));
    pipelit.user(22, "dora", &[on, ("totp_secret", &lost)]);
    pipelit.user(23, "emil", &[on]);
    pipelit.user(
        24,
        "fred",
        &[on, ("totp_secret", &encrypted("no base32 at all!"))],
    );
    pipelit.user(25, "agent_of_dora", &[("created_by_agent_id", "22")]);
    pipelit.user(26, &format!("agent_{}", "x".repeat(60)), &[]);
    // What can be put right.
    let odd = [
        ("password_hash", "'pbkdf2:sha256:1'"),
        ("role", "'root'"),
        ("first_name", "'two' || CHAR(10) || 'lines'"),
        ("created_at", "'long ago'"),
    ];
    pipelit.user(30, "odd", &odd);
    let ahead = [
        on,
        ("totp_secret", &encrypted(crate::pipelit::TOTP)),
        ("totp_last_used_at", "1750000000"),
    ];
    pipelit.user(31, "ahead", &ahead);
}

fn broken_keys(pipelit: &mut Pipelit) {
    pipelit.key(20, 1, "not-a-key", &[]);
    pipelit.key(21, 22, "22222222-2222-3333-4444-555555555555", &[]);
    let expires = [("expires_at", "'next year'")];
    pipelit.key(22, 1, "33333333-2222-3333-4444-555555555555", &expires);
    pipelit.key(23, 999, "44444444-2222-3333-4444-555555555555", &[]);
}

fn broken_credentials(pipelit: &mut Pipelit) {
    let llm = |key: &str| {
        vec![
            ("provider_type", "'openai'".to_owned()),
            ("api_key", key.to_owned()),
        ]
    };
    let mut add = |id, owner, detail: Vec<(&str, String)>| {
        let detail: Vec<_> = detail
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        pipelit.credential(id, owner, "llm", &detail);
    };
    add(20, 1, llm(&encrypted("sk-a****wxyz")));
    add(21, 1, llm("'sk-a****wxyz'"));
    add(22, 1, llm(&quoted(&token(LOST_KEY, "sk-lost"))));
    add(23, 1, llm(&encrypted(&token(LOST_KEY, "sk-lost-inside"))));
    add(24, 1, llm("'gAAAAABbroken'"));
    add(25, 22, llm(&encrypted("sk-of-dora")));
    let url = ("base_url", "'https://user:pw@example.com/?q=1'".to_owned());
    add(
        26,
        1,
        [llm(&encrypted("sk-with-a-url")), vec![url]].concat(),
    );
    let headers = ("custom_headers", "'[1, 2]'".to_owned());
    add(
        27,
        1,
        [llm(&encrypted("sk-with-headers")), vec![headers]].concat(),
    );
    add(28, 1, llm(&encrypted("two\nlines")));
    // What can be put right.
    add(30, 1, llm(&encrypted(" sk-with-space \n")));
    let base = [
        ("id", "29"),
        ("user_profile_id", "1"),
        ("name", "'alone'"),
        ("credential_type", "'llm'"),
    ];
    pipelit.insert("credentials", &base);
}

const REFUSED: [(&str, i64, &str); 23] = [
    ("user_profiles", 20, "username"),
    ("user_profiles", 21, "name-taken"),
    ("user_profiles", 22, "undecryptable"),
    ("user_profiles", 23, "no-second-factor"),
    ("user_profiles", 24, "broken-second-factor"),
    ("user_profiles", 25, "owner-not-imported"),
    ("user_profiles", 26, "username"),
    ("api_keys", 20, "key-form"),
    ("api_keys", 21, "owner-not-imported"),
    ("api_keys", 22, "time"),
    ("api_keys", 23, "owner-not-imported"),
    ("credentials", 20, "mask"),
    ("credentials", 21, "mask"),
    ("credentials", 22, "undecryptable"),
    ("credentials", 23, "undecryptable"),
    ("credentials", 24, "broken-token"),
    ("credentials", 25, "owner-not-imported"),
    ("credentials", 26, "field"),
    ("credentials", 27, "json"),
    ("credentials", 28, "field"),
    ("credentials", 29, "no-detail"),
    ("workspaces", 20, "json"),
    ("workspaces", 21, "mask"),
];

fn every_defect_is_named_by_table_and_row(home: &Home) {
    let ran = import(home, &defective(), &["--json"]);
    let report = report(&ran, 1);
    let expected = REFUSED.map(|(table, id, code)| (table.to_owned(), id, code.to_owned()));
    assert_eq!(findings(&report, "refused"), expected);
    let repaired = findings(&report, "repaired");
    for (table, id, code) in [
        ("user_profiles", 30, "password"),
        ("user_profiles", 30, "role"),
        ("user_profiles", 30, "tidied"),
        ("user_profiles", 30, "time"),
        ("user_profiles", 31, "step-ahead"),
        ("credentials", 30, "trimmed"),
    ] {
        let finding = (table.to_owned(), id, code.to_owned());
        assert!(repaired.contains(&finding), "{finding:?} {repaired:?}");
    }
    // The sum is right for every table.
    for table in ["user_profiles", "api_keys", "credentials", "workspaces"] {
        let [read, imported, repaired, there, left_out, refused] = counts(&report, table);
        assert_eq!(read, imported + there + left_out + refused, "{table}");
        assert!(repaired <= imported, "{table}");
    }
    for text in ["sk-", "****wxyz", "not-a-key", "next year", "gAAAAA", "pw@"] {
        assert!(!ran.texts().contains(text), "{text}: {ran:?}");
    }
    assert_eq!(rows(home), ["0"; 7]);

    // People read the same.
    let shown = import(home, &defective(), &[]);
    assert_eq!(shown.code, 1);
    let line = "credentials 22  no given key opens `api_key`; put the key that it was encrypted with \
                into the key file [undecryptable]";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
}

fn with_partial_the_others_are_imported(home: &Home) {
    let pipelit = defective();
    let whole = import(home, &pipelit, &["--json"]);
    let dry = import(home, &pipelit, &["--json", "--dry-run", "--partial"]);
    assert_eq!(rows(home), ["0"; 7]);
    let partial = import(home, &pipelit, &["--json", "--partial"]);
    assert_eq!(report(&whole, 1), report(&partial, 1));
    assert_eq!(report(&dry, 1), report(&partial, 1));
    assert!(
        partial.stderr.contains("the import is written"),
        "{partial:?}"
    );
    let after = rows(home);
    assert_eq!(after[..3], ["9", "4", "5"]);
    assert_eq!(after[4], "8");

    // Refused are the same rows again, and nothing else happens.
    let again = import(home, &pipelit, &["--json", "--partial"]);
    let report = report(&again, 1);
    assert_eq!(findings(&report, "refused").len(), REFUSED.len());
    assert_eq!(counts(&report, "user_profiles"), [16, 0, 0, 9, 0, 7]);
    assert_eq!(rows(home), after);
    let verified = home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

fn what_is_put_right_is_imported_by_the_next_run(home: &Home) {
    let mut pipelit = defective();
    report(&import(home, &pipelit, &["--json", "--partial"]), 1);
    let secret = encrypted(crate::pipelit::TOTP);
    pipelit.sql().run(&format!(
        "UPDATE user_profiles SET totp_secret = {secret} WHERE id = 22; \
         UPDATE user_profiles SET username = 'second' WHERE id = 21"
    ));
    let again = report(&import(home, &pipelit, &["--json", "--partial"]), 1);
    // The two, the agent of one of them, its key and its credential.
    assert_eq!(counts(&again, "user_profiles"), [16, 3, 0, 9, 0, 4]);
    assert_eq!(counts(&again, "api_keys"), [10, 1, 0, 5, 1, 3]);
    assert_eq!(counts(&again, "credentials"), [17, 1, 0, 7, 0, 9]);
}

fn names_that_are_taken_here_are_refused(home: &Home) {
    let made = home.run(&["init", "--username", "bob"]);
    assert_eq!(made.code, 0, "{made:?}");
    let ran = import(home, &healthy(Made::ByStart), &["--json"]);
    let refused = findings(&report(&ran, 1), "refused");
    assert_eq!(
        refused[0],
        ("user_profiles".to_owned(), 2, "name-taken".to_owned())
    );
    assert_eq!(rows(home)[0], "1");

    // Another Pipelit has other rows under the same numbers.
    let other = Home::new();
    report(&import(&other, &healthy(Made::ByStart), &["--json"]), 0);
    let mut second = Pipelit::new(Made::ByStart);
    second.user(1, "somebody", &[("created_at", "'2024-01-01 00:00:00'")]);
    let refused = report(&import(&other, &second, &["--json"]), 1);
    let expected = [("user_profiles".to_owned(), 1, "another-source".to_owned())];
    assert_eq!(findings(&refused, "refused"), expected);
}
