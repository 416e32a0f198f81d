//! The zone's own records (`docs/spec/dns.md` §11).

use std::time::{SystemTime, UNIX_EPOCH};

use types::CONSUL_SERVICE;

use super::service::{self, Wanted};
use super::{Ask, node};
use crate::answer::Answer;
use crate::codec::{Kind, Name, Rcode};
use crate::health;
use crate::message::{Data, Record, SoaData};
use crate::settings::Live;

/// Most name servers that are named.
const SERVERS_MAX: usize = 3;

/// The SOA record that belongs to this question.
pub(crate) fn soa_record(live: &Live, question: &str) -> Record {
    let domain = live.soa_domain(question);
    let soa = live.settings.soa;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // RFC 1982: serial numbers wrap.
    let serial = (now.as_secs() & u64::from(u32::MAX)) as u32;
    let data = SoaData {
        mname: Name::new(&format!("ns.{domain}")),
        rname: Name::new(&format!("hostmaster.{domain}")),
        serial,
        refresh: soa.refresh,
        retry: soa.retry,
        expire: soa.expire,
        minimum: soa.min_ttl,
    };
    Record { owner: Name::new(domain), ttl: soa.min_ttl, data: Data::Soa(Box::new(data)) }
}

pub(super) async fn soa(ask: &Ask<'_>) -> Answer {
    let (authority, additional) = name_servers(ask).await;
    let answer = vec![soa_record(ask.live, ask.name.as_str())];
    Answer { answer, authority, additional, ..Answer::empty(Rcode::NoError) }
}

pub(super) async fn ns(ask: &Ask<'_>) -> Answer {
    let (answer, additional) = name_servers(ask).await;
    Answer { answer, additional, ..Answer::empty(Rcode::NoError) }
}

/// NS records of some healthy servers, and the records of their addresses. Empty when none is visible.
async fn name_servers(ask: &Ask<'_>) -> (Vec<Record>, Vec<Record>) {
    let datacenter = &ask.live.settings.datacenter;
    let wanted = Wanted { service: CONSUL_SERVICE, ..Wanted::default() };
    let servers = match service::read(ask, wanted, datacenter).await {
        Ok(servers) => servers,
        Err(error) => {
            tracing::warn!(target: "agent.dns", error = %error, "Unable to get list of servers");
            return (Vec::new(), Vec::new());
        }
    };
    let usable = health::usable(&servers, ask.live.settings.only_passing);
    if usable.is_empty() {
        tracing::warn!(target: "agent.dns", "no servers found");
    }
    let domain = ask.domain();
    let owner = Name::new(domain);
    let (mut names, mut glue) = (Vec::new(), Vec::new());
    for server in usable {
        let name = &server.node.node;
        if !is_host_name(name) {
            tracing::warn!(target: "agent.dns", node = name, "Skipping invalid node for NS records");
            continue;
        }
        let target = Name::new(&format!("{name}.node.{datacenter}.{domain}").to_lowercase());
        glue.extend(node::records(ask, &server.node, &target, Kind::ANY).await);
        names.push(Record { owner: owner.clone(), ttl: ask.live.node_ttl, data: Data::Ns(target) });
        if names.len() == SERVERS_MAX {
            break;
        }
    }
    (names, glue)
}

/// Whether a name of a node can be that of a name server; a backslash passes, as in the reference.
fn is_host_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, Soa};
    use crate::testing::settings;

    #[test]
    fn rows_26_to_29_of_the_fact_table() {
        for (soa, want) in [
            (Soa::default(), (0, 3600, 600, 86400, 0)),
            (Soa { min_ttl: 60, expire: 43200, refresh: 1800, retry: 300 }, (60, 1800, 300, 43200, 60)),
            (Soa { min_ttl: 60, expire: 43200, ..Soa::default() }, (60, 3600, 600, 43200, 60)),
            (Soa { refresh: 1800, retry: 300, ..Soa::default() }, (0, 1800, 300, 86400, 0)),
        ] {
            let live = Live::new(Settings { soa, ..settings() }).expect("settings");
            let record = soa_record(&live, "nofoo.node.dc1.consul.");
            let Data::Soa(data) = &record.data else { panic!("{record:?}") };
            assert_eq!((record.ttl, data.refresh, data.retry, data.expire, data.minimum), want);
            assert_eq!((data.mname.as_str(), data.rname.as_str()), ("ns.consul.", "hostmaster.consul."));
        }
    }

    #[test]
    fn names_of_servers() {
        assert!(is_host_name("server-1") && is_host_name("a\\b"));
        assert!(!is_host_name("srv.2") && !is_host_name("a_b") && !is_host_name("\u{e9}"));
    }
}
