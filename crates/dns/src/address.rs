//! Which address of a node or an instance is answered (`docs/spec/dns.md` §6).

use std::net::IpAddr;

use types::{CheckServiceNode, Node, NodeService};

use crate::codec::Kind;

/// Families a question takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    V4,
    V6,
    Any,
}

impl Accept {
    /// The families of a type of question.
    pub(crate) fn of(kind: Kind) -> Accept {
        match kind {
            Kind::A => Accept::V4,
            Kind::AAAA => Accept::V6,
            _ => Accept::Any,
        }
    }
}

/// Whether a record of this address answers a question of this type (`docs/spec/dns.md` §5).
pub(crate) fn fits(address: IpAddr, kind: Kind) -> bool {
    match kind {
        Kind::A => address.is_ipv4(),
        Kind::AAAA => address.is_ipv6(),
        Kind::ANY | Kind::SRV | Kind::TXT => true,
        _ => false,
    }
}

/// Whether `wan` addresses are preferred for what is elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translation<'a> {
    pub(crate) enabled: bool,
    pub(crate) own_datacenter: &'a str,
}

impl Translation<'_> {
    fn applies(&self, datacenter: &str) -> bool {
        self.enabled && datacenter != self.own_datacenter
    }
}

/// Reads an IP address. An IPv4 address in IPv6 clothes is an IPv4 address.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The address of a node; empty when it has none.
pub(crate) fn of_node<'a>(node: &'a Node, accept: Accept, translation: Translation<'_>) -> &'a str {
    let tagged = |tag: &str| non_empty(node.tagged_addresses.get(tag));
    choose(&node.address, tagged, accept, translation.applies(&node.datacenter))
}

/// The address of an instance; empty when it has none of its own.
pub(crate) fn of_service<'a>(
    service: &'a NodeService,
    accept: Accept,
    translation: Translation<'_>,
    datacenter: &str,
) -> &'a str {
    let tagged = |tag: &str| non_empty(service.tagged_addresses.get(tag).map(|tagged| &tagged.address));
    choose(&service.address, tagged, accept, translation.applies(datacenter))
}

/// The port of an instance.
pub(crate) fn port(service: &NodeService, translation: Translation<'_>, datacenter: &str) -> i64 {
    if !translation.applies(datacenter) {
        return service.port;
    }
    service.tagged_addresses.get("wan").map(|wan| wan.port).filter(|&port| port != 0).unwrap_or(service.port)
}

fn non_empty(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn choose<'a>(address: &'a str, tagged: impl Fn(&str) -> Option<&'a str>, accept: Accept, translate: bool) -> &'a str {
    let wan = |tag: &str| if translate { tagged(tag) } else { None };
    let v6 = || wan("wan_ipv6").or_else(|| tagged("lan_ipv6"));
    let v4 = || wan("wan_ipv4").or_else(|| tagged("lan_ipv4"));
    let preferred = match accept {
        Accept::V4 => v4(),
        Accept::V6 => v6(),
        Accept::Any => v6().or_else(v4),
    };
    preferred.or_else(|| wan("wan")).unwrap_or(address)
}

/// How an instance is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// By the name of its node, which has this address.
    Node(IpAddr),
    /// By this address.
    Address(IpAddr),
    /// By a name of somebody else's.
    Name(&'a str),
}

/// How an instance is presented to a question for `question`; nothing when it has no address at all.
pub(crate) fn form<'a>(
    instance: &'a CheckServiceNode,
    question: &str,
    accept: Accept,
    translation: Translation<'_>,
    datacenter: &str,
) -> Option<Form<'a>> {
    let CheckServiceNode { node, service, .. } = instance;
    let service_address = of_service(service, accept, translation, datacenter);
    let node_address = of_node(node, accept, translation);
    if service_address.is_empty() {
        if node_address.is_empty() {
            return None;
        }
        return Some(match parse_ip(node_address) {
            Some(ip) if node_address == node.address => Form::Node(ip),
            Some(ip) => Form::Address(ip),
            None => Form::Name(node_address),
        });
    }
    if let Some(ip) = parse_ip(service_address) {
        return Some(Form::Address(ip));
    }
    // A name that is the question itself would lead in a circle.
    if same_name(service_address, question)
        && let Some(ip) = parse_ip(node_address)
    {
        return Some(Form::Node(ip));
    }
    Some(Form::Name(service_address))
}

fn same_name(address: &str, question: &str) -> bool {
    address.strip_suffix('.').unwrap_or(address) == question.strip_suffix('.').unwrap_or(question)
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
