//! The body of a request on its way out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use keyward_credentials::CallError;

use crate::BoxError;

/// How far the body of a request has come. Known after the body was given away.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    sent: AtomicU64,
    failure: AtomicU8,
}

impl Progress {
    /// Bytes that were passed on.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Why it went no further, if that was not for the service.
    pub(crate) fn failure(&self, max: Option<u64>) -> Option<CallError> {
        match (self.failure.load(Ordering::Relaxed), max) {
            (TOO_LARGE, Some(max)) => Some(CallError::TooLarge { max }),
            (LOST, _) => Some(CallError::BodyLost),
            _ => None,
        }
    }
}

/// Counts what passes, and stops behind a limit.
pub(crate) struct Upload<B> {
    body: B,
    max: Option<u64>,
    progress: Arc<Progress>,
}

impl<B> Upload<B> {
    pub(crate) fn new(body: B, max: Option<u64>, progress: Arc<Progress>) -> Self {
        Self {
            body,
            max,
            progress,
        }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for Upload<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.progress.failure.store(LOST, Ordering::Relaxed);
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let sent = self.progress.sent().saturating_add(length);
        if self.max.is_some_and(|max| sent > max) {
            self.progress.failure.store(TOO_LARGE, Ordering::Relaxed);
            return Poll::Ready(Some(Err("the body is larger than a rule allows".into())));
        }
        self.progress.sent.store(sent, Ordering::Relaxed);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

const TOO_LARGE: u8 = 1;
const LOST: u8 = 2;

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    async fn upload(bytes: &'static [u8], max: Option<u64>) -> (bool, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let body = Full::new(Bytes::from_static(bytes));
        let sent = Upload::new(body, max, Arc::clone(&progress))
            .collect()
            .await;
        (sent.is_ok(), progress)
    }

    #[tokio::test]
    async fn a_body_passes_up_to_its_limit_and_no_byte_further() {
        let (passed, progress) = upload(b"12345", Some(5)).await;
        assert!(passed);
        assert_eq!(progress.sent(), 5);
        assert!(progress.failure(Some(5)).is_none());
        let (passed, progress) = upload(b"12345", Some(4)).await;
        assert!(!passed);
        assert_eq!(progress.sent(), 0);
        let failure = progress.failure(Some(4));
        assert!(matches!(failure, Some(CallError::TooLarge { max: 4 })));
    }
}
