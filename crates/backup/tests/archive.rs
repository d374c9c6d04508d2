//! The file format: what is written is read, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use age::{Decryptor, Encryptor};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use keyward_backup::{
    ArchiveError, ArchiveReader, ArchiveWriter, FieldKeyEntry, Identities, Item, Manifest,
    NewIdentity, Recipients,
};
use keyward_core::Timestamp;

#[test]
fn what_was_written_is_read_in_its_order() {
    let key = Key::new();
    let backup = key.backup();
    let mut archive = ArchiveReader::open(&*backup, &key.identities).unwrap();
    assert_eq!(*archive.manifest(), manifest());
    let mut items = Vec::new();
    loop {
        match archive.next().unwrap() {
            Item::Table { name, columns } => items.push(format!("{name}: {}", columns.join(","))),
            Item::Row(row) => items.push(row),
            Item::End => break,
        }
    }
    let expected = ["users: id,name,at", ROWS[0], ROWS[1], "notes: text"];
    assert_eq!(items, expected);
}

#[test]
fn every_recipient_opens_it_and_nobody_else_does() {
    let (key, other, stranger) = (Key::new(), Key::new(), Key::new());
    let both = Recipients::parse(&format!("{}\n{}", key.recipient, other.recipient)).unwrap();
    let backup = write(&both);
    for opens in [&key, &other] {
        read(&backup, &opens.identities).unwrap();
    }
    let error = read(&backup, &stranger.identities).unwrap_err();
    assert!(matches!(error, ArchiveError::OtherRecipient), "{error}");
}

#[test]
fn nothing_of_the_content_can_be_seen_in_the_file() {
    let backup = Key::new().backup();
    for marker in [b"users".as_slice(), b"manifest", b"Zo", b"kwa1"] {
        let seen = backup.windows(marker.len()).any(|part| part == marker);
        assert!(!seen, "{}", String::from_utf8_lossy(marker));
    }
}

