//! The list of all routes: one file a resource.

mod agents;
mod audit;
mod calls;
mod checklist;
mod credentials;
mod encryption;
mod keys;
mod login;
mod me;
mod mfa;
pub(crate) mod schemas;
mod users;

use crate::endpoint::{Endpoint, Route};
use crate::services::ApiStore;

/// Every route below `/api/v1`. Where two paths could match, the fixed one stands first.
pub(crate) fn all<S: ApiStore>() -> Vec<Endpoint<S>> {
    [
        login::endpoints(),
        mfa::endpoints(),
        me::endpoints(),
        keys::endpoints(),
        users::endpoints(),
        agents::endpoints(),
        credentials::endpoints(),
        calls::endpoints(),
        audit::endpoints(),
        encryption::endpoints(),
        checklist::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The paths of the routes, each once, in order.
pub(crate) fn paths<S>(routes: &[Route<S>]) -> Vec<&'static str> {
    let mut paths: Vec<&'static str> = Vec::new();
    for route in routes {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    paths
}
