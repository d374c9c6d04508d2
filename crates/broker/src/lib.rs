//! Puts credentials into requests to their own hosts.
//!
//! An agent that may use a credential never sees it: the request passes through here, where the
//! credential is put in, and the answer comes back without it.
//!
//! [`Egress`] sends requests, and only to where they may go. [`Scrub`] takes out of an answer
//! whatever of the credential a service repeats.

mod egress;
mod scrub;

pub use egress::{
    AllowPrivate, AllowPrivateError, Checked, ClientError, Egress, EntryProblem, Forbidden,
    LookingUp, Lookup, SystemLookup,
};
pub use scrub::{Needles, Scrub};
