//! What an address is good for, by IANA's registries of special-purpose addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Who an address can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anybody on the internet.
    Public,
    /// This machine or its network. A host that is allowed by name may have such an address.
    Private,
    /// Nobody, a whole group, or something that gives out secrets to who can ask it, such as the
    /// metadata service of a cloud. No name makes it allowed.
    Special,
}

impl Reach {
    /// Judges `address`; what is written as IPv6 and means IPv4 is judged by the IPv4 address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let within = |table: &[Ipv4Net]| table.iter().any(|net| net.contains(&address));
        if within(&PRIVATE_V4) {
            Self::Private
        } else if within(&SPECIAL_V4) {
            Self::Special
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let within = |table: &[Ipv6Net]| table.iter().any(|net| net.contains(&address));
        if NAT64.contains(&address) {
            return Self::of_nat64(address);
        }
        if within(&METADATA_V6) {
            Self::Special
        } else if within(&PRIVATE_V6) {
            Self::Private
        } else if within(&SPECIAL_V6) || !GLOBAL_UNICAST.contains(&address) {
            Self::Special
        } else {
            Self::Public
        }
    }

    /// In a network without IPv4, every public IPv4 host looks like this, so it has to pass. A
    /// translator must not be asked for any other (RFC 6052 §3.1), and no name changes that.
    fn of_nat64(address: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = address.octets();
        match Self::of_v4(Ipv4Addr::new(a, b, c, d)) {
            Self::Public => Self::Public,
            Self::Private | Self::Special => Self::Special,
        }
    }
}

const PRIVATE_V4: [Ipv4Net; 4] = [
    v4([10, 0, 0, 0], 8),     // RFC 1918
    v4([127, 0, 0, 0], 8),    // loopback, RFC 1122 §3.2.1.3
    v4([172, 16, 0, 0], 12),  // RFC 1918
    v4([192, 168, 0, 0], 16), // RFC 1918
];

const SPECIAL_V4: [Ipv4Net; 12] = [
    v4([0, 0, 0, 0], 8),        // this network, RFC 791 §3.2
    v4([100, 64, 0, 0], 10),    // shared by providers, RFC 6598; Alibaba's metadata
    v4([168, 63, 129, 16], 32), // Azure's platform, a public address that is not
    v4([169, 254, 0, 0], 16),   // link-local, RFC 3927; the metadata of most clouds
    v4([192, 0, 0, 0], 24),     // protocol assignments, RFC 6890; Oracle's metadata
    v4([192, 0, 2, 0], 24),     // documentation, RFC 5737
    v4([192, 88, 99, 0], 24),   // relays of 6to4, RFC 7526
    v4([198, 18, 0, 0], 15),    // benchmarks, RFC 2544
    v4([198, 51, 100, 0], 24),  // documentation, RFC 5737
    v4([203, 0, 113, 0], 24),   // documentation, RFC 5737
    v4([224, 0, 0, 0], 4),      // multicast, RFC 5771
    v4([240, 0, 0, 0], 4),      // reserved, RFC 1112 §4, and broadcast, RFC 919
];

const PRIVATE_V6: [Ipv6Net; 2] = [
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),    // loopback, RFC 4291 §2.5.3
    v6([0xFC00, 0, 0, 0, 0, 0, 0, 0], 7), // unique local, RFC 4193
];

/// Services of a cloud at unique local addresses.
const METADATA_V6: [Ipv6Net; 2] = [
    v6([0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0], 32), // Amazon: metadata, names, time
    v6([0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254], 128), // Google
];

/// All that is given out of IPv6, RFC 4291 §2.4.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Special within the global unicast addresses.
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments, RFC 2928; Teredo, RFC 4380
    v6([0x2001, 0xDB8, 0, 0, 0, 0, 0, 0], 32), // documentation, RFC 3849
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4, RFC 3056
    v6([0x3FFF, 0, 0, 0, 0, 0, 0, 0], 20), // documentation, RFC 9637
];

