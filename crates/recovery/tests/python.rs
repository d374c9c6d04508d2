//! The Python of docs/recovery-kit.md reads what this crate prints.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyward_crypto::{FieldKey, MacRing, SecretText};
use keyward_recovery::{RecoveryKit, Share, Split};

fn kit() -> RecoveryKit {
    let (old, new) = (FieldKey::generate().expose(), FieldKey::generate().expose());
    let fields = SecretText::new(format!("{},{}", new.expose(), old.expose()));
    let secrets = SecretText::new(format!(
        "{},a passphrase of somebody w\u{ed}th 40 characters",
        MacRing::generate_secret().expose()
    ));
    RecoveryKit::new(&fields, &secrets, 1_800_000_000).unwrap()
}

fn expected(kit: &RecoveryKit) -> String {
    format!(
        "FIELD_ENCRYPTION_KEY={}\nSECRET_KEY={}\n",
        kit.field_encryption_key().expose(),
        kit.secret_key().expose()
    )
}

#[test]
fn python_reads_a_kit() {
    let Some(python) = Python::find() else {
        return;
    };
    let kit = kit();
    let output = python.read(&[kit.page()]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected(&kit));
}

#[test]
fn python_puts_shares_together_and_notices_when_they_are_too_few() {
    let Some(python) = Python::find() else {
        return;
    };
    let kit = kit();
    let shares = kit.split(Split::new(5, 3).unwrap());
    let pages = |chosen: &[usize]| -> Vec<_> {
        chosen
            .iter()
            .map(|place| Share::page(&shares[*place]))
            .collect()
    };
    for chosen in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let output = python.read(&pages(&chosen));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected(&kit));
    }
    let output = python.read(&pages(&[0, 1]));
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
}

struct Python {
    program: String,
    dir: PathBuf,
}

impl Python {
    /// Where there is none, the tests say by name that they did not run.
    fn find() -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            assert!(
                std::env::var_os("REQUIRE_SERVICES").is_none(),
                "REQUIRE_SERVICES=1 asks for python3"
            );
            eprintln!("not run: the tests of docs/recovery-kit.md (no python3)");
            return None;
        }
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recovery-kit.md");
        let page = fs::read_to_string(page).unwrap();
        let program = page.split("```python\n").nth(1).unwrap();
        let program = program.split("```").next().unwrap().to_owned();
        let name = format!(
            "python-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        Some(Self { program, dir })
    }

    fn read(&self, pages: &[SecretText]) -> Output {
        let mut command = Command::new("python3");
        command.args(["-c", &self.program]);
        for (number, page) in pages.iter().enumerate() {
            let file = self.dir.join(number.to_string());
            fs::write(&file, page.expose()).unwrap();
            command.arg(file);
        }
        command.env("PYTHONUTF8", "1").output().unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Keys of nobody; what stays is only untidy.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
