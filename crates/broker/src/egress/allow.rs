use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::address::{Kind, kind};

/// Hosts that requests may go to although they are not on the internet.
///
/// A host name opens the private, loopback and unique local addresses of this host. An address or a
/// network in CIDR form opens what it covers, whoever has it; only so can link-local addresses be
/// reached, among which clouds give out credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowPrivate {
    hosts: BTreeSet<String>,
    networks: Vec<IpNet>,
}

impl AllowPrivate {
    /// Whether a connection for `host` may go to `address`.
    pub(super) fn permits(&self, host: &str, address: IpAddr) -> bool {
        match kind(address) {
            Kind::Public => true,
            Kind::Private => self.names(host) || self.covers(address),
            Kind::Special => self.covers(address),
        }
    }

    /// Whether the operator has named the host, in a way that need not be looked up.
    pub(super) fn names(&self, host: &str) -> bool {
        self.hosts.contains(host.trim_end_matches('.'))
    }

    /// Whether the operator has named the address.
    pub(super) fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

impl FromIterator<Self> for AllowPrivate {
    fn from_iter<I: IntoIterator<Item = Self>>(lists: I) -> Self {
        let mut all = Self::default();
        for list in lists {
            all.hosts.extend(list.hosts);
            all.networks.extend(list.networks);
        }
        all
    }
}

impl FromStr for AllowPrivate {
    type Err = MalformedEntry;

    /// Reads a list with commas. Empty entries are ignored.
    fn from_str(text: &str) -> Result<Self, MalformedEntry> {
        let mut allow = Self::default();
        let entries = text.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            if let Ok(network) = entry.parse::<IpNet>() {
                allow.networks.push(network.trunc());
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                allow.networks.push(address.to_canonical().into());
            } else if let Some(host) = host_name(entry) {
                allow.hosts.insert(host);
            } else {
                return Err(MalformedEntry(entry.chars().take(100).collect()));
            }
        }
        Ok(allow)
    }
}

/// The name as `url` writes it, if it is one and no spelling of an address.
fn host_name(entry: &str) -> Option<String> {
    match url::Host::parse(entry).ok()? {
        url::Host::Domain(name) if !name.contains('*') => {
            Some(name.trim_end_matches('.').to_owned())
        }
        _ => None,
    }
}

/// An entry is neither a host name nor an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name such as models.internal, an IP address, or a network such as \
     10.1.0.0/16"
)]
pub struct MalformedEntry(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> AllowPrivate {
        text.parse().unwrap()
    }

    fn permits(list: &str, host: &str, address: &str) -> bool {
        allow(list).permits(host, address.parse().unwrap())
    }

    #[test]
    fn nothing_is_needed_for_the_internet_and_nothing_else_is_open() {
        assert!(permits("", "api.example.com", "93.184.215.14"));
        for address in ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254", "fe80::1"] {
            assert!(!permits("", "api.example.com", address), "{address}");
        }
    }

    #[test]
    fn a_name_opens_its_private_addresses_and_no_link_local_ones() {
        let list = "Models.Internal, other.internal.";
        for host in ["models.internal", "models.internal.", "other.internal"] {
            assert!(permits(list, host, "10.1.2.3"), "{host}");
            assert!(permits(list, host, "127.0.0.1"), "{host}");
            assert!(permits(list, host, "fd12::1"), "{host}");
            for address in [
                "169.254.169.254",
                "fe80::1",
                "100.100.100.200",
                "fd00:ec2::254",
                "0.0.0.0",
            ] {
                assert!(!permits(list, host, address), "{host} {address}");
            }
        }
        assert!(!permits(list, "x.models.internal", "10.1.2.3"));
        assert!(!permits(list, "internal", "10.1.2.3"));
    }

    #[test]
    fn an_address_or_network_opens_what_it_covers() {
        let list = "10.1.0.0/16, 127.0.0.1,::1, 169.254.1.0/24 ,fd00::/8";
        for address in [
            "10.1.255.255",
            "127.0.0.1",
            "::1",
            "169.254.1.9",
            "fd12::1",
            "::ffff:10.1.0.1",
        ] {
            assert!(permits(list, "any.example", address), "{address}");
        }
        for address in ["10.2.0.0", "127.0.0.2", "169.254.169.254", "fe80::1"] {
            assert!(!permits(list, "any.example", address), "{address}");
        }
    }

    #[test]
    fn an_entry_that_is_nothing_is_an_error_that_names_it() {
        for entry in [
            "10.0.0.0/33",
            "http://x",
            "a b",
            "*.internal",
            "x:80",
            "[::1",
            "10.0.0",
        ] {
            let list = format!("127.0.0.1,{entry}");
            let error = list.parse::<AllowPrivate>().unwrap_err().to_string();
            assert!(error.contains(entry), "{entry}: {error}");
        }
        assert_eq!(allow(" , "), AllowPrivate::default());
    }
}
