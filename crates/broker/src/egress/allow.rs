use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

use super::address::Reach;

/// What the operator has allowed although it is not public.
///
/// Written with commas: `ollama, 10.1.2.3, fd12:3456::/32`. A host name lets that very host have
/// private, loopback and unique local addresses; an address or a range allows itself, however
/// somebody came to it. So link-local addresses and the metadata services of clouds are open only
/// to who writes down their addresses.
///
/// ```
/// use keyward_broker::{AllowPrivate, EntryProblem};
///
/// let allowed: AllowPrivate = "ollama, 10.1.2.0/24".parse()?;
/// assert!(allowed.allows_address("10.1.2.3".parse()?));
/// assert!(!allowed.allows_address("10.1.3.3".parse()?));
/// // The metadata service of clouds.
/// assert!(!allowed.allows_address("169.254.169.254".parse()?));
///
/// let refused = "10.1.2.3/24".parse::<AllowPrivate>();
/// assert!(refused.is_err_and(|error| error.problem == EntryProblem::HostBits));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowPrivate {
    names: Vec<String>,
    networks: Vec<IpNet>,
}

impl AllowPrivate {
    /// Only public addresses.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there is an entry for `name`.
    pub(super) fn names(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|entry| entry.eq_ignore_ascii_case(name))
    }

    /// Whether there may be an address to allow for a host without an entry for its name.
    pub(super) fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether an address or range among the entries allows `address`, by whatever name it was found.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        self.allows(None, address)
    }

    /// Whether an entry allows `address` for a host that was called `name`.
    pub(super) fn allows(&self, name: Option<&str>, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&canonical))
            || (Reach::of(address) == Reach::Private && name.is_some_and(|name| self.names(name)))
    }

    fn add(&mut self, entry: &str) -> Result<(), EntryProblem> {
        if let Some((_, prefix)) = entry.split_once('/') {
            let network: IpNet = entry.parse().map_err(|_| EntryProblem::Malformed)?;
            // `+8` and `08` are prefixes for the parser.
            if prefix != network.prefix_len().to_string() {
                return Err(EntryProblem::Malformed);
            }
            return self.add_network(network);
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return self.add_network(IpNet::from(address));
        }
        self.names.push(name(entry)?);
        Ok(())
    }

    fn add_network(&mut self, network: IpNet) -> Result<(), EntryProblem> {
        if network.addr() != network.network() {
            return Err(EntryProblem::HostBits);
        }
        if network.addr().to_canonical() != network.addr() {
            return Err(EntryProblem::Mapped);
        }
        self.networks.push(network);
        Ok(())
    }
}

/// A host name in the form that URLs have it in.
fn name(entry: &str) -> Result<String, EntryProblem> {
    let name = match Host::parse(entry) {
        Ok(Host::Domain(name)) => name,
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(EntryProblem::OddAddress),
        Err(_) => return Err(EntryProblem::Malformed),
    };
    if name.contains('*') {
        return Err(EntryProblem::Wildcard);
    }
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty() && label.bytes().all(plain)
    };
    if !name.split('.').all(label) {
        return Err(EntryProblem::Malformed);
    }
    Ok(name)
}

/// All entries of several lists.
impl FromIterator<Self> for AllowPrivate {
    fn from_iter<I: IntoIterator<Item = Self>>(lists: I) -> Self {
        let mut all = Self::none();
        for list in lists {
            all.names.extend(list.names);
            all.networks.extend(list.networks);
        }
        all
    }
}

impl FromStr for AllowPrivate {
    type Err = AllowPrivateError;

    fn from_str(text: &str) -> Result<Self, AllowPrivateError> {
        let mut allowed = Self::default();
        let entries = text.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            allowed.add(entry).map_err(|problem| AllowPrivateError {
                entry: entry.to_owned(),
                problem,
            })?;
        }
        Ok(allowed)
    }
}

/// An entry that allows nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry {entry:?} {problem}")]
pub struct AllowPrivateError {
    /// As it was written.
    pub entry: String,
    /// What is wrong with it.
    pub problem: EntryProblem,
}

