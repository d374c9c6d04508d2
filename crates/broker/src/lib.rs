//! Passes requests on to other services, with a credential in them that the caller never sees.
//!
//! An agent asks [`Broker`] for something of a service. The credential is put in, the request goes
//! to the host of the credential, and the answer comes back without the credential.
//!
//! [`Egress`] sends requests, and only to where they may go. [`Scrub`] takes out of an answer
//! whatever of the credential a service repeats.

mod answer;
mod broker;
mod calls;
mod crowd;
mod desk;
mod egress;
mod headers;
mod inject;
mod location;
mod metrics;
mod probe;
mod scrub;
mod under_way;
mod upload;
mod via;

pub use broker::{AnswerBody, Broker};
pub use egress::{
    AllowPrivate, AllowPrivateError, Checked, ClientError, Egress, EntryProblem, Forbidden,
    LookingUp, Lookup, SystemLookup,
};
pub use location::Redirects;
pub use metrics::describe;
pub use scrub::{Needles, Scrub};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
