use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Problem;
use crate::openapi::Shape;

/// What a handler gives back, ready to be sent.
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Self, Problem> {
        // Serialised here, on the blocking pool, and not on the reactor.
        let body = serde_json::to_vec(value).map_err(|_| Problem::internal())?;
        Ok(Self { status, body })
    }

    pub(crate) fn send(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.body.is_empty() {
            return response.finish();
        }
        response.content_type(ContentType::json()).body(self.body)
    }
}

/// A value that a handler can give back, with its status.
pub(crate) trait Answer {
    const STATUS: StatusCode;
    /// Another status that means success.
    const OTHER: Option<StatusCode> = None;

    fn shape() -> Option<Shape>;

    fn reply(self) -> Result<Reply, Problem>;
}

/// 200.
pub(crate) struct Found<T>(pub(crate) T);

impl<T: Serialize + ToSchema> Answer for Found<T> {
    const STATUS: StatusCode = StatusCode::OK;

    fn shape() -> Option<Shape> {
        Some(Shape::of::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        Reply::json(Self::STATUS, &self.0)
    }
}

/// 201.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize + ToSchema> Answer for Created<T> {
    const STATUS: StatusCode = StatusCode::CREATED;

    fn shape() -> Option<Shape> {
        Some(Shape::of::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        Reply::json(Self::STATUS, &self.0)
    }
}

/// 201 for what was made, 200 for what was there.
pub(crate) struct MadeOrFound<T> {
    status: StatusCode,
    value: T,
}

impl<T> MadeOrFound<T> {
    pub(crate) fn new(is_new: bool, value: T) -> Self {
        let status = if is_new { Self::MADE } else { Self::FOUND };
        Self { status, value }
    }

    const MADE: StatusCode = StatusCode::CREATED;
    const FOUND: StatusCode = StatusCode::OK;
}

impl<T: Serialize + ToSchema> Answer for MadeOrFound<T> {
    const STATUS: StatusCode = Self::MADE;
    const OTHER: Option<StatusCode> = Some(Self::FOUND);

    fn shape() -> Option<Shape> {
        Some(Shape::of::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        Reply::json(self.status, &self.value)
    }
}

/// 204.
pub(crate) struct Done;

impl Answer for Done {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;

    fn shape() -> Option<Shape> {
        None
    }

    fn reply(self) -> Result<Reply, Problem> {
        Ok(Reply {
            status: Self::STATUS,
            body: Vec::new(),
        })
    }
}
