use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::time::timeout;
use actix_web::web;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The body of an answer from elsewhere. Trailers are dropped: HTTP/1.1 leaves that to whoever
/// passes a message on (RFC 9110 §6.5.1).
pub type AnswerBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The body of a request, as it arrives. At most a few chunks of it are in memory.
#[derive(Debug)]
pub struct RequestBody {
    chunks: Option<Receiver<Result<Bytes, BodyError>>>,
    /// What is still to come, where the client has said it.
    left: Option<u64>,
}

/// The client did not send the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It went away, or what it sent is not HTTP.
    #[error("the body ended early")]
    EndedEarly,
    /// It sent nothing for a minute.
    #[error("the body did not arrive in time")]
    TimedOut,
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            chunks: None,
            left: Some(0),
        }
    }

    /// The body that arrives as `payload`, of `length` bytes where that is known.
    pub(super) fn arriving(payload: web::Payload, length: Option<u64>) -> Self {
        let (sender, chunks) = channel(CHUNKS);
        // A connection belongs to its thread, and what passes the body on may be anywhere.
        actix_web::rt::spawn(forward(payload, sender));
        Self {
            chunks: Some(chunks),
            left: length,
        }
    }
}

async fn forward(mut payload: web::Payload, sender: Sender<Result<Bytes, BodyError>>) {
    loop {
        let chunk = tokio::select! {
            // Nobody reads on.
            () = sender.closed() => return,
            chunk = timeout(PATIENCE, payload.next()) => chunk,
        };
        let chunk = match chunk {
            Ok(None) => return,
            Ok(Some(chunk)) => chunk.map_err(|_| BodyError::EndedEarly),
            Err(_elapsed) => Err(BodyError::TimedOut),
        };
        let ends = chunk.is_err();
        if sender.send(chunk).await.is_err() || ends {
            return;
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(chunks) = &mut self.chunks else {
            return Poll::Ready(None);
        };
        let Some(chunk) = ready!(chunks.poll_recv(context)) else {
            self.chunks = None;
            // An announced length that is not reached.
            let short = self.left.is_some_and(|left| left > 0);
            return Poll::Ready(short.then_some(Err(BodyError::EndedEarly)));
        };
        let chunk = chunk?;
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.left = self.left.map(|left| left.saturating_sub(length));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_none() || self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// An answer's body as actix sends it.
pub(super) struct Outgoing {
    pub(super) body: AnswerBody,
    pub(super) size: BodySize,
}

impl MessageBody for Outgoing {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    // An empty chunk would end the body early.
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    Ok(_) | Err(_) => {}
                },
            }
        }
    }
}

/// Each is at most as large as what one read from a socket gives.
const CHUNKS: usize = 4;
const PATIENCE: Duration = Duration::from_mins(1);
