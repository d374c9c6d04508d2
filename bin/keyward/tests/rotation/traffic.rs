use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::{Place, Seen};
use crate::random::Random;
use crate::rows::{Row, Rows};
use crate::running::Answer;

/// What readers and writers have seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// The server was killed meanwhile, or was busy with a write.
    pub(crate) unknown: u64,
    pub(crate) failures: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.unknown += other.unknown;
        self.failures.extend(other.failures);
    }
}

/// One of several who read or write, each at its share of a rate.
pub(crate) struct User<'a> {
    pub(crate) places: &'a [Arc<Place>],
    pub(crate) rows: &'a Rows,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) random: Random,
    /// Which one of how many.
    pub(crate) share: (u64, u64),
    /// Of all together, in a second.
    pub(crate) rate: u64,
}

impl User<'_> {
    pub(crate) fn read(mut self) -> Tally {
        let mut tally = Tally::default();
        self.paced(|user| {
            let row = user.row();
            let least = row.acknowledged();
            let opens = user.random.between(0, 3) == 0;
            let path = format!("/api/v1/credentials/{}", row.id);
            let (method, path, body) = if opens {
                ("POST", format!("{path}/access"), Some("{}"))
            } else {
                ("GET", path, None)
            };
            let (answer, lives_on) = user.ask(method, &path, body)?;
            match answer {
                Ok(answer) => {
                    tally.reads += 1;
                    tally.failures.extend(wrong(row, &answer, opens, least));
                }
                Err(error) if lives_on => tally.failures.push(format!("{method}: {error}")),
                Err(_) => tally.unknown += 1,
            }
            Some(())
        });
        tally
    }

    pub(crate) fn write(mut self) -> Tally {
        let mut tally = Tally::default();
        self.paced(|user| {
            let row = user.own_row();
            let (version, text) = row.next();
            let path = format!("/api/v1/credentials/{}", row.id);
            let body = json!({ "detail": { "token": text } }).to_string();
            let (answer, lives_on) = user.ask("PATCH", &path, Some(&body))?;
            match answer {
                Ok(answer) if answer.status == 200 => {
                    row.acknowledge(version);
                    tally.writes += 1;
                }
                // Told to try again later: not acknowledged, so not lost.
                Ok(answer) if answer.status == 503 => tally.unknown += 1,
                Ok(answer) => tally.failures.push(format!("PATCH: {answer:?}")),
                Err(error) if lives_on => tally.failures.push(format!("PATCH: {error}")),
                Err(_) => tally.unknown += 1,
            }
            Some(())
        });
        tally
    }

    fn paced(&mut self, mut once: impl FnMut(&mut Self) -> Option<()>) {
        let every = Duration::from_secs(1) * u32::try_from(self.share.1).unwrap()
            / u32::try_from(self.rate).unwrap();
        let mut due = Instant::now();
        while !self.stop.load(Ordering::SeqCst) {
            // Nothing to be had from a server that is down.
            let _ = once(self);
            due += every;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// The answer, and whether the server was not killed meanwhile; `None` while it is down.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Option<(Result<Answer, ureq::Error>, bool)> {
        let place = self.random.one_of(self.places).unwrap();
        let seen: Seen = place.now();
        if !seen.is_up {
            return None;
        }
        let answer = seen.client.try_send(method, path, &[], body);
        Some((answer, place.lives_on(&seen)))
    }

    fn row<'a>(&mut self) -> &'a Row
    where
        Self: 'a,
    {
        let rows = self.rows;
        rows.get(self.random.between(0, rows.len() - 1))
    }

    /// Nobody else writes it, so that versions have an order.
    fn own_row<'a>(&mut self) -> &'a Row
    where
        Self: 'a,
    {
        let (which, of) = self.share;
        let rows = self.rows;
        let block = self.random.between(0, rows.len() / of - 1);
        rows.get(block * of + which)
    }
}

fn wrong(row: &Row, answer: &Answer, opened: bool, least: u64) -> Option<String> {
    if answer.status != 200 {
        return Some(format!("{answer:?}"));
    }
    let body = answer.json();
    if opened {
        let text = body["fields"]["token"].as_str().unwrap_or_default();
        return row.unlike(text, least);
    }
    let mask = &body["detail"]["token"];
    let is_right = mask["set"] == true && mask.get("unreadable").is_none();
    (!is_right).then(|| format!("{answer:?}"))
}
