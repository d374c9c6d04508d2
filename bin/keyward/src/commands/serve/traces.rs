use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use keyward_http::known_method;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A span for each request, under the names of OpenTelemetry's semantic conventions. It goes on
/// with the trace of the client, if that sends one (W3C Trace Context).
///
/// Of the path it has the pattern only, and of the headers none: there are secrets in both.
pub(super) async fn traced(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let span = info_span!(
        target: keyward_core::SPANS,
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = Empty,
        http.route = Empty,
        http.response.status_code = Empty,
        keyward.request_id = Empty,
    );
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    // Where traces are not collected there is nobody to tell.
    let _ = span.set_parent(parent);
    let response = next.call(request).instrument(span.clone()).await?;
    let asked = response.request();
    let method = known_method(asked.method()).unwrap_or("_OTHER");
    let route = asked.match_pattern();
    let status = response.status();
    span.record("http.request.method", method);
    if let Some(route) = &route {
        span.record("http.route", route.as_str());
    }
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let id = response.headers().get("x-request-id");
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        span.record("keyward.request_id", id);
    }
    Ok(response)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
