//! Lookups of names in the catalog's domains, one file for each kind (`docs/spec/dns.md` §5).

mod addr;
mod node;
mod query;
mod reverse;
mod service;
mod soa_ns;
mod virtual_ip;

use std::net::IpAddr;
use std::time::Duration;

use types::{Consistency, QueryOptions, RpcError};

use crate::answer::{Answer, Asked};
use crate::codec::{Kind, Name, Rcode};
use crate::context::Context;
use crate::name::{self, Lookup};
use crate::settings::Live;

use service::Wanted;

pub(crate) use reverse::reverse;
pub(crate) use soa_ns::soa_record;

/// How often a name may stand for another one (`docs/spec/dns.md` §8).
pub(crate) const LEVELS: u8 = 3;
/// An answer older than this counts as stale (`docs/spec/dns.md` §21).
const STALE: Duration = Duration::from_secs(5);

/// A question on its way through a lookup.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) context: &'a Context,
    pub(crate) live: &'a Live,
    /// The name as typed.
    pub(crate) name: &'a Name,
    pub(crate) kind: Kind,
    /// Bytes at the end of the name that are the domain.
    pub(crate) domain_bytes: usize,
    /// Whether the request has an OPT record.
    pub(crate) edns: bool,
    /// See [`Asked::most`].
    pub(crate) most: usize,
    /// How many names may still be followed.
    pub(crate) level: u8,
    /// The client, or whom it asks for.
    pub(crate) source_ip: Option<IpAddr>,
}

impl<'a> Ask<'a> {
    /// The name before the domain, and the domain, both as typed.
    fn split(&self) -> (&'a str, &'a str) {
        let name = self.name.as_str();
        name.split_at_checked(name.len() - self.domain_bytes.min(name.len())).unwrap_or((name, ""))
    }

    /// The domain as typed.
    fn domain(&self) -> &'a str {
        self.split().1
    }

    fn asked(&self) -> Asked<'a> {
        Asked { name: self.name, kind: self.kind, domain: self.domain(), most: self.most }
    }

    /// The owner of answers that spell the name in lower case; the domain stays as typed.
    fn lower_owner(&self) -> Name {
        let (before, domain) = self.split();
        Name::new(&format!("{}{domain}", before.to_ascii_lowercase()))
    }

    /// The datacenter a lookup is about.
    fn datacenter<'b>(&'b self, named: &'b str) -> &'b str {
        if named.is_empty() { &self.live.settings.datacenter } else { named }
    }

    fn options(&self, datacenter: &str, consistency: Consistency) -> QueryOptions {
        QueryOptions {
            datacenter: datacenter.to_owned(),
            token: self.live.settings.token.clone(),
            consistency,
            ..QueryOptions::default()
        }
    }

    /// The freshness a first read asks for.
    fn consistency(&self) -> Consistency {
        if self.live.may_be_stale() { Consistency::Stale } else { Consistency::Default }
    }

    /// Whether an answer is too old and must be read again; counts it as stale when it is not but could be
    /// (`docs/spec/dns.md` §18, §21).
    fn must_read_again(&self, last_contact: Duration) -> bool {
        let settings = &self.live.settings;
        if !settings.allow_stale {
            return false;
        }
        if last_contact > settings.max_stale {
            tracing::warn!(target: "agent.dns", "Query results too stale, re-requesting");
            return true;
        }
        if last_contact > STALE {
            self.context.metrics.stale_queries.one();
        }
        false
    }
}

/// Answers a question about a name in one of the catalog's domains.
pub(crate) async fn catalog(ask: &Ask<'_>) -> Answer {
    match ask.kind {
        Kind::SOA => return soa_ns::soa(ask).await,
        Kind::NS => return soa_ns::ns(ask).await,
        Kind::AXFR => return Answer::empty(Rcode::NotImp),
        _ => {}
    }
    let before_domain = ask.split().0.to_ascii_lowercase();
    let Ok(lookup) = name::parse(&before_domain, ask.kind) else {
        tracing::warn!(target: "agent.dns", qname = %ask.name, "QName invalid");
        return Answer::not_found();
    };
    let found = match lookup {
        Lookup::Node { name, place } => node::find(ask, &name, &place).await,
        Lookup::Service { service, tag, place } => {
            let wanted = Wanted { service: &service, tag: tag.as_deref(), ..Wanted::default() };
            service::find(ask, wanted, &place).await
        }
        Lookup::Connect { service, place } => {
            service::find(ask, Wanted { service: &service, connect: true, ..Wanted::default() }, &place).await
        }
        Lookup::Ingress { service, place } => {
            service::find(ask, Wanted { service: &service, ingress: true, ..Wanted::default() }, &place).await
        }
        Lookup::Virtual { service, peer } => virtual_ip::find(ask, service, &peer).await,
        // Boxed, for it is large, and the future of every question would be as large.
        Lookup::Query { name, place } => Box::pin(query::find(ask, name, &place)).await,
        Lookup::Addr { digits } => Ok(addr::find(ask, &digits)),
    };
    found.unwrap_or_else(|error| failed(&error))
}

/// What a failed read answers (`docs/spec/dns.md` §12).
fn failed(error: &RpcError) -> Answer {
    if error.to_string().contains("No path to datacenter") {
        return Answer::not_found();
    }
    tracing::error!(target: "agent.dns", error = %error, "rpc error");
    Answer::empty(Rcode::ServFail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_datacenter_is_no_failure() {
        let answer = failed(&RpcError::NoPathToDatacenter);
        assert_eq!((answer.rcode, answer.soa), (Rcode::NxDomain, true));
        let answer = failed(&RpcError::other("rpc error making call: No path to datacenter"));
        assert_eq!((answer.rcode, answer.soa), (Rcode::NxDomain, true));
        for error in [RpcError::NoLeader, RpcError::other("Permission denied"), RpcError::other("ACL not found")] {
            let answer = failed(&error);
            assert_eq!((answer.rcode, answer.soa), (Rcode::ServFail, false), "{error}");
        }
    }
}
