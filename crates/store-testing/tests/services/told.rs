use std::sync::{Mutex, MutexGuard};

use keyward_auth::{Advice, AdviceName};

/// Other nodes, who say what a test has them say, and to whom is told what they are told.
#[derive(Default)]
pub(crate) struct Told {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    says_limited: bool,
    limited_for: Vec<i64>,
    withdrawn: usize,
}

impl Told {
    /// They say that everything is limited.
    pub(crate) fn say_limited(&self) {
        self.state().says_limited = true;
    }

    /// For how many seconds attempts were said to be limited.
    pub(crate) fn limited_for(&self) -> Vec<i64> {
        self.state().limited_for.clone()
    }

    /// How often something was taken back.
    pub(crate) fn withdrawn(&self) -> usize {
        self.state().withdrawn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Advice for Told {
    fn is_limited(&self, _: &[AdviceName]) -> bool {
        self.state().says_limited
    }

    fn limited(&self, _: &AdviceName, seconds: i64) {
        self.state().limited_for.push(seconds);
    }

    fn withdraw(&self, _: &[AdviceName]) {
        self.state().withdrawn += 1;
    }

    fn claim(&self, names: &[AdviceName]) -> Vec<bool> {
        vec![true; names.len()]
    }

    fn keys_changed(&self) {}
}
