//! Passes requests on to other services, with a credential in them that the caller never sees.

mod answer;
mod broker;
mod calls;
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

pub use broker::{AnswerBody, Broker};
pub use egress::{AllowPrivate, Egress, MalformedEntry};
pub use metrics::describe;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
