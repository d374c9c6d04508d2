use keyward_auth::KeptTime;
use keyward_core::{StoreError, Timestamp};

use super::{BrokenTx, assert_found};
use crate::contract::kept_time;

/// What is wrong with the time that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The last time is kept, and not the latest.
    LastWins,
    /// What is kept never becomes earlier.
    NeverReset,
}

impl KeptTime for BrokenTx {
    fn kept_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.kept_time()
    }

    fn keep_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        if self.fault == super::Fault::KeptTime(Fault::LastWins) {
            return self.inner.reset_time(at);
        }
        self.inner.keep_time(at)
    }

    fn reset_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        if self.fault == super::Fault::KeptTime(Fault::NeverReset) {
            return self.inner.keep_time(at);
        }
        self.inner.reset_time(at)
    }
}

#[test]
fn a_time_that_is_not_the_latest_or_stays_for_ever_is_found() {
    let fault = super::Fault::KeptTime;
    assert_found(fault(Fault::LastWins), "not the latest", |store| {
        kept_time::the_latest_time_is_kept_until_it_is_reset(store);
    });
    assert_found(fault(Fault::NeverReset), "another time is kept", |store| {
        kept_time::the_latest_time_is_kept_until_it_is_reset(store);
    });
    assert_found(super::Fault::ReadThenWrite, "of racing times", |store| {
        kept_time::of_racing_times_the_latest_is_kept(store);
    });
}
