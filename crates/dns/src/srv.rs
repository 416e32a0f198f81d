//! SRV records of instances, composed without asking anybody (`docs/spec/dns.md` §7).

use std::collections::HashSet;
use std::fmt::Write;
use std::net::IpAddr;

use types::{CheckServiceNode, Node};

use crate::address::{self, Accept, Form, form};
use crate::answer::{Asked, Composed, Follow, Origin, translation};
use crate::codec::{Kind, Name};
use crate::message::{Data, Record};
use crate::settings::Settings;
use crate::{health, txt};

/// The only priority there is.
const PRIORITY: u16 = 1;

/// SRV records of instances in their order, with what belongs to their targets.
pub(crate) fn records(
    settings: &Settings,
    asked: Asked<'_>,
    origin: Origin<'_>,
    ttl: u32,
    instances: &[&CheckServiceNode],
) -> Composed {
    let translation = translation(settings);
    let accept = Accept::of(Kind::SRV);
    let mut composed = Composed::default();
    let mut seen = HashSet::with_capacity(instances.len());
    for instance in instances {
        let CheckServiceNode { node, service, .. } = *instance;
        let service_address = address::of_service(service, accept, translation, origin.datacenter);
        let port = address::port(service, translation, origin.datacenter);
        if !seen.insert((node.node.as_str(), service_address, port)) {
            continue;
        }
        let Some(form) = form(instance, asked.name.as_str(), accept, translation, origin.datacenter) else { continue };
        let node_name = || node_target(node, origin, asked.domain);
        let target = match form {
            Form::Node(_) => node_name(),
            Form::Address(ip) => address_target(ip, origin, asked.domain),
            Form::Name(name) => Name::new(name),
        };
        match form {
            Form::Node(ip) | Form::Address(ip) => {
                composed.additional.push(Record { owner: target.clone(), ttl, data: Data::of_ip(ip) });
            }
            Form::Name(_) => {
                composed.follow.push(Follow::Additional { at: composed.additional.len(), name: target.clone() });
            }
        }
        if settings.node_meta_txt && !node.meta.is_empty() {
            let owner = if matches!(form, Form::Node(_)) { target.clone() } else { node_name() };
            composed.additional.extend(txt::records(node, &owner, ttl));
        }
        let data = Data::Srv {
            priority: PRIORITY,
            weight: health::weight(instance),
            // Whatever number is registered, its low bits are published.
            port: (port & 0xffff) as u16,
            target,
        };
        composed.answer.push(Record { owner: asked.name.clone(), ttl, data });
        if composed.answer.len() == asked.most {
            break;
        }
    }
    composed
}

/// The name of an instance's node.
fn node_target(node: &Node, origin: Origin<'_>, domain: &str) -> Name {
    let name = &node.node;
    match origin {
        Origin { peer: "", datacenter } => Name::new(&format!("{name}.node.{datacenter}.{domain}")),
        Origin { peer, .. } => Name::new(&format!("{name}.node.{peer}.peer.{domain}")),
    }
}

/// The name that stands for an address.
fn address_target(ip: IpAddr, origin: Origin<'_>, domain: &str) -> Name {
    let mut name = String::with_capacity(64);
    let mut digits = |octets: &[u8]| {
        for octet in octets {
            // Writing into a String cannot fail.
            let _ = write!(name, "{octet:02x}");
        }
    };
    match ip {
        IpAddr::V4(ip) => digits(&ip.octets()),
        IpAddr::V6(ip) => digits(&ip.octets()),
    }
    name.push_str(".addr.");
    if origin.peer.is_empty() {
        name.push_str(origin.datacenter);
        name.push('.');
    }
    name.push_str(domain);
    Name::new(&name)
}

#[cfg(test)]
#[path = "srv_tests.rs"]
mod tests;
