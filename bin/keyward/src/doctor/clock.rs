//! Codes, locks and ends of keys are judged by the clock of this machine.

use keyward_audit::ReadAudit;
use keyward_auth::KeptTime as _;
use keyward_core::{Clock as _, Store as _, StoreError, SystemClock, Timestamp};
use keyward_store_diesel::DieselStore;

use super::check::{Check, Rule, Severity};
use super::stored::{LOOK, cause};

pub(super) fn check(store: &DieselStore) -> Check {
    match seen(store) {
        Ok((server, latest)) => judge(SystemClock.now(), server, latest),
        Err(error) => CLOCK.warn(cause(&error), LOOK),
    }
}

pub(super) const RULES: [Rule; 1] = [CLOCK];

type Seen = (Option<Timestamp>, Option<Timestamp>);

/// The time on the server of the database, and the latest of the last event and of what a server has kept.
fn seen(store: &DieselStore) -> Result<Seen, StoreError> {
    let server = store.server_time()?;
    let newest = ReadAudit::new(store.clone()).newest(None, 1)?;
    let event = newest.first().map(|record| record.fields.at);
    let kept = store.lookup(|tx| tx.kept_time())?;
    Ok((server, event.max(kept)))
}

fn judge(now: Timestamp, server: Option<Timestamp>, latest: Option<Timestamp>) -> Check {
    let off = server.map_or(0, |server| server.0.saturating_sub(now.0).saturating_abs());
    if off > FAR_SECONDS {
        return CLOCK.fail(
            format_args!("it is {now} here and {off} seconds off at the database"),
            SYNCHRONISE,
        );
    }
    if let Some(latest) = latest
        && latest.0 > now.0.saturating_add(FAR_SECONDS)
    {
        return CLOCK.warn(
            format_args!("it is {now} here, and was {latest} before"),
            TRUST,
        );
    }
    if off > NEAR_SECONDS {
        return CLOCK.warn(
            format_args!("the clock of the database is {off} seconds off"),
            SYNCHRONISE,
        );
    }
    match server {
        Some(_) => CLOCK.pass(format_args!("it is {now}, and the database agrees")),
        None => CLOCK.pass(format_args!(
            "it is {now}, not before the last that was seen"
        )),
    }
}

const TRUST: &str = "let NTP keep the clock; if it is right now and was ahead before, stop all servers and run \
                     `keyward clock trust`, so that ends and locks go by it";
const SYNCHRONISE: &str = "let NTP keep the clocks of all machines, and see `timedatectl`";

/// A code is taken for 30 to 60 seconds.
const FAR_SECONDS: i64 = 30;
const NEAR_SECONDS: i64 = 2;

const CLOCK: Rule = Rule {
    id: "host.clock",
    title: "The clock is right, as far as that can be seen",
    severity: Severity::Blocking,
    asvs: "v5.0.0-16.2.2",
};

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_clock_is_held_against_the_database_and_the_past() {
        let now = Timestamp(1_800_000_000);
        let outcome = |server: Option<i64>, latest: Option<i64>| {
            let at = |seconds: i64| now.plus(seconds);
            judge(now, server.map(at), latest.map(at)).outcome
        };
        assert_eq!(outcome(None, None), Outcome::Pass);
        assert_eq!(outcome(Some(2), Some(-5)), Outcome::Pass);
        assert_eq!(outcome(Some(-3), None), Outcome::Warn);
        assert_eq!(outcome(Some(31), None), Outcome::Fail);
        assert_eq!(outcome(Some(-31), None), Outcome::Fail);
        assert_eq!(outcome(None, Some(30)), Outcome::Pass);
        assert_eq!(outcome(None, Some(31)), Outcome::Warn);
        assert_eq!(outcome(Some(0), Some(31)), Outcome::Warn);
    }
}
