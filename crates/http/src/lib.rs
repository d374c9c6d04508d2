//! Keyward's HTTP API, to be mounted in any actix-web application.
//!
//! No rules live here: a handler takes a [`Permit`](keyward_auth::Permit) and plain values, calls
//! one service, and gives back plain values. Which key a route asks for is the type of its
//! handler's permit, so a route without a declared policy does not compile; the OpenAPI document
//! and the tests that go through every route are made from the same list of routes.
//!
//! ```no_run
//! # fn services() -> keyward_http::Services<std::sync::Arc<keyward_store_testing::MemoryStore>> { unimplemented!() }
//! use actix_web::{App, HttpServer, middleware::from_fn};
//! use keyward_http::{Api, edge};
//!
//! # async fn serve() -> std::io::Result<()> {
//! let api = Api::new(services());
//! HttpServer::new(move || {
//!     App::new().wrap(from_fn(edge)).configure(|config| api.mount(config))
//! })
//! .bind("127.0.0.1:8080")?
//! .run()
//! .await
//! # }
//! ```

mod answer;
mod api;
mod body;
mod call;
mod checklist;
mod client_address;
mod companion;
mod docs;
mod edge;
mod endpoint;
mod health;
mod input;
mod lanes;
mod measure;
mod metrics;
mod openapi;
mod peers;
mod presented;
mod problem;
mod relay;
mod routes;
mod services;
mod unread;

pub use api::{Api, openapi};
pub use checklist::{Checklist, ChecklistItem, ChecklistReport};
pub use client_address::{Network, NetworkError, Source, TrustedProxies};
pub use companion::{Companion, CompanionAnswer, CompanionRequest};
pub use edge::edge;
pub use lanes::BLOCKING_THREADS;
pub use measure::{REQUEST_SECONDS, describe_metrics, known_method};
pub use metrics::Metrics;
pub use peers::trusted_peers;
pub use problem::Problem;
pub use relay::{AnswerBody, BodyError, Relay, RelayRequest, RequestBody};
pub use services::{ApiOptions, Services};

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