#[test]
fn a_flipped_bit_of_any_byte_is_refused() {
    let key = Key::new();
    let backup = key.backup();
    for (place, bit) in (0..backup.len()).zip([1, 2, 4, 8, 16, 32, 64, 128].iter().cycle()) {
        let mut changed = backup.clone();
        changed[place] ^= bit;
        assert!(read(&changed, &key.identities).is_err(), "byte {place}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let key = Key::new();
    let backup = key.backup();
    for length in 0..backup.len() {
        assert!(
            read(&backup[..length], &key.identities).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn a_long_file_is_refused_when_its_last_chunks_are_missing_or_others_follow() {
    let key = Key::new();
    let rows: Vec<String> = (0..20_000)
        .map(|number: u64| format!("[\"{:x}\"]", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    let mut manifest = manifest();
    manifest.rows = BTreeMap::from([("notes".to_owned(), 20_000)]);
    let mut writer = ArchiveWriter::begin(Vec::new(), &key.recipients(), &manifest).unwrap();
    writer.table("notes", &["text".to_owned()]).unwrap();
    for row in &rows {
        writer.row(row).unwrap();
    }
    let backup = writer.finish().unwrap();
    assert!(backup.len() > 3 * CHUNK, "{} bytes", backup.len());
    read(&backup, &key.identities).unwrap();

    let header = backup.len() % CHUNK;
    for cut in [1, 16, 17, header, CHUNK, CHUNK + header, 2 * CHUNK] {
        let torso = &backup[..backup.len() - cut];
        assert!(read(torso, &key.identities).is_err(), "without {cut} bytes");
    }
    for place in (0..backup.len()).step_by(9_973) {
        let mut changed = backup.clone();
        changed[place] ^= 1;
        assert!(read(&changed, &key.identities).is_err(), "byte {place}");
    }
    assert!(read(&[&*backup, b"x"].concat(), &key.identities).is_err());
    assert!(read(&[&*backup, &*backup].concat(), &key.identities).is_err());
}

#[test]
fn a_writer_that_was_not_finished_leaves_no_backup() {
    let key = Key::new();
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::begin(&mut out, &key.recipients(), &manifest()).unwrap();
    writer.table("users", &COLUMNS.map(str::to_owned)).unwrap();
    writer.row(ROWS[0]).unwrap();
    drop(writer);
    assert!(read(&out, &key.identities).is_err());
}

/// Whoever knows a recipient can encrypt something. It must be complete all the same.
#[test]
fn lines_that_do_not_add_up_are_refused_though_their_encryption_is_right() {
    let key = Key::new();
    let good = lines(&key);
    let genuine = key.sealed(&compressed(&good.join("\n")));
    read(&genuine, &key.identities).unwrap();

    let without = |place: usize| {
        let mut fewer = good.clone();
        fewer.remove(place);
        fewer
    };
    let with = |place: usize, line: &str| {
        let mut more = good.clone();
        more.insert(place, line.to_owned());
        more
    };
    let instead = |place: usize, line: &str| {
        let mut other = good.clone();
        line.clone_into(&mut other[place]);
        other
    };
    let last = good.len() - 2; // the last line is empty: what stands behind the line break
    for (wrong, why) in [
        (without(0), "no manifest"),
        (without(1), "rows of no table"),
        (without(2), "a row less"),
        (without(4), "a table that does not end"),
        (without(last), "no end"),
        (with(3, ROWS[0]), "a row more"),
        (with(3, "[1]"), "a row of other columns"),
        (with(3, r#"["a",{},1]"#), "a value that no column has"),
        (with(3, "null"), "no line of a backup"),
        (with(5, &good[1]), "a table twice"),
        (
            with(5, r#"{"table":{"name":"more","columns":[]}}"#),
            "a table more",
        ),
        (with(last + 1, ROWS[0]), "something behind the end"),
        (with(last + 1, ""), "an empty line behind the end"),
        (instead(4, r#"{"rows":1}"#), "another number of rows"),
        (instead(last, r#"{"end":{"notes":0}}"#), "another end"),
        (
            instead(0, r#"{"manifest":{"format":1}}"#),
            "half a manifest",
        ),
    ] {
        let backup = key.sealed(&compressed(&wrong.join("\n")));
        let error = read(&backup, &key.identities).expect_err(why);
        assert!(matches!(error, ArchiveError::Damaged), "{why}: {error}");
    }
}

#[test]
fn bytes_behind_the_compressed_ones_are_refused() {
    let key = Key::new();
    let text = lines(&key).join("\n");
    for behind in [b"x".to_vec(), compressed(""), compressed("more")] {
        let backup = key.sealed(&[compressed(&text), behind].concat());
        assert!(matches!(
            read(&backup, &key.identities),
            Err(ArchiveError::Damaged)
        ));
    }
}

#[test]
fn another_format_is_told_by_its_number() {
    let key = Key::new();
    let mut other = lines(&key);
    other[0] = r#"{"manifest":{"format":2,"new":true}}"#.to_owned();
    let backup = key.sealed(&compressed(&other.join("\n")));
    let error = read(&backup, &key.identities).unwrap_err();
    assert!(matches!(error, ArchiveError::OtherFormat(2)), "{error}");
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let key = Key::new();
    let backup = key.sealed(&compressed(&"[".repeat(17 * 1024 * 1024)));
    assert!(matches!(
        read(&backup, &key.identities),
        Err(ArchiveError::Damaged)
    ));
}

#[test]
fn other_files_are_told_from_backups() {
    let key = Key::new();
    for other in [
        b"".as_slice(),
        b"SQLite format 3\0",
        b"age-encryption.org/v2\n",
    ] {
        let error = read(other, &key.identities).unwrap_err();
        assert!(matches!(error, ArchiveError::NotABackup), "{error}");
    }
}

struct Key {
    identities: Identities,
    recipient: String,
}

impl Key {
    fn new() -> Self {
        let new = NewIdentity::generate();
        Self {
            identities: Identities::parse(new.file().expose()).unwrap(),
            recipient: new.recipient().to_owned(),
        }
    }

    fn recipients(&self) -> Recipients {
        Recipients::parse(&self.recipient).unwrap()
    }

    fn backup(&self) -> Vec<u8> {
        write(&self.recipients())
    }

    /// Encrypts anything, as anybody can who knows the recipient.
    fn sealed(&self, content: &[u8]) -> Vec<u8> {
        let recipient: age::x25519::Recipient = self.recipient.parse().unwrap();
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).unwrap();
        let mut out = encryptor.wrap_output(Vec::new()).unwrap();
        out.write_all(content).unwrap();
        out.finish().unwrap()
    }
}

/// The lines of a backup, and an empty one.
fn lines(key: &Key) -> Vec<String> {
    let new = NewIdentity::generate();
    let recipients = Recipients::parse(new.recipient()).unwrap();
    let identity = new.file();
    let identity = identity.expose().lines().last().unwrap();
    let identity: age::x25519::Identity = identity.parse().unwrap();
    let backup = write(&recipients);
    let identities = std::iter::once(&identity as &dyn age::Identity);
    let decrypted = Decryptor::new(&*backup)
        .unwrap()
        .decrypt(identities)
        .unwrap();
    let mut text = String::new();
    GzDecoder::new(decrypted).read_to_string(&mut text).unwrap();
    assert!(!text.contains(&key.recipient));
    text.split('\n').map(str::to_owned).collect()
}

fn compressed(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

fn write(recipients: &Recipients) -> Vec<u8> {
    let mut writer = ArchiveWriter::begin(Vec::new(), recipients, &manifest()).unwrap();
    writer.table("users", &COLUMNS.map(str::to_owned)).unwrap();
    for row in ROWS {
        writer.row(row).unwrap();
    }
    writer.table("notes", &["text".to_owned()]).unwrap();
    writer.finish().unwrap()
}

fn read(backup: &[u8], identities: &Identities) -> Result<(), ArchiveError> {
    let mut archive = ArchiveReader::open(backup, identities)?;
    while !matches!(archive.next()?, Item::End) {}
    Ok(())
}

fn manifest() -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        keyward: "0.1.0".to_owned(),
        created_at: Timestamp(1_800_000_000),
        database: "sqlite".to_owned(),
        migrations: vec!["0001".to_owned()],
        rows: BTreeMap::from([("users".to_owned(), 2), ("notes".to_owned(), 0)]),
        field_keys: vec![FieldKeyEntry {
            kid: "8bdd4983cf979127".to_owned(),
            state: "active".to_owned(),
        }],
        secret_keys: vec!["1b27cdbf60abfa61".to_owned()],
        audit_anchor: None,
    }
}

const COLUMNS: [&str; 3] = ["id", "name", "at"];
const ROWS: [&str; 2] = [r#"["1","Zoë\n",9223372036854775807]"#, r#"["2",null,-1]"#];
/// Of age: 64 KiB and a tag.
const CHUNK: usize = 64 * 1024 + 16;
