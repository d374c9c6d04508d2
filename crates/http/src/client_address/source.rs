use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Where requests come from, as far as limits count: an IPv4 address, or the /64 of an IPv6
/// address, because whoever has one address of a /64 has all of them.
///
/// It is good for counting and for logs. Nothing is allowed because of it.
///
/// ```
/// use keyward_http::Source;
///
/// let of = |address: &str| address.parse().map(Source::of);
/// assert_eq!(of("::ffff:192.0.2.7")?, of("192.0.2.7")?);
/// assert_eq!(of("2001:db8:0:1::7")?.to_string(), "2001:db8:0:1::/64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source that `address` belongs to. IPv4 in its IPv6 form (`::ffff:192.0.2.1`) is IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & FIRST_64_BITS))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// `192.0.2.7` or `2001:db8:0:1::/64`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

const FIRST_64_BITS: u128 = !(u64::MAX as u128);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_a_source_of_its_own_in_either_form() {
        assert_eq!(of("192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.8"), of("192.0.2.7"));
    }

    #[test]
    fn ipv6_addresses_of_one_64_are_one_source() {
        assert_eq!(of("2001:db8:0:1::7").to_string(), "2001:db8:0:1::/64");
        assert_eq!(of("2001:db8:0:1:ffff:ffff:ffff:ffff"), of("2001:db8:0:1::"));
        assert_ne!(of("2001:db8:0:2::"), of("2001:db8:0:1::"));
        assert_eq!(of("::1").to_string(), "::/64");
    }
}
