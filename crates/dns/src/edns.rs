//! The OPT record of replies (`docs/spec/dns.md` §16).

use std::net::IpAddr;

use crate::codec::{Edns, Rcode, Subnet};
use crate::message::ReplyEdns;

/// Code of the client-subnet option.
const OPTION_SUBNET: u16 = 8;

/// The OPT record that answers a request's. `by_subnet`: the answer holds for the client's subnet only.
pub(crate) fn reply(edns: &Edns, by_subnet: bool, rcode: Rcode) -> ReplyEdns {
    let failed = matches!(rcode, Rcode::NxDomain | Rcode::ServFail | Rcode::Refused | Rcode::NotImp);
    let options = edns.subnet.map(|subnet| option(&subnet, by_subnet && !failed)).unwrap_or_default();
    ReplyEdns { udp_size: edns.udp_size, options }
}

fn option(subnet: &Subnet, scoped: bool) -> Vec<u8> {
    let prefix = subnet.source_prefix;
    let (family, octets) = match subnet.address {
        None => (0_u16, vec![]),
        Some(IpAddr::V4(address)) => (1, masked(&address.octets(), prefix)),
        Some(IpAddr::V6(address)) => (2, masked(&address.octets(), prefix)),
    };
    let length = 4 + octets.len() as u16;
    let mut option = Vec::with_capacity(8 + octets.len());
    option.extend_from_slice(&OPTION_SUBNET.to_be_bytes());
    option.extend_from_slice(&length.to_be_bytes());
    option.extend_from_slice(&family.to_be_bytes());
    option.extend_from_slice(&[prefix, if scoped { prefix } else { 0 }]);
    option.extend_from_slice(&octets);
    option
}

/// The octets that the prefix reaches into, with all bits behind it zero.
fn masked(octets: &[u8], prefix: u8) -> Vec<u8> {
    let kept = usize::from(prefix.div_ceil(8));
    let mut masked: Vec<u8> = octets.iter().take(kept).copied().collect();
    if !prefix.is_multiple_of(8)
        && let Some(last) = masked.last_mut()
    {
        *last &= 0xff << (8 - prefix % 8);
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edns(address: &str, source_prefix: u8) -> Edns {
        let subnet = Subnet { address: Some(address.parse().expect("address")), source_prefix };
        Edns { udp_size: 12345, subnet: Some(subnet) }
    }

    #[test]
    fn the_subnet_comes_back_masked() {
        for (address, prefix, want) in [
            ("198.18.0.1", 32, &[0, 8, 0, 8, 0, 1, 32, 0, 198, 18, 0, 1][..]),
            ("1.2.3.4", 20, &[0, 8, 0, 7, 0, 1, 20, 0, 1, 2, 0]),
            ("198.18.0.0", 21, &[0, 8, 0, 7, 0, 1, 21, 0, 198, 18, 0]),
            ("2001:db8:1:2::", 56, &[0, 8, 0, 11, 0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 1, 0]),
            ("1.2.3.4", 0, &[0, 8, 0, 4, 0, 1, 0, 0]),
        ] {
            let reply = reply(&edns(address, prefix), false, Rcode::NoError);
            assert_eq!((reply.udp_size, reply.options.as_slice()), (12345, want), "{address}/{prefix}");
        }
        let none = Edns { udp_size: 1232, subnet: Some(Subnet { address: None, source_prefix: 0 }) };
        assert_eq!(reply(&none, true, Rcode::NoError).options, [0, 8, 0, 4, 0, 0, 0, 0]);
    }

    #[test]
    fn only_answers_that_depend_on_the_subnet_are_scoped() {
        let scope = |by_subnet, rcode| reply(&edns("198.18.0.1", 21), by_subnet, rcode).options[7];
        assert_eq!(scope(true, Rcode::NoError), 21);
        assert_eq!(scope(true, Rcode::NxDomain), 0);
        assert_eq!(scope(true, Rcode::ServFail), 0);
        assert_eq!(scope(false, Rcode::NoError), 0);
    }
}
