//! What is counted of requests. Labels have few values: patterns and not paths, no names of clients.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;

/// An answer is on its way; `elapsed` is since its request came.
pub(crate) fn answered(response: &ServiceResponse<BoxBody>, elapsed: Duration) {
    let request = response.request();
    let route = request.match_pattern();
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    let method = known_method(request.method()).unwrap_or("other");
    let status = response.status().as_u16().to_string();
    let labels = vec![
        metrics::Label::new("route", route.clone()),
        metrics::Label::from_static_parts("method", method),
        metrics::Label::new("status", status),
    ];
    metrics::counter!(REQUESTS, labels).increment(1);
    metrics::histogram!(REQUEST_SECONDS, "route" => route).record(elapsed.as_secs_f64());
}

/// The name of a method that servers know. Others are what a client made up, and have no place in
/// metrics and traces.
#[must_use]
pub fn known_method(method: &Method) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method.as_str())
}

/// A problem is the answer, by its name: how many logins were refused, attempts limited, keys unknown.
pub(crate) fn problem(slug: &'static str) {
    metrics::counter!(PROBLEMS, "problem" => slug).increment(1);
}

/// Says what the metrics of the API mean, for whoever exports them.
pub fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, "Answers, by route, method and status");
    metrics::describe_histogram!(
        REQUEST_SECONDS,
        "From a request to the beginning of its answer, by route"
    );
    metrics::describe_counter!(
        PROBLEMS,
        "Answers that say what is wrong, by the last part of their type"
    );
    keyward_auth::describe_metrics();
    keyward_audit::describe_metrics();
}

const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// The histogram of how long answers take, for who chooses its buckets.
pub const REQUEST_SECONDS: &str = "keyward_http_request_seconds";
const REQUESTS: &str = "keyward_http_requests_total";
const PROBLEMS: &str = "keyward_http_problems_total";
