use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Forbidden;
use super::address::Reach;
use super::allow::AllowPrivate;

/// The addresses of a host, some time later.
pub type LookingUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of `host`; a port of 0 stands for that of the URL. What is given may be
    /// anything: it is judged afterwards.
    fn look_up(&self, host: &str) -> LookingUp;
}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// What makes an address allowed for requests of one scheme.
#[derive(Clone)]
pub(super) struct Rule {
    pub(super) allowed: Arc<AllowPrivate>,
    pub(super) scheme: Scheme,
}

impl Rule {
    /// Judges the address of a host that was called `name`.
    pub(super) fn judge(&self, name: Option<&str>, address: IpAddr) -> Result<(), Forbidden> {
        let is_public = Reach::of(address) == Reach::Public;
        match self.scheme {
            _ if self.allowed.allows(name, address) => Ok(()),
            Scheme::Https if is_public => Ok(()),
            Scheme::Http if is_public => Err(Forbidden::Clear),
            Scheme::Http | Scheme::Https => Err(Forbidden::Address),
        }
    }

    /// Judges a name as far as that can be done without its addresses.
    pub(super) fn judge_name(&self, name: &str) -> Result<(), Forbidden> {
        let may_be_allowed = self.allowed.names(name) || self.allowed.has_networks();
        match self.scheme {
            Scheme::Http if !may_be_allowed => Err(Forbidden::Clear),
            Scheme::Http | Scheme::Https => Ok(()),
        }
    }

    fn judge_all(&self, name: &str, addresses: &[SocketAddr]) -> Result<(), Forbidden> {
        for address in addresses {
            // A zone names an interface of this machine.
            if matches!(address, SocketAddr::V6(address) if address.scope_id() != 0) {
                return Err(Forbidden::Address);
            }
            self.judge(Some(name), address.ip())?;
        }
        Ok(())
    }
}

/// Resolves names to allowed addresses only.
///
/// One forbidden address among several is enough for a refusal: who mixes them wants the
/// connector to come to it in the end.
pub(super) struct Resolver {
    pub(super) rule: Rule,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.rule.clone();
        let looking_up = self.lookup.look_up(name.as_str());
        Box::pin(async move {
            let addresses = looking_up.await?;
            rule.judge_all(name.as_str(), &addresses)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver(..)")
    }
}
