use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keyward_crypto::{FieldKey, KeyRing, MacRing};
use serde_json::Value;

use crate::running::{Home, Ran};

/// Two encryption keys and two secrets, newest first, and a database.
fn home() -> Home {
    let list = |new: &dyn Fn() -> String| format!("{},{}", new(), new());
    let fields = list(&|| FieldKey::generate().expose().expose().to_owned());
    let secrets = list(&|| MacRing::generate_secret().expose().to_owned());
    Home::new()
        .set("FIELD_ENCRYPTION_KEY", &fields)
        .set("SECRET_KEY", &secrets)
}

/// What `restore-key` prints for the keys of this home.
fn settings_of(home: &Home) -> String {
    format!(
        "FIELD_ENCRYPTION_KEY={}\nSECRET_KEY={}\n",
        home.value("FIELD_ENCRYPTION_KEY"),
        home.value("SECRET_KEY")
    )
}

fn done(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn refused(ran: &Ran, expected: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains(expected), "{ran:?}");
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Five shares in files, of which any three open the kit.
fn shares(home: &Home, directory: &str) -> Vec<PathBuf> {
    let made = done(home.run(&[
        "backup",
        "key",
        "--shares",
        "5",
        "--threshold",
        "3",
        "--output-dir",
        directory,
    ]));
    let files: Vec<_> = made.stdout.lines().map(|line| home.path(line)).collect();
    assert_eq!(files.len(), 5, "{made:?}");
    files
}

/// Restores on a machine that knows nothing, not even settings that make sense.
fn restore(files: &[&Path]) -> Ran {
    let machine = Home::new().set("DEBUG", "maybe");
    let mut line = vec!["backup", "restore-key"];
    line.extend(files.iter().map(|file| file.to_str().unwrap()));
    let ran = machine.run(&line);
    let left = fs::read_dir(machine.root()).unwrap().count();
    assert_eq!(left, 0, "something was stored");
    ran
}

#[test]
fn a_printed_kit_gives_the_keys_back_as_they_were_set() {
    let home = home();
    let printed = done(home.run(&["backup", "key"])).stdout;
    assert!(printed.starts_with("KEYWARD RECOVERY KIT\n"), "{printed}");
    let restored = done(Home::new().run_with_input(&["backup", "restore-key"], &printed));
    assert_eq!(restored.stdout, settings_of(&home));

    // As typed: the lines alone, in small letters, without blanks.
    let typed: String = printed
        .lines()
        .filter(|line| line.contains(": "))
        .skip_while(|line| !line.trim_start().starts_with("1:"))
        .map(|line| line.to_lowercase().replace(' ', "") + "\n")
        .collect();
    let restored = done(Home::new().run_with_input(&["backup", "restore-key"], &typed));
    assert_eq!(restored.stdout, settings_of(&home));
}

#[test]
fn any_three_of_five_shares_in_files_give_the_keys_back_and_two_do_not() {
    let home = home();
    let files = shares(&home, "shares");
    assert_eq!(mode(&home.path("shares")), 0o700);
    for file in &files {
        assert_eq!(mode(file), 0o600);
    }
    let chosen = |places: &[usize]| {
        let files: Vec<_> = places.iter().map(|place| files[*place].as_path()).collect();
        restore(&files)
    };
    for first in 0..5 {
        for second in first + 1..5 {
            refused(
                &chosen(&[first, second]),
                "2 of 5 shares are given, and it takes 3",
            );
            for third in second + 1..5 {
                let restored = done(chosen(&[third, first, second]));
                assert_eq!(restored.stdout, settings_of(&home));
            }
        }
    }
    assert_eq!(done(chosen(&[0, 1, 2, 3, 4])).stdout, settings_of(&home));
    refused(&chosen(&[0, 1, 1]), "share 2 is given twice");
}

#[test]
fn all_shares_in_one_pipe_are_read_too() {
    let home = home();
    let line = ["backup", "key", "--shares", "3", "--threshold", "2"];
    let printed = done(home.run(&line)).stdout;
    assert_eq!(printed.matches('\x0c').count(), 2);
    let restored = done(Home::new().run_with_input(&["backup", "restore-key"], &printed));
    assert_eq!(restored.stdout, settings_of(&home));
}

#[test]
fn shares_of_other_kits_and_splits_are_refused_by_name() {
    let home = home();
    let (first, second) = (shares(&home, "first"), shares(&home, "second"));
    let kit = |file: &Path| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        name.split("-share-")
            .next()
            .unwrap()
            .replace("keyward-kit-", "")
    };
    let ran = restore(&[&first[0], &second[1], &second[2]]);
    assert!(ran.stderr.contains(&kit(&first[0])), "{ran:?}");
    refused(&ran, &kit(&second[1]));
}

