//! `keyward user`: what the operator of the host does, on the database that the server uses.

mod enrolment;
mod on_a_running_server;

use std::fs::File;
use std::process::Stdio;

use keyward_auth::{PersonName, Role, User, UserKind, UserStatus, Username, Users as _};
use keyward_core::{Id, Store as _, StoreError, Timestamp};
use keyward_crypto::{MacRing, Signed};
use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};
use serde_json::{Value, json};

use crate::running::{Answer, Home, Ran, Server};

const PASSWORD: &str = "correct horse battery staple";

/// Development with keys and the administrator `root`, whose key is returned.
fn with_root() -> (Home, String) {
    let home = Home::new().with_keys();
    let made = done(&home, &["init", "--username", "root", "--json"], "");
    let key = json_of(&made)["key"].as_str().unwrap().to_owned();
    (home, key)
}

/// [`with_root`] and the person `ada` with [`PASSWORD`].
fn with_ada() -> (Home, String) {
    let (home, root) = with_root();
    let arguments = ["user", "add", "--username", "ada", "--password-stdin"];
    done(&home, &arguments, &format!("{PASSWORD}\n"));
    (home, root)
}

/// The standard output of a command that has to succeed.
fn done(home: &Home, arguments: &[&str], input: &str) -> String {
    let ran = home.run_with_input(arguments, input);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.stdout
}

/// A command that has to be refused with 1, and say this.
fn refused(home: &Home, arguments: &[&str], input: &str, said: &str) -> Ran {
    let ran = home.run_with_input(arguments, input);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains(said), "{said:?} in {ran:?}");
    ran
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// The user as the list shows them.
fn listed(home: &Home, username: &str) -> Value {
    let list = json_of(&done(home, &["user", "list", "--json"], ""));
    let users = list["items"].as_array().unwrap();
    let found = users.iter().find(|user| user["username"] == username);
    found.unwrap_or_else(|| panic!("{list}")).clone()
}

fn log_in(server: &Server, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    server.client("").post("/api/v1/auth/token", &body)
}

/// What the host did last, as the audit log has it: the actor, the action and the subject.
fn last_event(home: &Home) -> String {
    home.sql().value(
        "SELECT actor_kind || ' ' || action || ' ' || subject_id AS value FROM audit_events \
         ORDER BY seq DESC LIMIT 1",
    )
}

/// For the limits of tries in a minute. Locks stay.
fn a_minute_passes(home: &Home) {
    home.sql()
        .run("UPDATE attempts SET window_start = window_start - 60");
}

fn is_intact(home: &Home) {
    let report = done(home, &["audit", "verify", "--json"], "");
    assert_eq!(json_of(&report)["intact"], true, "{report}");
}

/// Stores users as the server would, for those that no command makes.
fn put(home: &Home, users: impl IntoIterator<Item = User>) {
    let url = format!("sqlite://{}", home.database_file().display());
    let store = DieselStore::connect(&DatabaseUrl::parse(&url).unwrap(), Options::default());
    let macs = MacRing::parse(home.value("SECRET_KEY")).unwrap();
    let stored = store.unwrap().write(|tx| {
        for user in users {
            assert!(tx.add_user(&Signed::sign(user, &macs))?);
        }
        Ok::<_, StoreError>(())
    });
    stored.unwrap();
}

fn user(username: &str, kind: UserKind) -> User {
    User {
        id: Id::generate(),
        username: Username::parse(username).unwrap(),
        kind,
        role: Role::Normal,
        status: UserStatus::Active,
        password_hash: None,
        first_name: PersonName::parse("").unwrap(),
        last_name: PersonName::parse("").unwrap(),
        created_at: Timestamp(1_800_000_000),
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 1,
    }
}

#[test]
fn add_prints_a_generated_password_once_and_none_that_came_on_standard_input() {
    let (home, _) = with_root();
    let text = done(&home, &["user", "add", "--username", "Ada"], "");
    assert!(text.starts_with("ada exists now. Shown this once:\n"));
    assert!(text.contains("  username  ada\n  password  "), "{text}");

    let admin = ["user", "add", "--username", "bob", "--role", "admin"];
    let shown = json_of(&done(&home, &[&admin[..], &["--json"]].concat(), ""));
    assert!(shown["password"].as_str().unwrap().len() >= 32, "{shown}");
    assert_eq!(shown["role"], "admin");
    let id = shown["id"].as_str().unwrap();
    assert_eq!(last_event(&home), format!("host user.create {id}"));

    let typed = ["user", "add", "--username", "eve", "--password-stdin"];
    let text = done(&home, &typed, &format!("{PASSWORD}\n"));
    assert_eq!(text, "eve exists now\n");
    is_intact(&home);
}

