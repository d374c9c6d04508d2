//! What is counted of events.

use crate::Event;

/// Events are written in a unit of work. Should that be undone, they are counted all the same.
pub(crate) fn recorded(events: &[Event]) {
    for event in events {
        metrics::counter!(EVENTS, "action" => event.action.0).increment(1);
    }
}

/// Says what these metrics mean, for whoever exports them.
pub fn describe_metrics() {
    metrics::describe_counter!(
        EVENTS,
        "Events that were written, by action; those of a change that was undone are among them"
    );
}

const EVENTS: &str = "keyward_audit_events_total";
