use std::fmt;
use std::str::FromStr;

use keyward_core::{Store, StoreError};
use keyward_crypto::{Mac, MacRing};

use crate::log::not_genuine;
use crate::{AuditEvents, Head, Record, Seq};

/// Checks the whole chain, row by row.
///
/// ```
/// use keyward_audit::{Action, Actor, Anchor, AuditLog, Event, Finding, Subject, VerifyAudit};
/// # use std::sync::Arc;
/// # use keyward_core::{Store as _, SystemClock};
/// # use keyward_crypto::MacRing;
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let log = AuditLog::new(macs.clone(), Arc::new(SystemClock));
///
/// // `store`, `macs` and `log` are as on the page of this crate.
/// let event = Event::new(Actor::host(), Action("note.add"), Subject::new("note", 1));
/// store.write(|tx| log.record(tx, &event))?;
///
/// let audit = VerifyAudit::new(Arc::clone(&store), macs);
/// // Kept outside of the database: a line of text.
/// let line = audit.anchor()?.ok_or("there is an event")?.to_string();
/// assert!(line.starts_with("kwa1.1."));
///
/// store.tamper(|rows| {
///     rows.remove_audit_event(1);
///     rows.set_audit_head(None);
/// });
/// // Like a log that was never begun, but for the anchor.
/// assert_eq!(audit.verify(None)?.findings, []);
/// let anchor: Anchor = line.parse()?;
/// assert_eq!(audit.verify(Some(&anchor))?.findings, [Finding::Anchor(1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VerifyAudit<S> {
    store: S,
    macs: MacRing,
}

impl<S: Store<Tx: AuditEvents>> VerifyAudit<S> {
    /// Wires the service. `macs` must hold every key that was active since the first row.
    pub fn new(store: S, macs: MacRing) -> Self {
        Self { store, macs }
    }

    /// Reads every row and reports whatever does not fit.
    ///
    /// Without an `anchor`, one thing stays unseen: somebody who can write to the database puts
    /// back rows *and* chain end as they were earlier. With one, that is found too.
    pub fn verify(&self, anchor: Option<&Anchor>) -> Result<Verification, StoreError> {
        let mut walk = Walk::new(&self.macs, anchor);
        loop {
            let after = walk.read_to;
            let page: Vec<Record> = self.store.lookup(|tx| tx.audit_events_after(after, PAGE))?;
            if page.is_empty() {
                break;
            }
            for record in page {
                walk.step(record);
            }
        }
        // The end is read last: rows appended meanwhile are then found by the loop below.
        let (head, late) = self.store.read(|tx| {
            let late = tx.audit_events_after(walk.read_to, i64::MAX)?;
            Ok::<_, StoreError>((tx.audit_head()?, late))
        })?;
        for record in late {
            walk.step(record);
        }
        Ok(walk.finish(head.as_ref()))
    }

    /// The present end of the chain, for safe-keeping outside the database. `None` while the chain
    /// is empty.
    ///
    /// # Errors
    ///
    /// Besides what the store reports, [`StoreError::Corrupt`] when the record of the end is not
    /// genuine: an anchor that somebody else made up would vouch for their chain.
    pub fn anchor(&self) -> Result<Option<Anchor>, StoreError> {
        self.store.lookup(|tx| Anchor::of_end(tx, &self.macs))
    }
}

/// What [`VerifyAudit::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Rows read.
    pub events: u64,
    /// What does not fit, in the order of the chain. Empty when all is well.
    pub findings: Vec<Finding>,
}

/// One thing that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The row is not what was written at this place: changed, inserted or moved here.
    Changed(Seq),
    /// These rows are gone.
    Missing {
        /// The first of them.
        first: Seq,
        /// The last of them.
        last: Seq,
    },
    /// The row was signed by a `SECRET_KEY` that is not configured, so nothing can be said of it.
    UnknownKey(Seq),
    /// The record of the chain's end is missing or not genuine.
    End,
    /// The row that the anchor names is not the one that stood there.
    Anchor(Seq),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(seq) => write!(f, "event {seq} was changed, inserted or moved"),
            Self::Missing { first, last } if first == last => write!(f, "event {first} is missing"),
            Self::Missing { first, last } => write!(f, "events {first} to {last} are missing"),
            Self::UnknownKey(seq) => {
                write!(
                    f,
                    "event {seq} was signed by a SECRET_KEY that is not listed"
                )
            }
            Self::End => f.write_str("the record of the last event is missing or was changed"),
            Self::Anchor(seq) => write!(f, "event {seq} is not the one that the anchor names"),
        }
    }
}

/// One row of the chain by place and MAC. Whoever keeps it can tell later that the chain up to
/// there is the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    seq: Seq,
    mac: Mac,
}

