use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, written `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` is in the range. An IPv4 address counts as such, also in its IPv6 form
    /// (`::ffff:192.0.2.1`), in which a socket for both shows it.
    #[cfg_attr(not(test), expect(dead_code, reason = "asked by the HTTP wiring"))]
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing
                    .checked_shr(32 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }

    /// How many leading bits the addresses of the range share.
    pub(crate) fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Malformed)?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NetworkError::Malformed)?,
            None => bits,
        };
        if prefix > bits {
            return Err(NetworkError::Malformed);
        }
        if has_bits_after(address, prefix) {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("not an IP address, nor a range such as 10.0.0.0/8")]
    Malformed,
    /// Most often somebody took the wrong prefix, and means less than the range would cover.
    #[error("the address has bits set after the prefix; write the first address of the range")]
    HostBits,
}

fn has_bits_after(address: IpAddr, prefix: u8) -> bool {
    // A shift by the full width overflows; nothing follows the last bit.
    match address {
        IpAddr::V4(address) => {
            u32::MAX.checked_shr(prefix.into()).unwrap_or(0) & address.to_bits() != 0
        }
        IpAddr::V6(address) => {
            u128::MAX.checked_shr(prefix.into()).unwrap_or(0) & address.to_bits() != 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_range_of_one() {
        let cases = [
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
        ];
        for (text, written) in cases {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn a_range_holds_the_addresses_with_its_prefix() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::1", "::1", true),
        ];
        for (range, address, expected) in cases {
            let range: Network = range.parse().unwrap();
            assert_eq!(
                range.contains(address.parse().unwrap()),
                expected,
                "{range} {address}"
            );
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "proxy",
            "10.0.0/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn bits_after_the_prefix_are_refused() {
        for text in ["10.0.0.1/8", "2001:db8::1/32", "128.0.0.0/0"] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::HostBits),
                "{text}"
            );
        }
    }
}
