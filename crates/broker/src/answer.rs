//! The answer of a service on its way back.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use keyward_credentials::CallError;
use tokio::time::{Instant, Sleep, sleep};

use crate::broker::PATIENCE;
use crate::scrub::{Needles, Scrub};
use crate::under_way::UnderWay;
use crate::{BoxError, headers, metrics};

/// What goes back of an answer: its status, the header fields that may, and a body without the
/// secrets.
pub(crate) fn scrubbed(
    answer: Response<reqwest::Body>,
    needles: &Arc<Needles>,
    mut under_way: UnderWay,
) -> Result<Response<Scrubbed>, CallError> {
    let (parts, body) = answer.into_parts();
    under_way.answered(parts.status.as_u16());
    if is_coded(&parts.headers) && !body.is_end_stream() {
        // Nobody could look into it.
        under_way.finish("coded");
        return Err(CallError::BadAnswer);
    }
    let fields = headers::incoming(&parts.headers);
    let mut scrubbed = Scrubbed {
        left: body.size_hint().exact(),
        body,
        scrub: Some(Scrub::new(Arc::clone(needles))),
        waiting: Bytes::new(),
        spent: Duration::ZERO,
        ready: VecDeque::new(),
        silence: Box::pin(sleep(PATIENCE)),
        under_way,
    };
    scrubbed.end_if_complete();
    let mut back = Response::new(scrubbed);
    *back.status_mut() = parts.status;
    *back.headers_mut() = scrubbed_fields(fields, needles);
    Ok(back)
}

/// Whether the body is in a content coding that was not undone.
fn is_coded(fields: &HeaderMap) -> bool {
    let mut codings = fields.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn scrubbed_fields(fields: HeaderMap, needles: &Needles) -> HeaderMap {
    let mut last: Option<HeaderName> = None;
    let mut kept = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        // Only the first of several values comes with its name.
        let Some(name) = name.or_else(|| last.clone()) else {
            continue;
        };
        let clean = needles.scrub_value(value.as_bytes());
        let value = if *clean == *value.as_bytes() {
            Some(value)
        } else {
            metrics::scrubbed(1);
            HeaderValue::from_bytes(&clean).ok()
        };
        if let Some(value) = value {
            kept.append(name.clone(), value);
        }
        last = Some(name);
    }
    kept
}

/// A body from which secrets are taken out as it passes.
pub(crate) struct Scrubbed {
    body: reqwest::Body,
    /// `None` behind the end.
    scrub: Option<Scrub>,
    /// What came in and was not looked at yet.
    waiting: Bytes,
    /// How long looking has taken.
    spent: Duration,
    ready: VecDeque<Bytes>,
    /// Bytes that are still to come, where the service has said how many.
    left: Option<u64>,
    /// Ends when the service has said nothing for too long.
    silence: Pin<Box<Sleep>>,
    under_way: UnderWay,
}

impl Scrubbed {
    /// Who knows how long a body is asks no further when all of it is there.
    fn end_if_complete(&mut self) {
        if self.left == Some(0) && self.waiting.is_empty() {
            self.end("answered");
        }
    }

    /// Looks at a part of what has come in, so that nobody else waits for long. Says whether it was
    /// quick enough: with a value that repeats itself, and an answer made for it, looking takes so
    /// long that others would have nothing of this thread.
    fn look(&mut self) -> bool {
        let part = self.waiting.split_to(self.waiting.len().min(AT_ONCE));
        let started = std::time::Instant::now();
        if let Some(scrub) = &mut self.scrub {
            self.ready.extend(scrub.push(part));
        }
        self.spent += started.elapsed();
        self.end_if_complete();
        self.spent < MAX_SPENT || self.under_way.received_per_second(self.spent) > SLOWEST
    }

    /// Ends in the middle.
    fn fail(
        &mut self,
        outcome: &'static str,
        why: BoxError,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.scrub = None;
        self.ready.clear();
        self.waiting.clear();
        self.under_way.finish(outcome);
        Poll::Ready(Some(Err(why)))
    }

    fn end(&mut self, outcome: &'static str) {
        if let Some(mut scrub) = self.scrub.take() {
            self.ready.extend(scrub.finish());
            metrics::scrubbed(scrub.replacements());
        }
        self.under_way.finish(outcome);
    }
}

impl Body for Scrubbed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if !self.waiting.is_empty() {
                if !self.look() {
                    return self.fail("unsearchable", "the answer takes too long to search".into());
                }
                continue;
            }
            if self.scrub.is_none() {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.silence.as_mut().poll(context));
                    return self.fail("timeout", "the service has stopped in the middle".into());
                }
            };
            match frame {
                None => self.end("answered"),
                Some(Err(error)) => return self.fail("broken", error.into()),
                Some(Ok(frame)) => {
                    // Trailers end here.
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.under_way.received(length);
                    self.silence.as_mut().reset(Instant::now() + PATIENCE);
                    self.left = self.left.map(|left| left.saturating_sub(length));
                    self.waiting = data;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty()
            && self.waiting.is_empty()
            && (self.scrub.is_none() || self.body.is_end_stream())
    }

    /// What is taken out is put back as as many other bytes.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes that are looked at before others have their turn.
const AT_ONCE: usize = 16 * 1_024;
/// Looking may take so long, or as long as it keeps up with [`SLOWEST`]. A ten-thousandth of it is usual; what a
/// busy machine adds to it, by letting others go first, is not to end an answer.
const MAX_SPENT: Duration = Duration::from_secs(5);
/// Bytes a second.
const SLOWEST: u64 = 1_000_000;