#[test]
fn json_shows_users_as_the_api_does() {
    let (home, root) = with_ada();
    let server = home.start();
    let api = server.client(&root).get("/api/v1/users").expect(200);
    let list = json_of(&done(&home, &["user", "list", "--json"], ""));
    assert_eq!(list["items"], api["items"]);
    assert_eq!(list.as_object().unwrap().len(), 1);
    let ada = &api["items"][1];
    for (command, changed) in [
        ("disable", json!({ "status": "disabled" })),
        ("enable", json!({})),
        ("unlock", json!({})),
        ("reset-mfa", json!({})),
    ] {
        let shown = json_of(&done(&home, &["user", command, "ada", "--json"], ""));
        let mut expected = ada.clone();
        let changed = changed.as_object().unwrap().clone();
        expected.as_object_mut().unwrap().extend(changed);
        assert_eq!(shown, expected, "{command}");
    }
    let mut shown = json_of(&done(&home, &["user", "set-password", "ada", "--json"], ""));
    let password = shown.as_object_mut().unwrap().remove("password").unwrap();
    assert!(password.as_str().unwrap().len() >= 32);
    assert_eq!(&shown, ada);
    server.stop();
}

#[test]
fn the_list_is_an_aligned_table_in_the_order_of_creation() {
    let (home, _) = with_ada();
    let text = done(&home, &["user", "list"], "");
    let lines: Vec<_> = text.lines().collect();
    let [head, root, ada] = lines.as_slice() else {
        panic!("{text}");
    };
    let at = head.find("USERNAME").unwrap();
    assert_eq!((&root[at..], &ada[at..]), ("root", "ada"), "{text}");
    let at = head.find("ROLE").unwrap();
    assert!(root[at..].starts_with("admin ") && ada[at..].starts_with("normal "));
}

#[test]
fn the_list_goes_through_all_pages() {
    let (home, _) = with_root();
    put(
        &home,
        (0..405).map(|n| user(&format!("u{n:03}"), UserKind::Human)),
    );
    let list = json_of(&done(&home, &["user", "list", "--json"], ""));
    let names: Vec<_> = list["items"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 406);
    assert_eq!(names[0]["username"], "root");
    assert_eq!(names[405]["username"], "u404");
    assert_eq!(done(&home, &["user", "list"], "").lines().count(), 407);
}

#[test]
fn a_user_is_named_in_any_spelling_or_by_id() {
    let (home, _) = with_ada();
    let id = listed(&home, "ada")["id"].as_str().unwrap().to_owned();
    for name in ["ada", "ADA", "\u{ff41}da", &id, &id.to_uppercase()] {
        assert!(done(&home, &["user", "unlock", name], "").starts_with("ada is unlocked"));
        assert_eq!(last_event(&home), format!("host user.unlock {id}"));
    }
}

#[test]
fn an_id_that_somebody_took_for_a_name_still_means_the_user_with_the_id() {
    let (home, _) = with_ada();
    let id = listed(&home, "ada")["id"].as_str().unwrap().to_owned();
    put(&home, [user(&id, UserKind::Human)]);
    let unlocked = done(&home, &["user", "unlock", &id], "");
    assert!(unlocked.starts_with("ada is unlocked"), "{unlocked}");

    let other = Id::<()>::generate().to_string();
    put(&home, [user(&other, UserKind::Human)]);
    let unlocked = done(&home, &["user", "unlock", &other], "");
    assert!(unlocked.starts_with(&other), "{unlocked}");
}

#[test]
fn unknown_users_are_refused_by_every_command_and_nothing_changes() {
    let (home, _) = with_root();
    let before = last_event(&home);
    let nobody = Id::<()>::generate().to_string();
    for name in ["nobody", &nobody] {
        for command in [
            "set-password",
            "unlock",
            "reset-mfa",
            "disable",
            "enable",
            "enrol-mfa",
        ] {
            let ran = refused(&home, &["user", command, name], "", "there is no such user");
            assert!(ran.stderr.contains("keyward user list"), "{ran:?}");
        }
    }
    assert_eq!(last_event(&home), before);
}

#[test]
fn taken_names_and_the_last_administrator_are_refused() {
    let (home, _) = with_ada();
    let add = ["user", "add", "--username", "ADA"];
    refused(&home, &add, "", "the user name is taken");
    refused(&home, &["user", "disable", "root"], "", "make another one");
    assert_eq!(listed(&home, "root")["status"], "active");

    // What it says helps.
    let add = ["user", "add", "--username", "second", "--role", "admin"];
    done(&home, &add, "");
    done(&home, &["user", "disable", "root"], "");
    assert_eq!(listed(&home, "root")["status"], "disabled");
    is_intact(&home);
}

#[test]
fn agents_have_no_password_and_no_second_factor_and_are_not_disabled_like_people() {
    let (home, _) = with_root();
    put(&home, [user("robot", UserKind::Agent)]);
    for command in ["set-password", "unlock", "reset-mfa", "enrol-mfa"] {
        refused(&home, &["user", command, "robot"], "", "is an agent");
    }
    refused(
        &home,
        &["user", "disable", "robot"],
        "",
        "`keyward agent freeze`",
    );
    assert_eq!(listed(&home, "robot")["status"], "active");
    let add = ["user", "add", "--username", "Agent_smith"];
    refused(&home, &add, "", "are for agents");
}

