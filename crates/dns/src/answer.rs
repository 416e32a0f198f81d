//! Address records of instances, composed without asking anybody (`docs/spec/dns.md` §5.2, §6, §8.2, §14).

use std::collections::HashSet;
use std::net::IpAddr;

use types::CheckServiceNode;

use crate::address::{Accept, Form, Translation, fits, form};
use crate::codec::{Kind, Name, Rcode};
use crate::message::{Data, Record};
use crate::settings::Settings;

/// What is asked, as far as answers depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The name as typed.
    pub(crate) name: &'a Name,
    /// The type.
    pub(crate) kind: Kind,
    /// The domain at the end of the name, as typed, with its dot.
    pub(crate) domain: &'a str,
    /// Answers that can be sent at most, and one more to tell that there are more.
    pub(crate) most: usize,
}

/// Where instances come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Their datacenter; empty for a peer's.
    pub(crate) datacenter: &'a str,
    /// Their peer; empty for none.
    pub(crate) peer: &'a str,
}

/// Sections of an answer, and the names whose records are still missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) answer: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) follow: Vec<Follow>,
}

/// A name that is to be resolved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Its records go behind the answers.
    Answer(Name),
    /// Its records go before this place of Additional.
    Additional { at: usize, name: Name },
}

/// What a lookup in the catalog's domains answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rcode: Rcode,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    /// Whether the zone's SOA record goes into Authority.
    pub(crate) soa: bool,
    /// Whether the answer depends on the client's subnet.
    pub(crate) by_subnet: bool,
}

impl Answer {
    /// An empty answer.
    pub(crate) fn empty(rcode: Rcode) -> Answer {
        Answer { rcode, answer: vec![], authority: vec![], additional: vec![], soa: false, by_subnet: false }
    }

    /// The name does not exist.
    pub(crate) fn not_found() -> Answer {
        Answer { soa: true, ..Answer::empty(Rcode::NxDomain) }
    }

    /// Answers about instances: without any, the name exists but has nothing of this type.
    pub(crate) fn of_instances(composed: Composed) -> Answer {
        let Composed { answer, additional, follow: _ } = composed;
        Answer { soa: answer.is_empty(), answer, additional, ..Answer::empty(Rcode::NoError) }
    }
}

/// Address records of instances in their order, without repeats, at most `a_record_limit` instances'. Instances that
/// are known by a name only count when there is no address: then the first of them gives the answer.
pub(crate) fn addresses(
    settings: &Settings,
    asked: Asked<'_>,
    origin: Origin<'_>,
    ttl: u32,
    instances: &[&CheckServiceNode],
) -> Composed {
    let translation = translation(settings);
    let limit = match usize::try_from(settings.a_record_limit) {
        Ok(limit) if limit > 0 => limit.min(asked.most),
        _ => asked.most,
    };
    let mut composed = Composed::default();
    let mut seen = Seen::default();
    let mut first_name = None;
    for instance in instances {
        let accept = Accept::of(asked.kind);
        match form(instance, asked.name.as_str(), accept, translation, origin.datacenter) {
            Some(Form::Node(ip) | Form::Address(ip)) if fits(ip, asked.kind) && seen.is_new(ip) => {
                composed.answer.push(Record { owner: asked.name.clone(), ttl, data: Data::of_ip(ip) });
                if composed.answer.len() == limit {
                    break;
                }
            }
            Some(Form::Name(name)) => {
                first_name.get_or_insert(name);
            }
            _ => {}
        }
    }
    if composed.answer.is_empty()
        && let Some(name) = first_name
    {
        let name = Name::new(name);
        composed.answer.push(Record { owner: asked.name.clone(), ttl, data: Data::Cname(name.clone()) });
        composed.follow.push(Follow::Answer(name));
    }
    composed
}

/// How addresses of other datacenters are chosen.
pub(crate) fn translation(settings: &Settings) -> Translation<'_> {
    Translation { enabled: settings.translate_wan_addrs, own_datacenter: &settings.datacenter }
}

/// So few addresses are compared one by one.
const FEW: usize = 16;

/// Addresses that were used already.
#[derive(Default)]
struct Seen {
    few: Vec<IpAddr>,
    many: HashSet<IpAddr>,
}

impl Seen {
    fn is_new(&mut self, address: IpAddr) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(address);
        }
        if self.few.contains(&address) {
            return false;
        }
        self.few.push(address);
        if self.few.len() > FEW {
            self.many.extend(self.few.drain(..));
        }
        true
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
