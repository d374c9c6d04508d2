//! What is counted of requests, by credential and outcome.

use std::time::Duration;

use keyward_credentials::{CallError, EndedUse, UseError};

/// A use has ended.
pub(crate) fn ended(ended: &EndedUse, elapsed: Duration) {
    let credential = ended.credential().to_string();
    let labels = [
        ("credential", credential.clone()),
        ("outcome", ended.outcome.to_owned()),
    ];
    metrics::counter!(REQUESTS, &labels).increment(1);
    let labels = [("credential", credential)];
    metrics::histogram!(SECONDS, &labels).record(elapsed.as_secs_f64());
    metrics::counter!(SENT, &labels).increment(ended.sent);
    metrics::counter!(RECEIVED, &labels).increment(ended.received);
}

/// No secret was handed out. By reason alone: the credential may be none that there is.
pub(crate) fn refused(error: &CallError) {
    metrics::counter!(REFUSED, "reason" => reason(error)).increment(1);
}

/// A secret was found in what came back.
pub(crate) fn scrubbed(times: u64) {
    if times > 0 {
        metrics::counter!(SCRUBBED).increment(times);
    }
}

/// Says what the metrics mean, for whoever exports them.
pub fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests with a credential, by how they ended");
    metrics::describe_histogram!(
        SECONDS,
        "From the use of a credential to the end of the answer"
    );
    metrics::describe_counter!(SENT, "Bytes of bodies that went to services");
    metrics::describe_counter!(RECEIVED, "Bytes of bodies that came back from services");
    metrics::describe_counter!(REFUSED, "Requests for which no secret was handed out");
    metrics::describe_counter!(SCRUBBED, "Secrets that were taken out of answers");
}

fn reason(error: &CallError) -> &'static str {
    match error {
        CallError::Use(UseError::NotFound | UseError::Ambiguous) => "unknown",
        CallError::Use(UseError::Refused(by)) => by.rule(),
        CallError::Use(UseError::Rejected | UseError::Denied(_)) => "denied",
        CallError::Use(UseError::Store(_)) => "storage",
        CallError::Use(UseError::Unreadable) => "unreadable",
        CallError::Use(_) => "unusable",
        CallError::Overloaded => "overloaded",
        CallError::TooManyUnderWay { .. } => "too-many-under-way",
        CallError::Loop => "loop",
        _ => "malformed",
    }
}

const REQUESTS: &str = "keyward_broker_requests_total";
const SECONDS: &str = "keyward_broker_request_seconds";
const SENT: &str = "keyward_broker_sent_bytes_total";
const RECEIVED: &str = "keyward_broker_received_bytes_total";
const REFUSED: &str = "keyward_broker_refused_total";
const SCRUBBED: &str = "keyward_broker_scrubbed_total";