/// Why an entry of [`AllowPrivate`] allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProblem {
    /// It is none of the three. A URL, a port and brackets do not belong there.
    #[error(
        "is no host name such as ollama or db.example.com, no IP address, \
         and no range such as 10.1.0.0/16"
    )]
    Malformed,
    /// Each host has to be named.
    #[error("has a wildcard; write each host name in full")]
    Wildcard,
    /// A number or the like, which URLs read as an address.
    #[error("is an address in an unusual form; write it like 10.1.2.3 or fd12::1")]
    OddAddress,
    /// Most often somebody took the wrong prefix, and means less than the range would cover.
    #[error("has bits set after the prefix; write the first address of the range")]
    HostBits,
    /// Addresses count as IPv4 in either form, so the range would hold none.
    #[error("is IPv4 in its IPv6 form; write it as IPv4")]
    Mapped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ranges_are_read() {
        let allowed: AllowPrivate = " Ollama, ,bücher.example,my_db , 10.1.2.3,fd12::/16,"
            .parse()
            .unwrap();
        assert_eq!(allowed.names, ["ollama", "xn--bcher-kva.example", "my_db"]);
        let networks = ["10.1.2.3/32", "fd12::/16"].map(|text| text.parse().unwrap());
        assert_eq!(allowed.networks, networks);
        assert_eq!("".parse(), Ok(AllowPrivate::none()));
    }

    #[test]
    fn an_entry_that_allows_nothing_is_named() {
        use EntryProblem::{HostBits, Malformed, Mapped, OddAddress, Wildcard};
        for (entry, problem) in [
            ("http://ollama", Malformed),
            ("ollama:11434", Malformed),
            ("10.1.2.3:80", Malformed),
            ("ollama.", Malformed),
            (".example.com", Malformed),
            ("a..b", Malformed),
            ("a b", Malformed),
            ("[::1]", OddAddress),
            ("fe80::1%eth0", Malformed),
            ("10.0.0.0/33", Malformed),
            ("10.0.0.0/+8", Malformed),
            ("10.0.0.0/08", Malformed),
            ("10.0.0/8", Malformed),
            ("ollama/8", Malformed),
            ("*.example.com", Wildcard),
            ("*", Wildcard),
            ("2130706433", OddAddress),
            ("0x7f.1", OddAddress),
            ("127.1", OddAddress),
            ("10.0.0.1/8", HostBits),
            ("::ffff:10.0.0.1", Mapped),
            ("::ffff:10.0.0.0/104", Mapped),
        ] {
            let error = format!("ollama,{entry}")
                .parse::<AllowPrivate>()
                .unwrap_err();
            assert_eq!((&*error.entry, error.problem), (entry, problem));
            assert!(error.to_string().contains(entry), "{error}");
        }
    }

    #[test]
    fn a_name_opens_private_addresses_and_no_others() {
        let allowed: AllowPrivate = "ollama".parse().unwrap();
        for (name, address, expected) in [
            ("ollama", "10.0.0.1", true),
            ("OLLAMA", "127.0.0.1", true),
            ("ollama", "fd12::1", true),
            ("ollama", "::1", true),
            ("ollama", "::ffff:192.168.0.1", true),
            ("ollama.", "10.0.0.1", false),
            ("a.ollama", "10.0.0.1", false),
            ("ollama", "169.254.169.254", false),
            ("ollama", "::ffff:169.254.169.254", false),
            ("ollama", "fe80::1", false),
            ("ollama", "fd00:ec2::254", false),
            ("ollama", "168.63.129.16", false),
            ("ollama", "100.100.100.200", false),
            ("ollama", "64:ff9b::10.0.0.1", false),
            ("ollama", "0.0.0.0", false),
            ("ollama", "8.8.8.8", false),
        ] {
            let allows = allowed.allows(Some(name), address.parse().unwrap());
            assert_eq!(allows, expected, "{name} {address}");
        }
    }

    #[test]
    fn a_range_opens_itself_whatever_the_name() {
        let allowed: AllowPrivate = "169.254.0.0/16,10.0.0.1,fe80::/10".parse().unwrap();
        for (address, expected) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("fe80::1", true),
            ("64:ff9b::10.0.0.1", false),
        ] {
            for name in [None, Some("anything")] {
                let allows = allowed.allows(name, address.parse().unwrap());
                assert_eq!(allows, expected, "{address}");
            }
        }
    }
}
