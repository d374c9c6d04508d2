//! What is counted of authentications and attempts.

/// A key was looked at.
pub(crate) fn authenticated(outcome: &'static str) {
    metrics::counter!(AUTHENTICATIONS, "outcome" => outcome).increment(1);
}

pub(crate) const ACCEPTED: &str = "accepted";
pub(crate) const REJECTED: &str = "rejected";
pub(crate) const STORAGE: &str = "storage";

/// An attempt with a password or code was about to be looked at.
pub(crate) fn attempted(is_reserved: bool) {
    let outcome = if is_reserved { "evaluated" } else { "limited" };
    metrics::counter!(ATTEMPTS, "outcome" => outcome).increment(1);
}

/// Other nodes have said that an attempt is limited, and the storage was asked.
pub(crate) fn advised(is_confirmed: bool) {
    let outcome = if is_confirmed {
        "confirmed"
    } else {
        "contradicted"
    };
    metrics::counter!(ADVICE, "outcome" => outcome).increment(1);
}

/// Says what these metrics mean, for whoever exports them.
pub fn describe_metrics() {
    metrics::describe_counter!(AUTHENTICATIONS, "API keys that were looked at, by outcome");
    metrics::describe_counter!(
        ATTEMPTS,
        "Attempts with passwords, codes and proofs: evaluated, or limited before anybody looked at them"
    );
    metrics::describe_counter!(
        ADVICE,
        "Attempts that other nodes called limited: confirmed by the database and refused without a \
         write, or contradicted by it and taken as any other"
    );
}

const AUTHENTICATIONS: &str = "keyward_authentications_total";
const ADVICE: &str = "keyward_limit_advice_total";
const ATTEMPTS: &str = "keyward_attempts_total";
