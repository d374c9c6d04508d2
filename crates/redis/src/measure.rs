//! What is counted of Redis.

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In time.
    Answered,
    /// Not within the time that a caller waits.
    Late,
    /// With an error.
    Failed,
    /// So many others wait that nobody could be asked.
    Full,
    /// Nobody was asked, because Redis was not well.
    Skipped,
}

pub(crate) fn asked(outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Answered => "answered",
        Outcome::Late => "late",
        Outcome::Failed => "failed",
        Outcome::Full => "full",
        Outcome::Skipped => "skipped",
    };
    metrics::counter!(REQUESTS, "outcome" => outcome).increment(1);
}

pub(crate) fn is_well(well: bool) {
    metrics::gauge!(UP).set(if well { 1.0 } else { 0.0 });
}

/// Other nodes have said that keys have changed.
pub(crate) fn woken() {
    metrics::counter!(WAKES).increment(1);
}

/// Says what these metrics mean, for whoever exports them.
pub fn describe_metrics() {
    metrics::describe_counter!(
        REQUESTS,
        "Questions to Redis: answered, late, failed, full (too many waited), or skipped while it is not well"
    );
    metrics::describe_gauge!(
        UP,
        "1 while Redis answers in time, 0 while it is left alone"
    );
    metrics::describe_counter!(WAKES, "Messages that keys have changed on some node");
}

const REQUESTS: &str = "keyward_redis_requests_total";
const UP: &str = "keyward_redis_up";
const WAKES: &str = "keyward_redis_wakes_total";
