//! Where requests may go: to public addresses, and to those that the operator has named.
//!
//! Whoever may keep a credential chooses its host, so without this anybody could send Keyward to
//! the services behind it: the metadata of the cloud, a database, Keyward itself. What is decided
//! about is the address that is connected to, not the name: the resolver gives the connector the
//! very addresses that were judged.

mod address;
mod allow;
mod client;
mod resolver;
mod system;

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use thread_local::ThreadLocal;
use url::{Host, Url};

pub use allow::{AllowPrivate, AllowPrivateError, EntryProblem};
pub use client::ClientError;
pub use resolver::{LookingUp, Lookup};
use resolver::{Rule, Scheme};
pub use system::SystemLookup;

/// Sends requests, and only to where they may go.
///
/// Make one for the whole process: it keeps connections open for the next request.
///
/// ```
/// use keyward_broker::{AllowPrivate, Egress, Forbidden};
///
/// let egress = Egress::new("127.0.0.1".parse::<AllowPrivate>()?);
/// assert!(egress.check("https://api.example.com/v1".parse()?).is_ok());
/// assert!(egress.check("https://127.0.0.1:11434/".parse()?).is_ok());
/// assert!(egress.check("https://10.0.0.1/".parse()?).is_err());
/// let user = egress.check("https://ada:secret@api.example.com/".parse()?);
/// assert!(matches!(user, Err(Forbidden::UserInfo)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Egress {
    allowed: Arc<AllowPrivate>,
    lookup: Arc<dyn Lookup>,
    tls: client::Tls,
    /// One for each thread that sends: a connection lives on the reactor that opened it, and its
    /// answers need not be handed from thread to thread.
    http: ThreadLocal<Client>,
    https: ThreadLocal<Client>,
}

impl Egress {
    /// Names are looked up as the system does it.
    #[must_use]
    pub fn new(allowed: AllowPrivate) -> Self {
        Self::with_lookup(allowed, Arc::new(SystemLookup))
    }

    /// Names are looked up by `lookup`; its answers are judged like any.
    #[must_use]
    pub fn with_lookup(allowed: AllowPrivate, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            allowed: Arc::new(allowed),
            lookup,
            tls: client::Tls::default(),
            http: ThreadLocal::new(),
            https: ThreadLocal::new(),
        }
    }

    /// Judges all of `url` that can be judged before its name is looked up. Addresses in the
    /// place of a name are never looked up, so they are judged here.
    pub fn check(&self, url: Url) -> Result<Checked, Forbidden> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(Forbidden::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::UserInfo);
        }
        let rule = self.rule(scheme);
        match url.host().ok_or(Forbidden::NoHost)? {
            Host::Ipv4(address) => rule.judge(None, IpAddr::V4(address))?,
            Host::Ipv6(address) => rule.judge(None, IpAddr::V6(address))?,
            Host::Domain(name) => rule.judge_name(name)?,
        }
        Ok(Checked { url, scheme })
    }

    /// Begins a request to `checked`. It has no header but `Accept: */*` and, unless one is set,
    /// `Accept-Encoding`; redirects are not followed, and compressed answers are decoded.
    ///
    /// The name is looked up when the request is sent: [`Forbidden::cause_of`] tells whether it
    /// failed for where it would have gone. The texts of [`reqwest::Error`] show the URL, which
    /// may hold a secret, unless it is taken out by [`reqwest::Error::without_url`].
    ///
    /// An answer that has a `Content-Encoding` left came in one that is not decoded here, so no
    /// secret is found in it.
    pub fn request(&self, method: Method, checked: Checked) -> Result<RequestBuilder, ClientError> {
        Ok(self.client(checked.scheme)?.request(method, checked.url))
    }

    fn client(&self, scheme: Scheme) -> Result<&Client, ClientError> {
        let clients = match scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        // A failure is not kept: once the certificates are there, the next request works.
        clients.get_or_try(|| {
            let (rule, lookup) = (self.rule(scheme), Arc::clone(&self.lookup));
            client::build(rule, lookup, &self.tls)
        })
    }

    fn rule(&self, scheme: Scheme) -> Rule {
        Rule {
            allowed: Arc::clone(&self.allowed),
            scheme,
        }
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// A URL that a request may be sent to, as far as can be told before its name is looked up.
///
/// Its `Debug` shows no more than the scheme: a path or a query may hold a secret.
pub struct Checked {
    url: Url,
    scheme: Scheme,
}

impl Checked {
    /// The URL, as it will be requested.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// Why no request may be sent to a URL. None of the texts repeats any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// The scheme is neither `https` nor `http`.
    #[error("only https and http are supported")]
    Scheme,
    /// A name or a password in the URL, which would be sent or shown in places unforeseen.
    #[error("the URL must not contain a user name or a password")]
    UserInfo,
    /// There is no host in the URL.
    #[error("the URL has no host")]
    NoHost,
    /// A secret must not cross the internet in the clear.
    #[error("http is only for private hosts named in BROKER_ALLOW_PRIVATE; use https")]
    Clear,
    /// The host is, or has among its addresses, one that is not public.
    #[error("the host has an address that is not public; BROKER_ALLOW_PRIVATE can allow it")]
    Address,
}

impl Forbidden {
    /// What to do about it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Scheme => "the base URL is neither http nor https",
            Self::UserInfo => "the base URL has a user name or a password",
            Self::NoHost => "the base URL has no host",
            Self::Clear => {
                "the base URL begins with http://, and the secret would cross the internet in the \
                 clear: use https, or have an operator name the host in BROKER_ALLOW_PRIVATE"
            }
            Self::Address => {
                "the host has an address that is not public: an operator can name it in \
                 BROKER_ALLOW_PRIVATE"
            }
        }
    }

    /// Whether `error`, or what it came from, is a refusal: the service is not unreachable, it
    /// must not be reached.
    #[must_use]
    pub fn cause_of(error: &(dyn Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| (*error).source())
            .find_map(|error| error.downcast_ref().copied())
    }
}

#[cfg(test)]
mod tests;
