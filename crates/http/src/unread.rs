use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

/// The body of a request, kept until its answer is sent.
///
/// Of a body that nobody wants any more, actix-web reads what is still to come and throws it away,
/// which for one without a known length can go on for ever. Of one that somebody still holds when
/// the answer is sent, it reads for a second and ends the connection.
#[derive(Clone)]
pub(crate) struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Takes hold of the body, if there is one.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let held = Self(Rc::new(RefCell::new(payload)));
        let shown = Box::pin(held.clone());
        request.set_payload(Payload::Stream { payload: shown });
        Some(held)
    }

    /// Lets go of it when `response` is sent.
    pub(crate) fn until(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let hold = |_: &mut _, body| Holding {
            body,
            _unread: self,
        };
        response.map_body(hold).map_into_boxed_body()
    }
}

/// The body of an answer, which holds that of its request.
struct Holding {
    body: BoxBody,
    _unread: Unread,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}
