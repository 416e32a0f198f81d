//! Addresses back to names (`docs/spec/dns.md` §10).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use types::RpcError;
use types::method::{CatalogListNodes, CatalogNodeServices, DatacenterRequest, NodeRequest};

use super::Ask;
use crate::address::parse_ip;
use crate::codec::{Name, labels};
use crate::message::{Data, Record};

/// After so many nodes without a match, the search lets others have a turn.
const NODES_IN_A_ROW: usize = 128;

/// Hexadecimal digits of an IPv6 address.
const IPV6_DIGITS: usize = 32;

/// The PTR record of a name below `arpa.`; nothing when the catalog knows nobody of that address.
pub(crate) async fn reverse(ask: &Ask<'_>) -> Option<Record> {
    let address = address_of(ask.name.as_str())?;
    let target = match search(ask, address).await {
        Ok(found) => found?,
        Err(error) => {
            tracing::error!(target: "agent.dns", error = %error, "rpc error");
            return None;
        }
    };
    Some(Record { owner: ask.name.clone(), ttl: 0, data: Data::Ptr(target) })
}

/// The node with this address, else the first service of which it is the own address.
async fn search(ask: &Ask<'_>, address: IpAddr) -> Result<Option<Name>, RpcError> {
    let agent = &ask.context.agent;
    let datacenter = ask.live.settings.datacenter.as_str();
    let name = |what: &str, kind: &str| Name::new(&format!("{what}.{kind}.{datacenter}.{}", ask.live.domain));
    let request = DatacenterRequest { options: ask.options(datacenter, ask.consistency()), ..Default::default() };
    let nodes = agent.call::<CatalogListNodes>(request).await?.value;
    if let Some(node) = nodes.iter().find(|node| parse_ip(&node.address) == Some(address)) {
        return Ok(Some(name(&node.node, "node")));
    }
    let text = address.to_string();
    for (count, node) in nodes.iter().enumerate() {
        if count % NODES_IN_A_ROW == NODES_IN_A_ROW - 1 {
            tokio::task::yield_now().await;
        }
        let options = ask.options(datacenter, ask.consistency());
        let request = NodeRequest { node: node.node.clone(), options };
        let Some(found) = agent.call::<CatalogNodeServices>(request).await?.value else { continue };
        if let Some(service) = found.services.iter().find(|service| service.address == text) {
            return Ok(Some(name(&service.service, "service")));
        }
    }
    Ok(None)
}

/// The address a reverse name stands for; nothing for a name that is not complete or not in its usual form.
fn address_of(name: &str) -> Option<IpAddr> {
    let name = name.to_ascii_lowercase();
    let (digits, is_v4) = match (name.strip_suffix(".in-addr.arpa."), name.strip_suffix(".ip6.arpa.")) {
        (Some(digits), _) => (digits, true),
        (_, Some(digits)) => (digits, false),
        _ => return None,
    };
    let mut labels = labels(digits);
    labels.reverse();
    if is_v4 {
        return labels.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let is_digit = |label: &str| label.len() == 1 && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    if labels.len() != IPV6_DIGITS || !labels.iter().all(|label| is_digit(label)) {
        return None;
    }
    let bits = u128::from_str_radix(&labels.concat(), 16).ok()?;
    // Nodes with an IPv4 address in IPv6 clothes are found by their IPv4 name only.
    Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names() {
        let v6 = "9.2.3.8.2.4.0.0.0.0.f.f.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
        for (name, want) in [
            ("1.0.18.198.in-addr.arpa.", Some("198.18.0.1")),
            ("99.40.18.198.IN-ADDR.ARPA.", Some("198.18.40.99")),
            (v6, Some("2001:db8::ff00:42:8329")),
            ("40.18.198.in-addr.arpa.", None),
            ("09.3.2.1.in-addr.arpa.", None),
            ("256.3.2.1.in-addr.arpa.", None),
            ("1.2.3.4.5.in-addr.arpa.", None),
            ("in-addr.arpa.", None),
            ("x.y.arpa.", None),
            ("+.2.3.8.2.4.0.0.0.0.f.f.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", None),
            ("1.0.0.2.ip6.arpa.", None),
        ] {
            assert_eq!(address_of(name).map(|address| address.to_string()).as_deref(), want, "{name}");
        }
    }
}
