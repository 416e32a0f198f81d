//! Special-purpose networks by the RFC that defines them.

use std::net::IpAddr;

use super::list::Network;

/// The networks of an RFC, in CIDR notation.
const TABLES: &[(u32, &[&str])] = &[
    (919, &["255.255.255.255/32"]),
    (1112, &["224.0.0.0/4"]),
    (1122, &["0.0.0.0/8", "127.0.0.0/8"]),
    (1918, &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    (2544, &["198.18.0.0/15"]),
    (2765, &["::ffff:0:0/96"]),
    (2928, &["2001::/23"]),
    (3056, &["2002::/16"]),
    (3068, &["192.88.99.0/24"]),
    (3171, &["224.0.0.0/4"]),
    (
        3330,
        &[
            "0.0.0.0/8",
            "10.0.0.0/8",
            "14.0.0.0/8",
            "24.0.0.0/8",
            "39.0.0.0/8",
            "127.0.0.0/8",
            "128.0.0.0/16",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "191.255.0.0/16",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "223.255.255.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ],
    ),
    (3849, &["2001:db8::/32"]),
    (3927, &["169.254.0.0/16"]),
    (4038, &["::ffff:0:0/96"]),
    (4193, &["fc00::/7"]),
    (4291, &["::1/128", "::/128", "fe80::/10", "fec0::/10", "ff00::/8"]),
    (4380, &["2001::/32"]),
    (4773, &["2001::/23"]),
    (4843, &["2001:10::/28"]),
    (5180, &["2001:2::/48"]),
    (
        5735,
        &[
            "0.0.0.0/8",
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "255.255.255.255/32",
        ],
    ),
    (5737, &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]),
    (6052, &["64:ff9b::/96"]),
    (6333, &["192.0.0.0/29"]),
    (6598, &["100.64.0.0/10"]),
    (6666, &["100::/64"]),
    (6890, SPECIAL_PURPOSE),
    (7335, &["192.0.0.0/29"]),
];

/// RFC 6890: every network with a special purpose; "private" means a member.
const SPECIAL_PURPOSE: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "64:ff9b::/96",
    "::ffff:0:0/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];

/// Networks the IANA special-purpose registries (RFC 6890) mark as not forwardable.
const NOT_FORWARDABLE: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "2001:10::/28",
    "2001:db8::/32",
    "fe80::/10",
];

/// RFC whose networks count as private.
pub(super) const PRIVATE: u32 = 6890;

/// Whether an address is in a network of the RFC; `None` for an RFC without a table.
pub(super) fn contains(rfc: u32, address: IpAddr) -> Option<bool> {
    let (_, networks) = TABLES.iter().find(|(number, _)| *number == rfc)?;
    Some(in_any(networks, address))
}

/// Whether routers may forward packets for the address.
pub(super) fn is_forwardable(address: IpAddr) -> bool {
    !in_any(NOT_FORWARDABLE, address)
}

fn in_any(networks: &[&str], address: IpAddr) -> bool {
    networks.iter().filter_map(|text| Network::parse(text)).any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_of_the_tables_reads() {
        let all = TABLES.iter().flat_map(|(_, networks)| networks.iter()).chain(NOT_FORWARDABLE);
        for network in all {
            assert!(Network::parse(network).is_some(), "{network}");
        }
    }
}
