//! Keyward in an application of one's own. See the README.

pub mod notes;
pub mod wiring;
