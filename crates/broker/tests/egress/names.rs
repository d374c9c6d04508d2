//! Name servers that answer what a test wants.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Mutex;

use keyward_broker::{LookingUp, Lookup};

/// Always answers the same.
pub(crate) struct Names;

impl Lookup for Names {
    fn look_up(&self, host: &str) -> LookingUp {
        let addresses: &[&str] = match host.strip_suffix('.').unwrap_or(host) {
            "public.example" => &["8.8.8.8"],
            "private.example" | "another" => &["10.0.0.1"],
            "unique-local.example" => &["fd12::1"],
            "metadata.example" | "metadata.google.internal" | "instance-data" => {
                &["169.254.169.254"]
            }
            "link-local.example" => &["fe80::1"],
            "mapped.example" => &["::ffff:127.0.0.1"],
            "nat64.example" => &["64:ff9b::127.0.0.1"],
            "unspecified.example" => &["0.0.0.0"],
            "unspecified6.example" => &["::"],
            "mixed.example" => &["8.8.8.8", "127.0.0.1"],
            "mixed-last.example" => &["127.0.0.1", "8.8.8.8"],
            "mixed6.example" => &["2600::1", "8.8.8.8", "::1"],
            "mixed-metadata.example" => &["127.0.0.1", "169.254.169.254"],
            "azure.example" => &["168.63.129.16"],
            "alibaba.example" => &["100.100.100.200"],
            "amazon6.example" => &["fd00:ec2::254"],
            "zone.example" => {
                let zone = SocketAddrV6::new("2600::1".parse().unwrap(), 0, 0, 2);
                return Box::pin(async move { Ok(vec![zone.into()]) });
            }
            "unknown.example" => {
                return Box::pin(async { Err(io::Error::other("no such name")) });
            }
            // localhost, localhost.localdomain, 127.0.0.1.nip.example and so on.
            _ => &["127.0.0.1"],
        };
        let addresses = addresses.iter().map(|address| socket_address(address));
        let addresses = addresses.collect();
        Box::pin(async move { Ok(addresses) })
    }
}

/// Answers with another address each time.
pub(crate) struct OneAfterTheOther {
    addresses: [&'static str; 2],
    lookups: Mutex<usize>,
}

impl OneAfterTheOther {
    pub(crate) fn new(addresses: [&'static str; 2]) -> Self {
        Self {
            addresses,
            lookups: Mutex::new(0),
        }
    }

    pub(crate) fn lookups(&self) -> usize {
        *self.lookups.lock().unwrap()
    }
}

impl Lookup for OneAfterTheOther {
    fn look_up(&self, _: &str) -> LookingUp {
        let mut lookups = self.lookups.lock().unwrap();
        let address = socket_address(self.addresses[*lookups % 2]);
        *lookups += 1;
        Box::pin(async move { Ok(vec![address]) })
    }
}

fn socket_address(address: &str) -> SocketAddr {
    let address: IpAddr = address.parse().unwrap();
    (address, 0).into()
}
