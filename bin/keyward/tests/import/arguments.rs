//! What the command refuses before it opens anything of Keyward.

use std::path::Path;

use crate::healthy::healthy;
use crate::pipelit::{KEY, LOST_KEY, Made, OLD_KEY};
use crate::running::{Home, Ran};
use crate::{counts, report};

fn run(home: &Home, from: &str, key_file: &Path) -> Ran {
    let key_file = key_file.to_str().unwrap();
    let arguments = [
        "import",
        "pipelit",
        "--from",
        from,
        "--key-file",
        key_file,
        "--json",
    ];
    home.run(&arguments)
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let (home, pipelit) = (Home::new(), healthy(Made::ByStart));
    for mode in [0o640, 0o604, 0o660] {
        let keys = home.write("keys", KEY, mode);
        let ran = run(&home, &pipelit.url(), &keys);
        assert_eq!(ran.code, 78, "{ran:?}");
        assert!(
            ran.stderr.contains("can be accessed by other users"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("chmod 600"), "{ran:?}");
    }
    assert!(!home.path("keyward-data").exists());
}

#[test]
fn keys_stand_in_a_list_as_well() {
    let (home, pipelit) = (Home::new(), healthy(Made::ByStart));
    for text in [
        format!("{KEY}\n{OLD_KEY}\n"),
        format!("{LOST_KEY}, {OLD_KEY},{KEY}"),
    ] {
        let keys = home.write("keys", &text, 0o400);
        let ran = run(&home, &pipelit.url(), &keys);
        assert_eq!(counts(&report(&ran, 0), "credentials")[5], 0);
    }
    for text in [
        "# none\n",
        "FIELD_ENCRYPTION_KEY=\n",
        "short",
        "SECRET_KEY=x\n",
    ] {
        let keys = home.write("no-keys", text, 0o600);
        let ran = run(&home, &pipelit.url(), &keys);
        assert_eq!(ran.code, 78, "{text}: {ran:?}");
        assert!(ran.stderr.contains("--key-file: "), "{text}: {ran:?}");
        assert!(!ran.stderr.contains("short"), "{ran:?}");
    }
}

#[test]
fn sources_that_are_none_are_told_apart() {
    let home = Home::new();
    let keys = home.write("keys", KEY, 0o600);
    let missing = format!("sqlite://{}", home.path("nothing.db").display());
    let ran = run(&home, &missing, &keys);
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.stderr.contains("there is no such database"), "{ran:?}");
    assert!(!home.path("nothing.db").exists());

    assert_eq!(home.run(&["migrate"]).code, 0);
    let own = format!("sqlite://{}", home.database_file().display());
    let ran = run(&home, &own, &keys);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("it has no table `user_profiles`"),
        "{ran:?}"
    );

    home.write(
        "text.db",
        "no database at all, but long enough to be one",
        0o600,
    );
    let text = format!("sqlite://{}", home.path("text.db").display());
    assert_eq!(run(&home, &text, &keys).code, 69);

    let ran = run(&home, "mysql://localhost/pipelit", &keys);
    assert_eq!(ran.code, 78, "{ran:?}");
    let ran = run(&home, "postgres://ada:hunter2@localhost/pipelit", &keys);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains(".pgpass"), "{ran:?}");
    assert!(!ran.texts().contains("hunter2"), "{ran:?}");
}

#[test]
fn a_dry_run_does_not_migrate() {
    let (home, pipelit) = (Home::new().with_keys(), healthy(Made::ByStart));
    let ran = crate::import(&home, &pipelit, &["--dry-run"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("run `keyward migrate` first"),
        "{ran:?}"
    );
    assert!(!home.database_file().exists());
}
