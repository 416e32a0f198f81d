use std::net::IpAddr;

/// Networks members may be in (`docs/spec/gossip.md` §9.5). An empty list allows all.
#[derive(Debug)]
pub(super) struct AllowList(Vec<(IpAddr, u8)>);

impl AllowList {
    /// Networks as address and prefix length.
    pub(super) fn new(networks: Vec<(IpAddr, u8)>) -> AllowList {
        AllowList(networks)
    }

    /// Whether an address may be a member's.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.is_empty() || self.0.iter().any(|&(network, length)| holds(network, length, address))
    }
}

pub(super) fn holds(network: IpAddr, length: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let ignored = 32_u32.saturating_sub(length.into());
            let mask = u32::MAX.checked_shl(ignored).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let ignored = 128_u32.saturating_sub(length.into());
            let mask = u128::MAX.checked_shl(ignored).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(networks: &[(&str, u8)]) -> AllowList {
        AllowList::new(networks.iter().map(|&(address, length)| (address.parse().unwrap(), length)).collect())
    }

    #[test]
    fn an_empty_list_allows_all() {
        assert!(list(&[]).allows("203.0.113.7".parse().unwrap()));
        assert!(list(&[]).allows("::1".parse().unwrap()));
    }

    #[test]
    fn only_what_a_network_holds_is_allowed() {
        let list = list(&[("10.1.0.0", 16), ("192.168.1.7", 32), ("fd00::", 8)]);
        let rows = [
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("192.168.1.7", true),
            ("192.168.1.6", false),
            ("::ffff:10.1.2.3", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ];
        for (address, allowed) in rows {
            assert_eq!(list.allows(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(self::list(&[("0.0.0.0", 0)]).allows("8.8.8.8".parse().unwrap()));
        assert!(!self::list(&[("0.0.0.0", 0)]).allows("::1".parse().unwrap()));
    }
}
