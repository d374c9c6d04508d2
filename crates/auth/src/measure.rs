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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;

    /// Keeps counters, and the names of what was described.
    #[derive(Default)]
    struct Kept {
        counters: Mutex<BTreeMap<(String, String), Arc<AtomicU64>>>,
        described: Mutex<Vec<String>>,
    }

    impl Recorder for Kept {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
            assert!(!text.is_empty());
            self.described
                .lock()
                .unwrap()
                .push(name.as_str().to_owned());
        }

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let outcome = key.labels().map(|label| label.value()).collect::<String>();
            let name = (key.name().to_owned(), outcome);
            let mut counters = self.counters.lock().unwrap();
            Counter::from_arc(counters.entry(name).or_default().clone())
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn outcomes_are_counted_one_by_one_and_every_counter_is_described() {
        let kept = Kept::default();
        metrics::with_local_recorder(&kept, || {
            describe_metrics();
            for outcome in [ACCEPTED, ACCEPTED, REJECTED, STORAGE] {
                authenticated(outcome);
            }
            for is_reserved in [true, false, false] {
                attempted(is_reserved);
            }
            for is_confirmed in [true, true, false] {
                advised(is_confirmed);
            }
        });
        let counters = kept.counters.into_inner().unwrap();
        let counted: Vec<_> = counters
            .iter()
            .map(|((name, outcome), count)| {
                (
                    name.as_str(),
                    outcome.as_str(),
                    count.load(Ordering::Relaxed),
                )
            })
            .collect();
        assert_eq!(
            counted,
            [
                (ATTEMPTS, "evaluated", 1),
                (ATTEMPTS, "limited", 2),
                (AUTHENTICATIONS, "accepted", 2),
                (AUTHENTICATIONS, "rejected", 1),
                (AUTHENTICATIONS, "storage", 1),
                (ADVICE, "confirmed", 2),
                (ADVICE, "contradicted", 1),
            ]
        );
        let described = kept.described.into_inner().unwrap();
        for (name, _) in counters.keys() {
            assert!(described.contains(name), "{name}");
        }
    }
}