/// IPv4 behind a translator, RFC 6052 §2.1. That for local use (RFC 8215) is not public.
const NAT64: Ipv6Net = v6([0x64, 0xFF9B, 0, 0, 0, 0, 0, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let mut bits = 0;
    let mut rest: &[u16] = &segments;
    while let [first, others @ ..] = rest {
        bits = bits << 16 | *first as u128;
        rest = others;
    }
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of each range, and those beside it.
    #[test]
    fn ranges_begin_and_end_where_the_registries_say() {
        for (address, expected) in EDGES {
            assert_eq!(Reach::of(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn private_ipv4_behind_a_translator_is_never_private() {
        for (address, expected) in [
            ("64:ff9b::8.8.8.8", Reach::Public),
            ("64:ff9b::10.0.0.1", Reach::Special),
            ("64:ff9b::127.0.0.1", Reach::Special),
            ("64:ff9b::169.254.169.254", Reach::Special),
            ("64:ff9b:1::8.8.8.8", Reach::Special),
        ] {
            assert_eq!(Reach::of(address.parse().unwrap()), expected, "{address}");
        }
    }

    use Reach::{Private, Public, Special};

    const EDGES: [(&str, Reach); 81] = [
        ("0.0.0.0", Special),
        ("0.255.255.255", Special),
        ("1.0.0.0", Public),
        ("9.255.255.255", Public),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("11.0.0.0", Public),
        ("100.63.255.255", Public),
        ("100.64.0.0", Special),
        ("100.100.100.200", Special),
        ("100.127.255.255", Special),
        ("100.128.0.0", Public),
        ("126.255.255.255", Public),
        ("127.0.0.0", Private),
        ("127.255.255.255", Private),
        ("128.0.0.0", Public),
        ("168.63.129.15", Public),
        ("168.63.129.16", Special),
        ("168.63.129.17", Public),
        ("169.253.255.255", Public),
        ("169.254.0.0", Special),
        ("169.254.255.255", Special),
        ("169.255.0.0", Public),
        ("172.15.255.255", Public),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("172.32.0.0", Public),
        ("191.255.255.255", Public),
        ("192.0.0.0", Special),
        ("192.0.0.255", Special),
        ("192.0.1.0", Public),
        ("192.0.2.0", Special),
        ("192.0.2.255", Special),
        ("192.0.3.0", Public),
        ("192.88.98.255", Public),
        ("192.88.99.0", Special),
        ("192.88.99.255", Special),
        ("192.88.100.0", Public),
        ("192.167.255.255", Public),
        ("192.168.0.0", Private),
        ("192.168.255.255", Private),
        ("192.169.0.0", Public),
        ("198.17.255.255", Public),
        ("198.18.0.0", Special),
        ("198.19.255.255", Special),
        ("198.20.0.0", Public),
        ("198.51.100.0", Special),
        ("198.51.101.0", Public),
        ("203.0.112.255", Public),
        ("203.0.113.255", Special),
        ("223.255.255.255", Public),
        ("224.0.0.0", Special),
        ("239.255.255.255", Special),
        ("240.0.0.0", Special),
        ("255.255.255.255", Special),
        ("::", Special),
        ("::1", Private),
        ("::2", Special),
        ("::127.0.0.1", Special),
        ("::ffff:127.0.0.1", Private),
        ("::ffff:169.254.169.254", Special),
        ("::ffff:8.8.8.8", Public),
        ("1fff:ffff::", Special),
        ("2000::", Public),
        ("2001::", Special),
        ("2001:1ff:ffff::", Special),
        ("2001:200::", Public),
        ("2001:db8::", Special),
        ("2001:db9::", Public),
        ("2002:7f00:1::", Special),
        ("2003::", Public),
        ("3ffe:ffff::", Public),
        ("3fff:fff::", Special),
        ("3fff:1000::", Public),
        ("4000::", Special),
        ("fbff::", Special),
        ("fc00::", Private),
        ("fd00:ec2::254", Special),
        ("fdff:ffff::", Private),
        ("fe80::1", Special),
        ("ff02::1", Special),
    ];
}
