//! Which addresses are somebody else's on the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as requests are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reachable from everywhere.
    Public,
    /// Of this machine or its network: private, shared, loopback, unique local.
    Private,
    /// Anything else: link-local, metadata of clouds, multicast, documentation, transition. No host
    /// has a good reason to be found there.
    Special,
}

pub(super) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    let is_in = |networks: &[([u8; 4], u32)]| {
        networks.iter().any(|(network, length)| {
            let differs = u32::from(address) ^ u32::from(Ipv4Addr::from(*network));
            differs.checked_shr(32 - length) == Some(0)
        })
    };
    if is_in(&SPECIAL_V4) {
        Kind::Special
    } else if is_in(&PRIVATE_V4) {
        Kind::Private
    } else {
        Kind::Public
    }
}

/// The IANA IPv6 Special-Purpose Address Registry. What carries an IPv4 address is judged by it,
/// where it could be connected to; the other ways of transition are refused.
fn kind_v6(address: Ipv6Addr) -> Kind {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return kind_v4(mapped);
    }
    match address.segments() {
        // RFC 6052 (NAT64): the translator reaches what the IPv4 address names.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            kind_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Metadata of AWS, in unique local space.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Kind::Special,
        // RFC 4291 (loopback), RFC 4193 (unique local).
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfc00..=0xfdff, ..] => Kind::Private,
        // RFC 2928 (protocol assignments, Teredo, ORCHID), RFC 3849 and RFC 9637 (documentation),
        // RFC 3056 (6to4).
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => {
            Kind::Special
        }
        // RFC 4291 (global unicast). All else is unspecified, link-local, site-local, multicast,
        // discard-only, or given to nobody.
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special,
    }
}

/// Of the IANA IPv4 Special-Purpose Address Registry.
const PRIVATE_V4: [([u8; 4], u32); 5] = [
    ([10, 0, 0, 0], 8),     // RFC 1918
    ([172, 16, 0, 0], 12),  // RFC 1918
    ([192, 168, 0, 0], 16), // RFC 1918
    ([100, 64, 0, 0], 10),  // RFC 6598, shared by the customers of a carrier
    ([127, 0, 0, 0], 8),    // RFC 1122, loopback
];

/// The rest of the registry, and two addresses by which clouds give out credentials.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),          // RFC 791, this network
    ([100, 100, 100, 200], 32), // metadata of Alibaba Cloud, in shared space
    ([168, 63, 129, 16], 32),   // the wire server of Azure
    ([169, 254, 0, 0], 16),     // RFC 3927, link-local, where most clouds have their metadata
    ([192, 0, 0, 0], 24),       // RFC 6890, protocol assignments
    ([192, 0, 2, 0], 24),       // RFC 5737, documentation
    ([192, 31, 196, 0], 24),    // RFC 7535, AS112
    ([192, 52, 193, 0], 24),    // RFC 7450, AMT
    ([192, 88, 99, 0], 24),     // RFC 7526, relays of 6to4
    ([192, 175, 48, 0], 24),    // RFC 7534, AS112
    ([198, 18, 0, 0], 15),      // RFC 2544, benchmarks
    ([198, 51, 100, 0], 24),    // RFC 5737, documentation
    ([203, 0, 113, 0], 24),     // RFC 5737, documentation
    ([224, 0, 0, 0], 4),        // RFC 5771, multicast
    ([240, 0, 0, 0], 4),        // RFC 1112, reserved
    ([255, 255, 255, 255], 32), // RFC 919, broadcast
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Kind {
        kind(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::1",
            "2001:200::1",
            "3ffe::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(of(text), Kind::Public, "{text}");
        }
    }

    #[test]
    fn addresses_of_this_network_are_private() {
        for text in [
            "10.0.0.0",
            "10.255.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "::1",
            "fc00::",
            "fd12:3456::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
        ] {
            assert_eq!(of(text), Kind::Private, "{text}");
        }
    }

    #[test]
    fn addresses_that_are_nobodys_host_are_special() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "::2",
            "::7f00:1",
            "::ffff:169.254.169.254",
            "::ffff:0:7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::7f00:1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "4000::1",
        ] {
            assert_eq!(of(text), Kind::Special, "{text}");
        }
    }
}
