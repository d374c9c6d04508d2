//! Puts credentials into requests to their own hosts.
//!
//! An agent that may use a credential never sees it: the request passes through here, where the
//! credential is put in, and the answer comes back without it.
//!
//! [`Scrub`] takes out of an answer whatever of the credential a service repeats.

mod scrub;

pub use scrub::{Needles, Scrub};
