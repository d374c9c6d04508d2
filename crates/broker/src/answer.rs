//! The answer of a service on its way back.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

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
        if self.left == Some(0) {
            self.end("answered");
        }
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
            if self.scrub.is_none() {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.silence.as_mut().poll(context));
                    self.scrub = None;
                    self.under_way.finish("timeout");
                    return Poll::Ready(Some(Err("the service has stopped in the middle".into())));
                }
            };
            match frame {
                None => self.end("answered"),
                Some(Err(error)) => {
                    self.scrub = None;
                    self.under_way.finish("broken");
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(Ok(frame)) => {
                    // Trailers end here.
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.under_way.received(data.len());
                    self.silence.as_mut().reset(Instant::now() + PATIENCE);
                    let this = &mut *self;
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    this.left = this.left.map(|left| left.saturating_sub(length));
                    if let Some(scrub) = &mut this.scrub {
                        this.ready.extend(scrub.push(data));
                    }
                    this.end_if_complete();
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && (self.scrub.is_none() || self.body.is_end_stream())
    }

    /// What is taken out is put back as as many other bytes.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
