use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, written `192.0.2.0/24` or `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` is in the range. An IPv4 address counts as such, also in its IPv6 form
    /// (`::ffff:192.0.2.1`), in which a socket for both shows it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
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

    /// Whether the range is too wide to name proxies by: an IPv4 prefix shorter than 8, which is
    /// more than any one network has, or an IPv6 prefix shorter than 16.
    ///
    /// Who trusts so many lets nearly anybody pretend any address.
    #[must_use]
    pub fn is_too_wide(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.prefix < 8,
            IpAddr::V6(_) => self.prefix < 16,
        }
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
            Some(prefix) => prefix_length(prefix).ok_or(NetworkError::Malformed)?,
            None => bits,
        };
        if prefix > bits {
            return Err(NetworkError::Malformed);
        }
        if is_mapped(address) {
            return Err(NetworkError::Mapped);
        }
        if has_bits_after(address, prefix) {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { address, prefix })
    }
}

/// In the one form in which it is printed: no sign, no zero before it.
fn prefix_length(text: &str) -> Option<u8> {
    let length: u8 = text.parse().ok()?;
    (length.to_string() == text).then_some(length)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// It is no address, or the prefix is longer than one.
    #[error("not an IP address, nor a range such as 10.0.0.0/8")]
    Malformed,
    /// Most often somebody took the wrong prefix, and means less than the range would cover.
    #[error("the address has bits set after the prefix; write the first address of the range")]
    HostBits,
    /// Addresses count as IPv4 in either form, so the range would hold none.
    #[error("write IPv4 addresses as such, not in their IPv6 form")]
    Mapped,
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
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
            "10.0.0.0/+8",
            "10.0.0.0/08",
        ] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn the_ipv6_form_of_ipv4_is_refused() {
        for text in [
            "::ffff:0.0.0.0/96",
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Mapped), "{text}");
        }
    }

    #[test]
    fn a_range_of_nearly_everyone_is_too_wide() {
        for (text, expected) in [
            ("0.0.0.0/0", true),
            ("128.0.0.0/1", true),
            ("10.0.0.0/7", true),
            ("10.0.0.0/8", false),
            ("10.0.0.1", false),
            ("::/0", true),
            ("2000::/3", true),
            ("fc00::/7", true),
            ("fd00::/16", false),
            ("2001:db8::/32", false),
            ("::1", false),
        ] {
            let range: Network = text.parse().unwrap();
            assert_eq!(range.is_too_wide(), expected, "{text}");
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
