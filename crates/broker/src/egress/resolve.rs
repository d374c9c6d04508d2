use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AllowPrivate, Forbidden};

/// Asks for the addresses of a name.
pub(super) trait LookUp: Send + Sync + 'static {
    fn look_up(&self, host: &str) -> LookingUp;
}

pub(super) type LookingUp = Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;

/// The resolver of the system.
pub(super) struct System;

impl LookUp for System {
    fn look_up(&self, host: &str) -> LookingUp {
        let host = host.to_owned();
        Box::pin(async move {
            // The port comes from the address of the request.
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.collect())
        })
    }
}

/// Resolves a name once, and gives the connection exactly the addresses that were checked.
pub(super) struct Checked {
    pub(super) names: Arc<dyn LookUp>,
    pub(super) allow: AllowPrivate,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking, allow) = (self.names.look_up(name.as_str()), self.allow.clone());
        Box::pin(async move {
            let found = looking.await?;
            // One that is forbidden among many: somebody tries something, or the name is set up
            // wrongly. Which one would be tried first is not ours to say.
            if found
                .iter()
                .any(|one| !allow.permits(name.as_str(), one.ip()))
            {
                return Err(Forbidden::Address.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
