use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox};

#[test]
fn an_identity_is_a_private_file_that_is_never_overwritten() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["backup", "identity", "id.txt"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let content = fs::read_to_string(sandbox.path("id.txt")).unwrap();
    let mode = sandbox.path("id.txt").metadata().unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(content.contains(ran.stdout.trim()), "{content}");
    assert!(ran.stdout.starts_with("age1"));
    let secret = content.lines().last().unwrap();
    assert!(secret.starts_with("AGE-SECRET-KEY-1"));
    assert!(!ran.texts().contains(secret), "{ran:?}");

    let again = sandbox.run(&["backup", "identity", "id.txt"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(fs::read_to_string(sandbox.path("id.txt")).unwrap(), content);
    let json = sandbox.run(&["backup", "identity", "other.txt", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json["recipient"].as_str().unwrap().starts_with("age1"));
}

#[test]
fn a_backup_is_made_proven_and_restored_by_an_operator() {
    let operator = Operator::new();
    let created = operator.create("a.backup");
    assert!(created.stdout.contains("wrote a.backup"), "{created:?}");
    assert!(created.stdout.contains("kwa1."), "{created:?}");
    let mode = operator.sandbox.path("a.backup").metadata().unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let verified = operator.open("verify", "a.backup", &[]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.stdout.contains("can be restored"), "{verified:?}");

    let occupied = operator.open("restore", "a.backup", &[]);
    assert_eq!(occupied.code, 1, "{occupied:?}");
    assert!(occupied.stderr.contains("--replace"), "{occupied:?}");
    let replaced = operator.open("restore", "a.backup", &["--replace"]);
    assert_eq!(replaced.code, 0, "{replaced:?}");
    assert!(
        replaced.stdout.contains("API keys made since"),
        "{replaced:?}"
    );

    let data = operator.sandbox.path("keyward-data");
    for name in ["keyward.db", "keyward.db-wal", "keyward.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    let restored = operator.open("restore", "a.backup", &[]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored.stdout.contains("nothing to compare with"),
        "{restored:?}"
    );
    assert!(
        operator
            .sandbox
            .run(&["user", "list"])
            .stdout
            .contains("ada")
    );
    assert_eq!(operator.sandbox.run(&["audit", "verify"]).code, 0);
}

#[test]
fn every_command_prints_json() {
    let operator = Operator::new();
    let recipients = operator
        .sandbox
        .write("recipients.txt", &operator.recipient, 0o644);
    let recipients = recipients.to_str().unwrap();
    let json = |ran: Ran| -> Value {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let line = [
        "backup",
        "create",
        "--json",
        "--recipients-file",
        recipients,
        "b",
    ];
    let made = json(operator.sandbox.run(&line));
    assert_eq!(made["recipients"][0], operator.recipient.as_str());
    assert_eq!(made["manifest"]["rows"]["users"], 1);
    assert_eq!(
        made["bytes"],
        operator.sandbox.path("b").metadata().unwrap().len()
    );
    let verified = json(operator.open("verify", "b", &["--json"]));
    assert_eq!(verified["intact"], true);
    assert_eq!(verified["manifest"], made["manifest"]);
    let restored = json(operator.open("restore", "b", &["--replace", "--json"]));
    assert_eq!(restored["manifest"], made["manifest"]);
    assert_eq!(restored["since"]["keys_gone"], serde_json::json!([]));
}

#[test]
fn an_existing_file_is_not_overwritten_and_a_failure_leaves_none() {
    let operator = Operator::new();
    operator.sandbox.write("taken", "precious", 0o600);
    let taken = operator.try_create("taken");
    assert_eq!(taken.code, 1, "{taken:?}");
    let kept = fs::read_to_string(operator.sandbox.path("taken")).unwrap();
    assert_eq!(kept, "precious");

    let nowhere = operator.try_create("no/such/folder/b");
    assert_eq!(nowhere.code, 69, "{nowhere:?}");
    let events = operator.sandbox.run(&["audit", "verify"]).stdout;
    assert!(events.contains("2 events"), "{events}");
    operator.create("b");
    let names = operator.names();
    assert_eq!(names, ["b", "id.txt", "keyward-data", "taken"]);
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let operator = Operator::new();
    operator.create("b");
    let backup = fs::read(operator.sandbox.path("b")).unwrap();
    let mut flipped = backup.clone();
    flipped[backup.len() / 2] ^= 1;
    for damaged in [&flipped, &backup[..backup.len() - 1], b"something else"] {
        fs::write(operator.sandbox.path("damaged"), damaged).unwrap();
        for (command, more) in [("verify", &[] as &[&str]), ("restore", &["--replace"])] {
            let before = operator.sandbox.run(&["audit", "anchor"]).stdout;
            let ran = operator.open(command, "damaged", more);
            assert_eq!(ran.code, 1, "{ran:?}");
            assert!(ran.stderr.contains("another copy"), "{ran:?}");
            assert_eq!(operator.sandbox.run(&["audit", "anchor"]).stdout, before);
        }
    }
}

#[test]
fn wrong_keys_and_identities_are_told_by_the_exit_code() {
    let operator = Operator::new();
    operator.create("b");
    let other = Sandbox::new();
    for name in ["b", "id.txt"] {
        fs::copy(operator.sandbox.path(name), other.path(name)).unwrap();
    }
    let line = ["backup", "restore", "--identity-file", "id.txt", "b"];
    let none = other.run(&line);
    assert_eq!(none.code, 78, "{none:?}");
    other.run(&["migrate"]);
    let wrong = other.run(&line);
    assert_eq!(wrong.code, 78, "{wrong:?}");
    assert!(wrong.stderr.contains("stored value"), "{wrong:?}");
    assert!(!other.run(&["user", "list"]).stdout.contains("ada"));

    let stranger = operator
        .sandbox
        .run(&["backup", "identity", "stranger.txt"]);
    assert_eq!(stranger.code, 0);
    let line = ["backup", "verify", "--identity-file", "stranger.txt", "b"];
    let refused = operator.sandbox.run(&line);
    assert_eq!(refused.code, 1, "{refused:?}");

    let shared = Permissions::from_mode(0o644);
    fs::set_permissions(operator.sandbox.path("id.txt"), shared).unwrap();
    let exposed = operator.open("verify", "b", &[]);
    assert_eq!(exposed.code, 78, "{exposed:?}");
    assert!(exposed.stderr.contains("chmod 600"), "{exposed:?}");
}

#[test]
fn a_given_anchor_must_fit() {
    let operator = Operator::new();
    let anchor = operator.sandbox.run(&["audit", "anchor"]).stdout;
    let anchor = anchor.trim();
    operator.create("b");
    let fits = operator.open("verify", "b", &["--anchor", anchor]);
    assert_eq!(fits.code, 0, "{fits:?}");

    let other = Operator::new();
    let foreign = other.sandbox.run(&["audit", "anchor"]).stdout;
    for command in ["verify", "restore"] {
        let ran = operator.open(command, "b", &["--anchor", foreign.trim()]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains("by the given anchor"), "{ran:?}");
    }
    let malformed = operator.open("verify", "b", &["--anchor", "kwa1.x"]);
    assert_eq!(malformed.code, 78, "{malformed:?}");
}

#[test]
fn verifying_leaves_nothing_in_the_temporary_folder() {
    let operator = Operator::new();
    operator.create("b");
    fs::create_dir(operator.sandbox.path("tmp")).unwrap();
    let place = operator.sandbox.path("tmp");
    let operator = Operator {
        sandbox: operator.sandbox.set("TMPDIR", place.to_str().unwrap()),
        ..operator
    };
    assert_eq!(operator.open("verify", "b", &[]).code, 0);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    let missing = operator.sandbox.path("tmp/no");
    let sandbox = operator.sandbox.set("TMPDIR", missing.to_str().unwrap());
    let ran = sandbox.run(&["backup", "verify", "--identity-file", "id.txt", "b"]);
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.stderr.contains("TMPDIR"), "{ran:?}");
}

#[test]
fn production_makes_proves_and_restores_backups_too() {
    let sandbox = Sandbox::production();
    assert_eq!(sandbox.run(&["init", "--username", "ada"]).code, 0);
    let recipient = sandbox.run(&["backup", "identity", "id.txt"]).stdout;
    let create = ["backup", "create", "--recipient", recipient.trim(), "b"];
    assert_eq!(sandbox.run(&create).code, 0);

    // Proving needs the keys and no database.
    let sandbox = sandbox.unset("DATABASE_URL");
    let verified = sandbox.run(&["backup", "verify", "--identity-file", "id.txt", "b"]);
    assert_eq!(verified.code, 0, "{verified:?}");

    let elsewhere = format!("sqlite://{}", sandbox.path("elsewhere.db").display());
    let sandbox = sandbox.set("DATABASE_URL", &elsewhere);
    let restored = sandbox.run(&["backup", "restore", "--identity-file", "id.txt", "b"]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(sandbox.run(&["user", "list"]).stdout.contains("ada"));
}

#[test]
fn what_is_no_recipient_is_refused() {
    let operator = Operator::new();
    let none = operator.sandbox.run(&["backup", "create", "b"]);
    assert_eq!(none.code, 2, "{none:?}");
    let secret = fs::read_to_string(operator.sandbox.path("id.txt")).unwrap();
    let secret = secret.lines().last().unwrap();
    for wrong in ["age1", "ssh-ed25519 AAAA", secret] {
        let ran = operator
            .sandbox
            .run(&["backup", "create", "--recipient", wrong, "b"]);
        assert_eq!(ran.code, 78, "{ran:?}");
        assert!(!ran.texts().contains("AGE-SECRET"), "{ran:?}");
    }
}

/// A host with an administrator and an identity.
struct Operator {
    sandbox: Sandbox,
    recipient: String,
}

impl Operator {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let made = sandbox.run(&["init", "--username", "ada"]);
        assert_eq!(made.code, 0, "{made:?}");
        let identity = sandbox.run(&["backup", "identity", "id.txt"]);
        Self {
            sandbox,
            recipient: identity.stdout.trim().to_owned(),
        }
    }

    fn try_create(&self, file: &str) -> Ran {
        let line = ["backup", "create", "--recipient", &self.recipient, file];
        self.sandbox.run(&line)
    }

    fn create(&self, file: &str) -> Ran {
        let ran = self.try_create(file);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }

    fn open(&self, command: &str, file: &str, more: &[&str]) -> Ran {
        let line = ["backup", command, "--identity-file", "id.txt", file];
        self.sandbox.run(&[&line, more].concat())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.sandbox.root()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }
}