impl Anchor {
    /// [`VerifyAudit::anchor`] inside a unit of work.
    pub fn of_end(tx: &mut impl AuditEvents, macs: &MacRing) -> Result<Option<Self>, StoreError> {
        match tx.audit_head()? {
            Some(head) if !head.is_genuine(macs) => Err(not_genuine()),
            head => Ok(head.map(|head| Self {
                seq: head.seq,
                mac: head.last,
            })),
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ANCHOR_PREFIX}{}.{}", self.seq, self.mac.as_stored())
    }
}

impl FromStr for Anchor {
    type Err = MalformedAnchor;

    fn from_str(text: &str) -> Result<Self, MalformedAnchor> {
        let (seq, mac) = text
            .trim()
            .strip_prefix(ANCHOR_PREFIX)
            .and_then(|rest| rest.split_once('.'))
            .ok_or(MalformedAnchor)?;
        let seq: Seq = seq.parse().map_err(|_| MalformedAnchor)?;
        if seq < 1 {
            // No event stands there, so nothing would be compared with the MAC.
            return Err(MalformedAnchor);
        }
        let anchor = Self {
            seq,
            mac: Mac::from_stored(mac).ok_or(MalformedAnchor)?,
        };
        // One anchor has one text: no sign and no zeros before the number.
        (anchor.to_string() == text.trim())
            .then_some(anchor)
            .ok_or(MalformedAnchor)
    }
}

/// The text is not what `keyward audit anchor` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an audit anchor: give the line that `keyward audit anchor` printed")]
pub struct MalformedAnchor;

/// The state of one pass over the chain.
struct Walk<'a> {
    macs: &'a MacRing,
    anchor: Option<&'a Anchor>,
    /// The last row that was read, wherever it claims to stand.
    read_to: Seq,
    /// The last row of the chain, which begins with 1.
    last_seq: Seq,
    last_mac: Option<Mac>,
    report: Verification,
}

impl<'a> Walk<'a> {
    fn new(macs: &'a MacRing, anchor: Option<&'a Anchor>) -> Self {
        Self {
            macs,
            anchor,
            read_to: Seq::MIN,
            last_seq: 0,
            last_mac: None,
            report: Verification {
                events: 0,
                findings: Vec::new(),
            },
        }
    }

    fn step(&mut self, record: Record) {
        let seq = record.fields.seq;
        let expected = self.last_seq.saturating_add(1);
        self.report.events += 1;
        self.read_to = seq;
        if seq < 1 {
            // Nothing stands before the first event.
            self.report.findings.push(Finding::Changed(seq));
            return;
        }
        if seq > expected {
            // The row before is gone, so this one cannot be checked against it.
            self.report.findings.push(Finding::Missing {
                first: expected,
                last: seq.saturating_sub(1),
            });
        } else if self.is_of_unknown_key(&record.mac) {
            self.report.findings.push(Finding::UnknownKey(seq));
        } else if !record.follows(self.last_mac.as_ref(), self.macs) {
            self.report.findings.push(Finding::Changed(seq));
        }
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.seq == seq)
            && anchor.mac != record.mac
        {
            self.report.findings.push(Finding::Anchor(seq));
        }
        self.last_seq = seq;
        self.last_mac = Some(record.mac);
    }

    fn is_of_unknown_key(&self, mac: &Mac) -> bool {
        !mac.is_unreadable() && !self.macs.reads_audit_of(mac.key_id())
    }

    fn finish(mut self, head: Option<&Head>) -> Verification {
        match head {
            Some(head) if !head.is_genuine(self.macs) => self.report.findings.push(Finding::End),
            Some(head) if head.seq > self.last_seq => {
                self.report.findings.push(Finding::Missing {
                    first: self.last_seq.saturating_add(1),
                    last: head.seq,
                });
            }
            Some(head) if Some(&head.last) != self.last_mac.as_ref() => {
                self.report.findings.push(Finding::End);
            }
            None if self.last_seq > 0 => self.report.findings.push(Finding::End),
            _ => {}
        }
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.seq > self.last_seq) {
            self.report.findings.push(Finding::Anchor(anchor.seq));
        }
        self.report
    }
}

/// Rows per unit of work: short enough not to hold a snapshot for long.
const PAGE: i64 = 1_000;
const ANCHOR_PREFIX: &str = "kwa1.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_in_the_one_form_that_is_printed() {
        let mac =
            "1b27cdbf60abfa61.bf94d47dc1300641c64d3bae58efe15732bb8c737989e4c7720a1f022187c272";
        let printed = format!("{ANCHOR_PREFIX}17.{mac}");
        let anchor: Anchor = printed.parse().unwrap();
        assert_eq!(anchor.to_string(), printed);
        assert!(format!("{printed}\n").parse::<Anchor>().is_ok());
        for other in ["017", "+17", "0", "-17", "", "17."] {
            let text = format!("{ANCHOR_PREFIX}{other}.{mac}");
            assert_eq!(text.parse::<Anchor>(), Err(MalformedAnchor), "{other}");
        }
    }
}
