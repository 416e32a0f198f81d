//! The grammar of names in the catalog's domains (`docs/spec/dns.md` §4).

use crate::codec::{Kind, labels};

/// What a name asks for. Text is lower case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A node by name, or by the beginning of its ID.
    Node { name: String, place: Place },
    /// Instances of a service.
    Service { service: String, tag: Option<String>, place: Place },
    /// Mesh instances of a service.
    Connect { service: String, place: Place },
    /// Gateways that expose a service.
    Ingress { service: String, place: Place },
    /// The virtual IP of a service; of a peer's unless `peer` is empty.
    Virtual { service: String, peer: String },
    /// A prepared query by name or ID.
    Query { name: String, place: Place },
    /// An address in hexadecimal digits.
    Addr { digits: String },
}

/// Where to look; empty for here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) datacenter: String,
    pub(crate) peer: String,
}

/// The name has none of the forms there are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Reads what stands before the domain, in lower case.
pub(crate) fn parse(name: &str, kind: Kind) -> Result<Lookup, Invalid> {
    let labels = labels(name);
    let Keyword { word, parts, suffix } = keyword(&labels, kind).ok_or(Invalid)?;
    let Some(last) = parts.last().map(|&last| last.to_owned()) else { return Err(Invalid) };
    Ok(match word {
        "node" => Lookup::Node { name: parts.join("."), place: place(suffix)? },
        "service" => {
            let (service, tag) = service_and_tag(parts);
            Lookup::Service { service, tag, place: place(suffix)? }
        }
        // Mesh instances of peers are not addressable: the peer is ignored.
        "connect" => Lookup::Connect { service: last, place: own(place(suffix)?) },
        "ingress" => Lookup::Ingress { service: last, place: own(place(suffix)?) },
        "virtual" => Lookup::Virtual { service: last, peer: virtual_peer(suffix)? },
        "query" => {
            let datacenter = match suffix {
                [] => String::new(),
                [datacenter] => (*datacenter).to_owned(),
                _ => return Err(Invalid),
            };
            Lookup::Query { name: parts.join("."), place: Place { datacenter, peer: String::new() } }
        }
        "addr" if parts.len() == 1 => Lookup::Addr { digits: last },
        _ => return Err(Invalid),
    })
}

struct Keyword<'a> {
    word: &'a str,
    parts: &'a [&'a str],
    suffix: &'a [&'a str],
}

/// Finds the right-most keyword. In a question for SRV, a label that starts with an underscore and comes before any
/// keyword stands for `service`.
fn keyword<'a>(labels: &'a [&'a str], kind: Kind) -> Option<Keyword<'a>> {
    for (at, &label) in labels.iter().enumerate().rev() {
        let (before, rest) = labels.split_at(at);
        let suffix = rest.get(1..).unwrap_or_default();
        if matches!(label, "service" | "connect" | "virtual" | "ingress" | "node" | "query" | "addr") {
            return Some(Keyword { word: label, parts: before, suffix });
        }
        if kind == Kind::SRV && label.starts_with('_') {
            return Some(Keyword { word: "service", parts: labels.get(..=at).unwrap_or_default(), suffix });
        }
    }
    None
}

/// `tag.service`, or RFC 2782's `_service._tag`, where the tag `tcp` is none.
fn service_and_tag(parts: &[&str]) -> (String, Option<String>) {
    if let [service, tag] = parts
        && let (Some(service), Some(tag)) = (service.strip_prefix('_'), tag.strip_prefix('_'))
    {
        return (service.to_owned(), Some(tag).filter(|tag| !matches!(*tag, "" | "tcp")).map(str::to_owned));
    }
    match parts {
        [tag @ .., service] => ((*service).to_owned(), Some(tag.join(".")).filter(|_| !tag.is_empty())),
        [] => (String::new(), None),
    }
}

fn place(suffix: &[&str]) -> Result<Place, Invalid> {
    let datacenter = |name: &str| Place { datacenter: name.to_owned(), peer: String::new() };
    let peer = |name: &str| Place { datacenter: String::new(), peer: name.to_owned() };
    Ok(match suffix {
        [] => Place::default(),
        [name] | [name, "dc"] | [_, "dc", name, "dc"] => datacenter(name),
        [name, "peer"] | [_, "peer", name, "peer"] => peer(name),
        _ => return Err(Invalid),
    })
}

fn own(place: Place) -> Place {
    Place { peer: String::new(), ..place }
}

/// Like [`place`], but a single label is a peer and datacenters are ignored.
fn virtual_peer(suffix: &[&str]) -> Result<String, Invalid> {
    match suffix {
        [peer] => Ok((*peer).to_owned()),
        suffix => place(suffix).map(|place| place.peer),
    }
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
