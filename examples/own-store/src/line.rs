//! Records and the end of the log as lines.

use keyward_audit::{Head, Record, RecordFields};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::Mac;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: i64,
    at: i64,
    actor_kind: String,
    actor_id: Option<String>,
    actor_key: Option<String>,
    request: Option<String>,
    action: String,
    subject_kind: String,
    subject_id: String,
    details: String,
    mac: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    seq: i64,
    last: String,
    mac: String,
}

pub(crate) fn of(record: &Record) -> String {
    let fields = record.fields.clone();
    let line = Line {
        seq: fields.seq,
        at: fields.at.0,
        actor_kind: fields.actor_kind,
        actor_id: fields.actor_id,
        actor_key: fields.actor_key,
        request: fields.request,
        action: fields.action,
        subject_kind: fields.subject_kind,
        subject_id: fields.subject_id,
        details: fields.details,
        mac: record.mac.as_stored(),
    };
    json(&line)
}

pub(crate) fn of_head(head: Option<&Head>) -> String {
    json(&head.map(|head| End {
        seq: head.seq,
        last: head.last.as_stored(),
        mac: head.mac.as_stored(),
    }))
}

pub(crate) fn head(text: &str) -> Result<Option<Head>, StoreError> {
    let end: Option<End> =
        serde_json::from_str(text).map_err(|error| StoreError::corrupt("end", error))?;
    Ok(end.map(|end| Head {
        seq: end.seq,
        last: mac(&end.last),
        mac: mac(&end.mac),
    }))
}

/// A record. Whether it is genuine is not asked here.
pub(crate) fn record(line: &str) -> Result<Record, StoreError> {
    let line: Line =
        serde_json::from_str(line).map_err(|error| StoreError::corrupt("line", error))?;
    Ok(Record {
        fields: RecordFields {
            seq: line.seq,
            at: Timestamp(line.at),
            actor_kind: line.actor_kind,
            actor_id: line.actor_id,
            actor_key: line.actor_key,
            request: line.request,
            action: line.action,
            subject_kind: line.subject_kind,
            subject_id: line.subject_id,
            details: line.details,
        },
        mac: mac(&line.mac),
    })
}

/// What is no MAC matches nothing.
fn mac(text: &str) -> Mac {
    Mac::from_stored(text).unwrap_or_else(Mac::unreadable)
}

fn json(line: &impl Serialize) -> String {
    // Texts and numbers cannot fail.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}
