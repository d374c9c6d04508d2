//! Another language reads and writes the same column: `column.py`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use encrypt_a_column::{add, all, create_table, token};
use keyward_crypto::{FieldKey, KeyRing};

#[test]
fn python_reads_what_rust_wrote_under_any_key_of_the_setting() {
    let Some(mut shared) = Shared::new("reads") else {
        return;
    };
    let (old, new) = (setting(), setting());
    shared.add(&old, (1, "https://example.com/a", "whsec-1"));
    let both = format!("{new},{old}");
    shared.add(&both, (2, "https://example.com/b", "whsec-Grüße"));

    let output = shared.python(&both, &[]);

    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "1 https://example.com/a whsec-1\n2 https://example.com/b whsec-Grüße\n"
    );
    assert!(output.status.success());
}

#[test]
fn rust_reads_what_python_wrote() {
    let Some(mut shared) = Shared::new("writes") else {
        return;
    };
    let setting = setting();
    let new = ["7", "https://example.com", "whsec-of-python"];
    assert!(shared.python(&setting, &new).status.success());

    let stored = all(&mut shared.connection).unwrap().remove(0);

    let keys = KeyRing::parse(&setting).unwrap();
    assert_eq!(token(&keys, &stored).unwrap(), "whsec-of-python");
    assert_eq!(stored.token.key_id(), Some(keys.active()));
}

#[test]
fn python_opens_neither_another_row_nor_with_another_key() {
    let Some(mut shared) = Shared::new("refuses") else {
        return;
    };
    let keys = setting();
    shared.add(&keys, (1, "https://example.com", "whsec-1"));
    let other = shared.python(&setting(), &[]);
    assert_refused(&other, "KeyError");

    shared
        .connection
        .batch_execute("UPDATE webhooks SET id = 2")
        .unwrap();
    let moved = shared.python(&keys, &[]);
    assert_refused(&moved, "InvalidToken");
}

#[track_caller]
fn assert_refused(output: &Output, why: &str) {
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(why), "{said}");
}

/// A new key, as a setting has it.
fn setting() -> String {
    FieldKey::generate().expose().expose().to_owned()
}

/// A database in a file, which both open.
struct Shared {
    connection: SqliteConnection,
    file: PathBuf,
}

impl Shared {
    /// Where there is no Python with `cryptography`, the tests say by name that they did not run, and
    /// `REQUIRE_SERVICES=1` makes that a failure.
    fn new(name: &str) -> Option<Self> {
        let imports = Command::new("python3")
            .args(["-c", "import cryptography, sqlite3"])
            .output();
        if !imports.is_ok_and(|output| output.status.success()) {
            let notice = format!("not run: python {name} (no python3 with cryptography)");
            let required = std::env::var_os("REQUIRE_SERVICES").is_some_and(|value| value == "1");
            assert!(!required, "{notice}");
            eprintln!("{notice}");
            return None;
        }
        let file = format!("python-{name}-{}.db", std::process::id());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        create_table(&mut connection).unwrap();
        Some(Self { connection, file })
    }

    fn add(&mut self, setting: &str, webhook: (i32, &str, &str)) {
        let keys = KeyRing::parse(setting).unwrap();
        add(&mut self.connection, &keys, webhook).unwrap();
    }

    fn python(&self, setting: &str, new: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("column.py");
        Command::new("python3")
            .arg(program)
            .arg(&self.file)
            .args(new)
            .env("FIELD_ENCRYPTION_KEY", setting)
            .env("PYTHONUTF8", "1")
            .output()
            .unwrap()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Keys of nobody; what stays is only untidy.
        let _ = std::fs::remove_file(&self.file);
    }
}
