//! A use from the moment that its secret was handed out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyward_credentials::{EndedUse, Lease};

use crate::crowd::Place;
use crate::desk::Desk;
use crate::metrics;
use crate::upload::Progress;

/// Writes down how the use ended, at the latest when it is dropped: by a client that went away, as
/// `cancelled`.
pub(crate) struct UnderWay {
    desk: Arc<Desk>,
    upload: Arc<Progress>,
    started: Instant,
    ended: Option<EndedUse>,
    place: Option<Place>,
}

impl UnderWay {
    pub(crate) fn new(desk: &Arc<Desk>, lease: &Lease) -> Self {
        Self {
            desk: Arc::clone(desk),
            upload: Arc::default(),
            started: Instant::now(),
            ended: Some(lease.ended()),
            place: None,
        }
    }

    /// Takes one of the places of its user until it is over.
    pub(crate) fn hold(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// How far the body of the request has come.
    pub(crate) fn upload(&self) -> &Arc<Progress> {
        &self.upload
    }

    /// The service has answered; the body is still to come.
    pub(crate) fn answered(&mut self, status: u16) {
        if let Some(ended) = &mut self.ended {
            ended.status = Some(status);
        }
    }

    /// Some of the body came back.
    pub(crate) fn received(&mut self, bytes: u64) {
        if let Some(ended) = &mut self.ended {
            ended.received = ended.received.saturating_add(bytes);
        }
    }

    /// How much came back for each second of a time.
    pub(crate) fn received_per_second(&self, time: Duration) -> u64 {
        let received = self.ended.as_ref().map_or(u64::MAX, |ended| ended.received);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        received.saturating_mul(1_000_000) / micros
    }

    /// It is over. Only the first word counts.
    pub(crate) fn finish(&mut self, outcome: &'static str) {
        let Some(mut ended) = self.ended.take() else {
            return;
        };
        drop(self.place.take());
        let elapsed = self.started.elapsed();
        ended.outcome = outcome;
        ended.sent = self.upload.sent();
        ended.millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        metrics::ended(&ended, elapsed);
        self.desk.end(ended);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.finish("cancelled");
    }
}