#[test]
fn a_typing_error_is_told_with_its_file_and_line() {
    let home = home();
    done(home.run(&["backup", "key", "--output", "kit.txt"]));
    let text = fs::read_to_string(home.path("kit.txt")).unwrap();
    let line = text.lines().find(|line| line.starts_with(" 3:")).unwrap();
    let at = text.lines().position(|other| other == line).unwrap() + 1;
    let wrong = if line.contains(": 0") { "1" } else { "0" };
    let mut typed = line.to_owned();
    typed.replace_range(4..5, wrong);
    let file = home.write("typed.txt", &text.replace(line, &typed), 0o600);

    let ran = restore(&[&file]);
    for word in line.split_whitespace().skip(1) {
        assert!(!ran.texts().contains(word), "{ran:?}");
    }
    assert!(ran.stderr.contains("typed.txt"), "{ran:?}");
    refused(
        &ran,
        &format!("typing error in line 3: (at line {at} of the text)"),
    );
}

#[test]
fn what_is_no_kit_is_refused() {
    let home = home();
    let empty = home.write("notes.txt", "nothing of the kind\n", 0o600);
    refused(&restore(&[&empty]), "no line of a recovery kit");
    refused(&restore(&[&home.path("missing.txt")]), "does not exist");
    let kit = done(home.run(&["backup", "key"])).stdout;
    let other = done(home.run(&["backup", "key"])).stdout;
    let ran = Home::new().run_with_input(&["backup", "restore-key"], &(kit + &other));
    refused(&ran, "more than one kit");
}

#[test]
fn nothing_is_overwritten_and_nothing_half_done() {
    let home = home();
    let kit = home.write("kit.txt", "mine", 0o600);
    refused(
        &home.run(&["backup", "key", "--output", "kit.txt"]),
        "kit.txt exists",
    );
    assert_eq!(fs::read_to_string(kit).unwrap(), "mine");

    let printed = done(home.run(&["backup", "key"])).stdout;
    let machine = Home::new();
    let line = ["backup", "restore-key", "--output-dir", "keys"];
    fs::create_dir(machine.path("keys")).unwrap();
    machine.write("keys/secret.key", "mine", 0o600);
    refused(
        &machine.run_with_input(&line, &printed),
        "secret.key exists",
    );
    assert!(!machine.path("keys/field-encryption.key").exists());
    assert_eq!(
        fs::read_to_string(machine.path("keys/secret.key")).unwrap(),
        "mine"
    );
}

#[test]
fn files_of_keys_are_private_and_settings_that_name_them_are_printed() {
    let home = home();
    let printed = done(home.run(&["backup", "key"])).stdout;
    let machine = Home::new();
    let line = ["backup", "restore-key", "--output-dir", "new/keys"];
    let restored = done(machine.run_with_input(&line, &printed));
    for (line, name) in restored
        .stdout
        .lines()
        .zip(["FIELD_ENCRYPTION_KEY", "SECRET_KEY"])
    {
        let path = line.strip_prefix(&format!("{name}_FILE=")).unwrap();
        assert_eq!(mode(Path::new(path)), 0o600);
        let key = fs::read_to_string(path).unwrap();
        assert_eq!(key.trim_end(), home.value(name));
    }
    assert_eq!(restored.stdout.lines().count(), 2);
    assert_eq!(mode(&machine.path("new/keys")), 0o700);
}

#[test]
fn json_holds_the_pages_or_the_files() {
    let home = home();
    let made = json_of(&done(home.run(&["backup", "key", "--json"])));
    let fields = KeyRing::parse(home.value("FIELD_ENCRYPTION_KEY")).unwrap();
    let macs = MacRing::parse(home.value("SECRET_KEY")).unwrap();
    let ids: Vec<_> = fields
        .ids()
        .chain(macs.ids())
        .map(|kid| kid.to_string())
        .collect();
    assert_eq!(made["keys"], serde_json::json!(ids));
    assert_eq!(made.as_object().unwrap().len(), 3, "{made}");
    let page = made["pages"][0].as_str().unwrap();
    assert!(page.contains(made["kit"].as_str().unwrap()), "{page}");
    for id in &ids {
        assert!(page.contains(id), "{page}");
    }

    let restored = Home::new().run_with_input(&["backup", "restore-key", "--json"], page);
    let restored = json_of(&done(restored));
    assert_eq!(restored["SECRET_KEY"], home.value("SECRET_KEY"));

    let line = [
        "backup",
        "key",
        "--shares",
        "2",
        "--threshold",
        "2",
        "--output-dir",
        "s",
        "--json",
    ];
    let made = json_of(&done(home.run(&line)));
    assert_eq!(
        (&made["shares"], &made["threshold"]),
        (&2.into(), &2.into())
    );
    assert_eq!(made["files"].as_array().unwrap().len(), 2);
    assert!(made.get("pages").is_none(), "{made}");
}

