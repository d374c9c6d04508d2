//! What is counted of requests. Labels have few values: patterns and not paths, no names of clients.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;

/// An answer is on its way; `elapsed` is since its request came.
pub(crate) fn answered(response: &ServiceResponse<BoxBody>, elapsed: Duration) {
    let request = response.request();
    let route = request.match_pattern();
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    // Methods that nobody knows are what a client made up.
    let asked = request.method().as_str();
    let known = METHODS.iter().find(|method| **method == asked);
    let method = known.copied().unwrap_or("other");
    let status = response.status().as_u16().to_string();
    let labels = [
        metrics::Label::new("route", route.clone()),
        metrics::Label::from_static_parts("method", method),
        metrics::Label::new("status", status),
    ];
    metrics::counter!(REQUESTS, labels.to_vec()).increment(1);
    metrics::histogram!(SECONDS, "route" => route).record(elapsed.as_secs_f64());
}

/// A problem is the answer, by its name: how many logins were refused, attempts limited, keys unknown.
pub(crate) fn problem(slug: &'static str) {
    metrics::counter!(PROBLEMS, "problem" => slug).increment(1);
}

/// Says what the metrics of the API mean, for whoever exports them.
pub fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, "Answers, by route, method and status");
    metrics::describe_histogram!(
        SECONDS,
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

const REQUESTS: &str = "keyward_http_requests_total";
const SECONDS: &str = "keyward_http_request_seconds";
const PROBLEMS: &str = "keyward_http_problems_total";
