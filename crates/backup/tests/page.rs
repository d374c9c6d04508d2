//! docs/formats.md: the Python of the page reads what this crate writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use age::Decryptor;
use flate2::read::GzDecoder;
use keyward_backup::{ArchiveWriter, Manifest, NewIdentity, Recipients};
use keyward_core::Timestamp;

#[test]
fn the_python_of_the_page_reads_a_backup() {
    let lines = lines();
    let program = format!(
        "import sys\n{}\nprint(json.dumps(tables(sys.stdin)))",
        snippet("def tables(lines)")
    );
    let child = Command::new("python3")
        .args(["-c", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        let notice = "not run: the_python_of_the_page_reads_a_backup (no python3)";
        let required = std::env::var_os("REQUIRE_SERVICES").is_some_and(|value| value == "1");
        assert!(!required, "{notice}");
        eprintln!("{notice}");
        return;
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let tables: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({
        "users": [{ "id": "1", "first_name": "Zoë", "owner_id": null }],
        "notes": [],
    });
    assert_eq!(tables, expected);
}

/// What `age -d | gunzip` would show.
fn lines() -> String {
    let new = NewIdentity::generate();
    let recipients = Recipients::parse(new.recipient()).unwrap();
    let manifest = Manifest {
        format: Manifest::FORMAT,
        keyward: "0.1.0".to_owned(),
        created_at: Timestamp(1_800_000_000),
        database: "sqlite".to_owned(),
        migrations: vec!["0001".to_owned()],
        rows: BTreeMap::from([("users".to_owned(), 1), ("notes".to_owned(), 0)]),
        field_keys: Vec::new(),
        secret_keys: Vec::new(),
        audit_anchor: None,
    };
    let mut writer = ArchiveWriter::begin(Vec::new(), &recipients, &manifest).unwrap();
    let columns = ["id", "first_name", "owner_id"].map(str::to_owned);
    writer.table("users", &columns).unwrap();
    writer.row(r#"["1","Zoë",null]"#).unwrap();
    writer.table("notes", &["text".to_owned()]).unwrap();
    let backup = writer.finish().unwrap();

    let file = new.file();
    let identity = file.expose().lines().last().unwrap();
    let identity: age::x25519::Identity = identity.parse().unwrap();
    let identities = std::iter::once(&identity as &dyn age::Identity);
    let decrypted = Decryptor::new(&*backup)
        .unwrap()
        .decrypt(identities)
        .unwrap();
    let mut text = String::new();
    GzDecoder::new(decrypted).read_to_string(&mut text).unwrap();
    text
}

/// The block of Python that has this line.
fn snippet(line: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let page = fs::read_to_string(page).unwrap();
    let mut blocks = page.split("```python\n").skip(1);
    let block = blocks.find(|block| block.contains(line)).unwrap();
    block.split("```").next().unwrap().to_owned()
}