#[test]
fn wrong_usage_ends_with_2_and_a_threshold_above_the_shares_is_refused() {
    let home = Home::new();
    for line in [
        &["--shares", "3"] as &[&str],
        &["--threshold", "2"],
        &["--shares", "17", "--threshold", "2"],
        &["--shares", "3", "--threshold", "1"],
        &["--output-dir", "x"],
        &["--shares", "3", "--threshold", "2", "--output", "x"],
    ] {
        let ran = home.run(&[&["backup", "key"], line].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    let line = ["backup", "key", "--shares", "3", "--threshold", "4"];
    refused(&home.run(&line), "at most the number of shares");
    assert!(!home.path("keyward-data").exists());
}

#[test]
fn a_secret_of_two_lines_comes_back_in_a_file_only() {
    let home = home();
    let secret = "Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo\n4iTyVx6RlWzQ1pHb9sM";
    let file = home.write("s.key", secret, 0o600);
    let home = home
        .unset("SECRET_KEY")
        .set("SECRET_KEY_FILE", file.to_str().unwrap());
    let printed = done(home.run(&["backup", "key"])).stdout;
    let machine = Home::new();
    refused(
        &machine.run_with_input(&["backup", "restore-key"], &printed),
        "--output-dir",
    );
    let line = ["backup", "restore-key", "--output-dir", "keys"];
    done(machine.run_with_input(&line, &printed));
    let restored = fs::read_to_string(machine.path("keys/secret.key")).unwrap();
    assert_eq!(restored.trim_end(), secret);
}

#[test]
fn every_kit_is_in_the_audit_log_and_no_key_is_in_the_database() {
    let home = home();
    done(home.run(&["backup", "key"]));
    shares(&home, "shares");
    let events = home.sql().values(
        "SELECT actor_kind || ' ' || action || ' ' || details AS value FROM audit_events \
         WHERE action = 'recovery-kit.create' ORDER BY seq",
    );
    let events: Vec<_> = events.into_iter().flatten().collect();
    assert_eq!(events.len(), 2);
    assert!(
        events[0].starts_with("host recovery-kit.create {\"keys\":\""),
        "{events:?}"
    );
    assert!(!events[0].contains("shares"), "{events:?}");
    assert!(
        events[1].contains(r#""shares":"5","threshold":"3""#),
        "{events:?}"
    );
    done(home.run(&["audit", "verify"]));

    let bytes: Vec<u8> = home.database_bytes().into_values().flatten().collect();
    let keys = [home.value("FIELD_ENCRYPTION_KEY"), home.value("SECRET_KEY")];
    for key in keys.iter().flat_map(|list| list.split(',')) {
        assert!(
            !bytes
                .windows(key.len())
                .any(|window| window == key.as_bytes())
        );
    }
}

#[test]
fn a_kit_that_cannot_be_audited_is_not_shown() {
    let home = home();
    done(home.run(&["backup", "key"]));
    home.sql().run("UPDATE audit_head SET mac = last_mac");
    for line in [
        &["backup", "key"] as &[&str],
        &["backup", "key", "--output", "kit.txt"],
    ] {
        let ran = home.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{ran:?}");
    }
    assert!(!home.path("kit.txt").exists());
}

#[test]
fn a_kit_that_others_can_read_is_taken_with_a_warning() {
    let home = home();
    let printed = done(home.run(&["backup", "key"])).stdout;
    for (mode, is_warned) in [(0o644, true), (0o600, false)] {
        let file = home.write("kit.txt", &printed, mode);
        let ran = done(restore(&[&file]));
        assert_eq!(ran.stdout, settings_of(&home));
        assert_eq!(
            ran.stderr.contains("other users can read"),
            is_warned,
            "{ran:?}"
        );
    }
}

#[test]
fn a_kit_that_nobody_could_read_does_not_count() {
    use std::process::Stdio;

    let home = home();
    done(home.run(&["migrate"]));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = home.command(&["backup", "key"]);
    let ended = command.stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(ended.status.code(), Some(69));
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(error.contains("make another one"), "{error}");
    let noted = home.sql().values("SELECT kind AS value FROM safekeeping");
    assert_eq!(noted, [None; 0]);

    done(home.run(&["backup", "key"]));
    assert_eq!(
        home.sql().value("SELECT kind AS value FROM safekeeping"),
        "recovery-kit"
    );
}
