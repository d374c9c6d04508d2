//! Between the types of actix-web and those of the rest of the world.

use actix_web::body::BodySize;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_LENGTH, HeaderMap as ActixHeaders, HeaderName as ActixName, HeaderValue as ActixValue,
    TRANSFER_ENCODING,
};
use actix_web::{HttpRequest, HttpResponse, web};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;

use super::FromElsewhere;
use super::body::{AnswerBody, Outgoing, RequestBody};
use crate::Problem;

pub(super) fn headers(fields: &ActixHeaders) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

pub(super) fn request(
    request: &HttpRequest,
    (path, query): (&str, Option<&str>),
    headers: HeaderMap,
    payload: web::Payload,
) -> Result<http::Request<RequestBody>, Problem> {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let asked = http::Request::builder()
        .method(request.method().as_str())
        .uri(target)
        .body(body(request, payload));
    let mut asked =
        asked.map_err(|_| Problem::malformed("the path is not one that can be passed on"))?;
    *asked.headers_mut() = headers;
    Ok(asked)
}

fn body(request: &HttpRequest, payload: web::Payload) -> RequestBody {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
    match length {
        None if !is_chunked => RequestBody::empty(),
        Some(0) => RequestBody::empty(),
        length => RequestBody::arriving(payload, length.filter(|_| !is_chunked)),
    }
}

pub(super) fn answer(answer: http::Response<AnswerBody>, is_head: bool) -> HttpResponse {
    let (parts, body) = answer.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16());
    let mut builder = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    for (name, value) in &parts.headers {
        let name = ActixName::from_bytes(name.as_str().as_bytes());
        let value = ActixValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            && name != CONTENT_LENGTH
        {
            builder.append_header((name, value));
        }
    }
    let announced = parts.headers.get(http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    let size = match (body.size_hint().exact(), announced) {
        // The length of the body that a GET would have.
        (_, Some(length)) if is_head => BodySize::Sized(length),
        (Some(length), _) => BodySize::Sized(length),
        (None, _) => BodySize::Stream,
    };
    let mut response = builder.body(Outgoing { body, size });
    response.extensions_mut().insert(FromElsewhere);
    response
}
