use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use keyward_audit::{Action, Actor, AuditEvents as _, AuditLog, Event, Subject, VerifyAudit};
use keyward_core::{Store as _, StoreError, SystemClock};
use keyward_crypto::MacRing;
use own_store::FileStore;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    macs: MacRing,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            macs: MacRing::parse(MacRing::generate_secret().expose()).unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn store(&self) -> Arc<FileStore> {
        Arc::new(FileStore::open(&self.path()).unwrap())
    }

    fn record(&self, store: &FileStore, what: &str) {
        let log = AuditLog::new(self.macs.clone(), Arc::new(SystemClock));
        let event = Event::new(
            Actor::host(),
            Action("door.open"),
            Subject::new("door", what),
        );
        store.write(|tx| log.record(tx, &event)).unwrap();
    }

    fn findings(&self, store: Arc<FileStore>) -> usize {
        let verified = VerifyAudit::new(store, self.macs.clone()).verify(None);
        verified.unwrap().findings.len()
    }
}

fn subjects(store: &FileStore) -> Vec<String> {
    let all: Result<_, StoreError> = store.read(|tx| tx.audit_events_after(0, 100));
    let all = all.unwrap().into_iter();
    all.map(|record| record.fields.subject_id).collect()
}

#[test]
fn the_store_keeps_the_contract_of_the_audit_log() {
    keyward_store_testing::audit(&*Place::new().store());
}

#[test]
fn what_was_acknowledged_is_there_when_the_file_is_opened_again() {
    let place = Place::new();
    let store = place.store();
    place.record(&store, "front");
    place.record(&store, "back");
    drop(store);
    let again = place.store();
    assert_eq!(subjects(&again), ["front", "back"]);
    place.record(&again, "garden");
    assert_eq!(place.findings(place.store()), 0);
}

#[test]
fn what_a_crash_left_half_written_is_dropped_and_the_log_goes_on() {
    for left in ["{\"seq\": 2, \"at\": 17", "WHOLE LINE"] {
        let place = Place::new();
        place.record(&place.store(), "front");
        let text = fs::read_to_string(place.path()).unwrap();
        let left = match left {
            "WHOLE LINE" => text.replace("\"seq\":1", "\"seq\":2"),
            part => part.to_owned(),
        };
        let mut file = OpenOptions::new().append(true).open(place.path()).unwrap();
        file.write_all(left.as_bytes()).unwrap();
        let store = place.store();
        place.record(&store, "back");
        assert_eq!(subjects(&store), ["front", "back"]);
        assert_eq!(place.findings(place.store()), 0);
    }
}

#[test]
fn a_line_that_was_changed_or_taken_away_is_found() {
    let place = Place::new();
    let store = place.store();
    for door in ["front", "back", "garden"] {
        place.record(&store, door);
    }
    drop(store);
    let text = fs::read_to_string(place.path()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for forged in [
        text.replace("front", "cellar"),
        format!("{}\n{}\n", lines[0], lines[2]),
        format!("{}\n{}\n", lines[0], lines[1]),
    ] {
        fs::write(place.path(), forged).unwrap();
        assert!(place.findings(place.store()) > 0);
    }
}

#[test]
fn without_its_end_a_log_is_kept_as_it_is_and_goes_on_no_further() {
    let place = Place::new();
    place.record(&place.store(), "front");
    let text = fs::read_to_string(place.path()).unwrap();
    fs::remove_file(place.path().with_extension("head")).unwrap();
    let store = place.store();
    let log = AuditLog::new(place.macs.clone(), Arc::new(SystemClock));
    let event = Event::new(
        Actor::host(),
        Action("door.open"),
        Subject::new("door", "back"),
    );
    assert!(store.write(|tx| log.record(tx, &event)).is_err());
    assert!(place.findings(store) > 0);
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
}
