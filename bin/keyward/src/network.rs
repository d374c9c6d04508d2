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
    /// The first address of the range.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
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
    fn what_is_no_range_is_refused() {
        for text in ["", "proxy", "10.0.0/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text}");
        }
    }

    #[test]
    fn bits_after_the_prefix_are_refused() {
        for text in ["10.0.0.1/8", "2001:db8::1/32", "128.0.0.0/0"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::HostBits), "{text}");
        }
    }
}
