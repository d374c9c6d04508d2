use keyward_auth::KeptTime;
use keyward_core::{Store, Timestamp};

use super::run::{race, read, undone, write};

/// Checks what [`KeptTime`] promises, races included. What was kept before is kept afterwards.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn kept_time<S: Store<Tx: KeptTime>>(store: &S) {
    let before = kept(store);
    the_latest_time_is_kept_until_it_is_reset(store);
    a_failed_unit_of_work_keeps_no_time(store);
    of_racing_times_the_latest_is_kept(store);
    if let Some(before) = before {
        reset(store, before);
    }
}

pub(crate) fn the_latest_time_is_kept_until_it_is_reset<S: Store<Tx: KeptTime>>(store: &S) {
    reset(store, NOW);
    for (at, expected) in [
        (NOW, NOW),
        (NOW.plus(1), NOW.plus(1)),
        (NOW, NOW.plus(1)),
        (Timestamp(i64::MIN), NOW.plus(1)),
        (Timestamp(i64::MAX), Timestamp(i64::MAX)),
    ] {
        write(store, |tx| tx.keep_time(at));
        assert_eq!(
            kept(store),
            Some(expected),
            "keep_time: not the latest after {at:?}"
        );
    }
    for at in [NOW, Timestamp(i64::MIN), NOW.plus(-1)] {
        reset(store, at);
        assert_eq!(kept(store), Some(at), "reset_time: another time is kept");
    }
}

fn a_failed_unit_of_work_keeps_no_time<S: Store<Tx: KeptTime>>(store: &S) {
    reset(store, NOW);
    undone(store, |tx| tx.keep_time(NOW.plus(60)));
    undone(store, |tx| tx.reset_time(NOW.plus(-60)));
    assert_eq!(kept(store), Some(NOW), "a time of what failed is kept");
}

pub(crate) fn of_racing_times_the_latest_is_kept<S: Store<Tx: KeptTime>>(store: &S) {
    // One that comes last by chance is right by chance.
    for _ in 0..ROUNDS {
        reset(store, NOW);
        race(RACERS, |racer| {
            let seconds = i64::try_from(RACERS - racer).unwrap_or(0);
            write(store, |tx| tx.keep_time(NOW.plus(seconds)));
        });
        let latest = i64::try_from(RACERS).unwrap_or(0);
        assert_eq!(
            kept(store),
            Some(NOW.plus(latest)),
            "keep_time: of racing times another is kept"
        );
    }
}

fn kept<S: Store<Tx: KeptTime>>(store: &S) -> Option<Timestamp> {
    read(store, |tx| tx.kept_time())
}

fn reset<S: Store<Tx: KeptTime>>(store: &S, at: Timestamp) {
    write(store, |tx| tx.reset_time(at));
}

const NOW: Timestamp = Timestamp(1_800_000_000);
const RACERS: usize = 12;
const ROUNDS: usize = 6;