#[test]
fn passwords_that_cannot_be_are_refused_and_not_repeated() {
    let (home, _) = with_ada();
    for arguments in [
        &["user", "add", "--username", "eve", "--password-stdin"] as &[&str],
        &["user", "set-password", "ada", "--password-stdin"],
    ] {
        let (long, repeated) = ("too-long ".repeat(200), "over! ".repeat(9));
        for password in ["", "\n", "eleven char", &long, &repeated, "Unbelievable"] {
            let ran = refused(&home, arguments, password, "password on standard input");
            assert!(password.trim().is_empty() || !ran.stderr.contains(password.trim()));
        }
    }
    let list = done(&home, &["user", "list"], "");
    assert_eq!(list.lines().count(), 3, "{list}");
}

#[test]
fn the_name_of_a_user_and_of_the_product_are_no_password_of_theirs() {
    let (home, _) = with_ada();
    let add = ["user", "add", "--username", "eve", "--password-stdin"];
    let set = ["user", "set-password", "ada", "--password-stdin"];
    for (arguments, password) in [
        (&add as &[&str], "Eve 1815-12-10"),
        (&add, "my-keyward-eve"),
        (&set, "ada 1815-12-10"),
        (&set, "keyward-1815"),
    ] {
        let ran = refused(&home, arguments, password, "the user name and the name");
        assert!(!ran.stderr.contains(password), "{ran:?}");
    }
    done(&home, &add, "ada: 1815-12-10");
    done(&home, &set, "ada: 1815-12-10, a Sunday");
}

#[test]
fn wrong_usage_ends_with_2_and_no_secret_is_an_argument() {
    let (home, _) = with_root();
    for arguments in [
        &["user"] as &[&str],
        &["user", "add"],
        &["user", "add", "--username", "a b"],
        &["user", "add", "--username", "ada", "--role", "owner"],
        &["user", "add", "--username", "ada", "--password", PASSWORD],
        &["user", "set-password", "root", PASSWORD],
        &["user", "set-password", "root", "--password", PASSWORD],
        &["user", "enrol-mfa", "root", "123456"],
        &["user", "unlock"],
        &["user", "unlock", "a b"],
        &["user", "delete", "root"],
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    }
}

#[test]
fn every_help_text_has_an_example_that_is_right_but_for_the_user() {
    let (home, _) = with_root();
    let help = done(&home, &["user", "--help"], "");
    let commands: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert_eq!(commands.len(), 8, "{help}");
    for command in commands {
        let help = done(&home, &["user", command, "--help"], "");
        let (_, example) = help.split_once("Example:\n  keyward ").unwrap();
        let words = example.split_whitespace().take_while(|word| *word != "<");
        let ran = home.run(&words.collect::<Vec<_>>());
        assert!([0, 1].contains(&ran.code), "{command}: {ran:?}");
    }
}

#[test]
fn without_any_user_it_says_how_to_make_the_first() {
    let home = Home::new();
    let add = ["user", "add", "--username", "ada"];
    let ran = refused(&home, &add, "", "keyward init --username");
    assert!(!ran.stderr.contains("there is no such user"), "{ran:?}");
    assert_eq!(done(&home, &["user", "list"], "").lines().count(), 1);
    done(&home, &["init", "--username", "root"], "");
    done(&home, &add, "");
}

#[test]
fn a_list_of_nothing_makes_nothing_and_wrong_settings_end_with_78() {
    let home = Home::new();
    assert_eq!(home.run(&["user", "list"]).code, 78);
    assert_eq!(std::fs::read_dir(home.root()).unwrap().count(), 0);

    let (home, _) = with_root();
    let home = home.set("KEYWARD_ENV", "production");
    for arguments in [&["user", "list"] as &[&str], &["user", "unlock", "root"]] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (78, ""), "{ran:?}");
    }
}

#[test]
fn a_database_that_does_not_answer_ends_with_69() {
    let nobody = "postgres://keyward:keyward@127.0.0.1:1/keyward";
    let home = Home::new().with_keys().set("DATABASE_URL", nobody);
    for arguments in [&["user", "list"] as &[&str], &["user", "unlock", "root"]] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{ran:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_password_that_cannot_be_shown_is_an_error_that_says_what_to_do() {
    let (home, _) = with_root();
    for arguments in [
        &["user", "add", "--username", "ada"] as &[&str],
        &["user", "set-password", "ada", "--json"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = home.command(arguments);
        let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{said}");
        assert!(said.contains("keyward user set-password ada"), "{said}");
    }
    // What it says helps.
    let shown = done(&home, &["user", "set-password", "ada"], "");
    assert!(shown.contains("  password  "), "{shown}");
}
