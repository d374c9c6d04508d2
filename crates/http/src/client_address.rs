//! Who a request comes from, when proxies stand in between.

mod network;
mod source;

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};

pub use network::{Network, NetworkError};
pub use source::Source;

/// The proxies whose word about the client is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Nobody is believed: a client is who connects.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether no proxy is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is that of a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The source of a request that `peer` has sent.
    ///
    /// That is the peer itself, unless the peer is a trusted proxy: then it is the last hop of
    /// `X-Forwarded-For` that is no trusted proxy. Each proxy appends the address that it saw, so
    /// what stands further left can be anybody's invention. When there is no such hop, or what
    /// stands in its place is no address, it is the peer.
    #[must_use]
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> Source {
        let client = self.contains(peer).then(|| self.client(headers)).flatten();
        Source::of(client.unwrap_or(peer))
    }

    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        // Several lines mean the same as one with commas (RFC 9110 §5.3).
        let lines: Vec<&[u8]> = headers
            .get_all(X_FORWARDED_FOR)
            .map(|line| line.as_bytes())
            .collect();
        lines
            .into_iter()
            .rev()
            .flat_map(|line| line.rsplit(|byte| *byte == b','))
            .map(address)
            .find(|hop| hop.is_none_or(|hop| !self.contains(hop)))
            .flatten()
    }
}

impl FromIterator<Network> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = Network>>(networks: T) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// The address of a hop: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || hop.parse().ok().map(|hop: SocketAddr| hop.ip());
    hop.parse()
        .ok()
        .or_else(with_port)
        .or_else(|| bracketed().map(IpAddr::V6))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests;
