//! Where requests may go, and the client that sends them.

mod address;
mod allow;
mod client;
mod resolve;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use thread_local::ThreadLocal;
use url::{Host, Url};

pub use self::allow::{AllowPrivate, MalformedEntry};
pub(crate) use self::client::ClientError;
use self::client::Tls;
use self::resolve::{LookUp, System};

/// Lets requests go to hosts on the internet, and to those that an operator has named.
///
/// A name is resolved once; every address is checked, and the connection goes to one that was.
/// Nothing is redirected, and no proxy is asked.
pub struct Egress {
    allow: AllowPrivate,
    names: Arc<dyn LookUp>,
    tls: Tls,
    /// One for each thread that serves: a connection belongs to the reactor that opened it, and
    /// asking another thread for it costs more than a few connections more.
    clients: ThreadLocal<reqwest::Client>,
}

impl Egress {
    /// Requests may go to the internet, and to what `allow` names.
    #[must_use]
    pub fn new(allow: AllowPrivate) -> Self {
        Self::with(allow, Arc::new(System))
    }

    fn with(allow: AllowPrivate, names: Arc<dyn LookUp>) -> Self {
        Self {
            allow,
            names,
            tls: Tls::default(),
            clients: ThreadLocal::new(),
        }
    }

    /// Whether a request may go to `url`, as far as the URL tells. Its host may have addresses that
    /// are forbidden still; the client finds out.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Forbidden> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::UserInfo);
        }
        // The client resolves names only: spellings of addresses are judged here.
        let is_named = match url.host().ok_or(Forbidden::Scheme)? {
            Host::Domain(name) => self.allow.names(name),
            Host::Ipv4(address) => self.judge(address.into())?,
            Host::Ipv6(address) => self.judge(address.into())?,
        };
        match url.scheme() {
            "https" => Ok(()),
            // A secret does not cross the internet in the clear.
            "http" if is_named => Ok(()),
            "http" => Err(Forbidden::Cleartext),
            _ => Err(Forbidden::Scheme),
        }
    }

    /// Whether the operator has named the address, if it may be connected to.
    fn judge(&self, address: IpAddr) -> Result<bool, Forbidden> {
        let text = address.to_string();
        if self.allow.permits(&text, address) {
            Ok(self.allow.covers(address))
        } else {
            Err(Forbidden::Address)
        }
    }

    /// The client of this thread.
    pub(crate) fn client(&self) -> Result<&reqwest::Client, ClientError> {
        self.clients
            .get_or_try(|| self.tls.client(&self.allow, &self.names))
    }

    /// Why the client refused to connect, if it did that because of an address.
    pub(crate) fn refusal(error: &reqwest::Error) -> Option<Forbidden> {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
                return Some(*forbidden);
            }
            cause = error.source();
        }
        None
    }
}

/// Why a request must not go somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("an address of the host is not on the internet")]
    Address,
    #[error("the base URL is http, and the secret would cross the internet in the clear")]
    Cleartext,
    #[error("the base URL has a user name or password")]
    UserInfo,
    #[error("the base URL is neither http nor https")]
    Scheme,
}

impl Forbidden {
    /// What to do about it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Address => {
                "the host has an address that is private, loopback, link-local or of another special \
                 kind; an operator can name it in BROKER_ALLOW_PRIVATE"
            }
            Self::Cleartext => {
                "the base URL begins with http://, and the secret would cross the internet in the \
                 clear; use https, or have an operator name the host in BROKER_ALLOW_PRIVATE"
            }
            Self::UserInfo => "the base URL has a user name or password",
            Self::Scheme => "the base URL is neither http nor https",
        }
    }
}
