//! What tests share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use types::{CheckServiceNode, HealthCheck, Node, NodeService, ServiceAddress};

use crate::codec::Name;
use crate::message::{Data, Record};
use crate::settings::{RecursorStrategy, Settings, Soa};

/// The reference's defaults.
pub(crate) fn settings() -> Settings {
    Settings {
        domain: "consul".to_owned(),
        alt_domain: String::new(),
        datacenter: "dc1".to_owned(),
        node_name: "n1".to_owned(),
        segment: String::new(),
        node_ttl: Duration::ZERO,
        service_ttl: BTreeMap::new(),
        only_passing: false,
        udp_answer_limit: 3,
        a_record_limit: 0,
        disable_compression: false,
        enable_truncate: false,
        node_meta_txt: true,
        allow_stale: true,
        max_stale: Duration::from_secs(87_600 * 3600),
        recursors: Vec::new(),
        recursor_strategy: RecursorStrategy::Sequential,
        recursor_timeout: Duration::from_secs(2),
        soa: Soa::default(),
        use_cache: false,
        cache_max_age: Duration::ZERO,
        translate_wan_addrs: false,
        token: String::new(),
    }
}

/// A node of dc1.
pub(crate) fn node(name: &str, address: &str) -> Node {
    Node { node: name.to_owned(), address: address.to_owned(), datacenter: "dc1".to_owned(), ..Node::default() }
}

/// An instance on a node of dc1, without checks.
pub(crate) fn instance(name: &str, address: &str, service: NodeService) -> CheckServiceNode {
    CheckServiceNode { node: Arc::new(node(name, address)), service: Arc::new(service), checks: Vec::new() }
}

/// An instance of `db` at port 12345; an empty address is the node's.
pub(crate) fn db(node: &str, node_address: &str, address: &str) -> CheckServiceNode {
    let service =
        NodeService { service: "db".to_owned(), port: 12345, address: address.to_owned(), ..NodeService::default() };
    instance(node, node_address, service)
}

/// A check of a service.
pub(crate) fn check(service: &str, status: &str) -> Arc<HealthCheck> {
    Arc::new(HealthCheck { service_name: service.to_owned(), status: status.to_owned(), ..HealthCheck::default() })
}

/// Tagged addresses of a service.
pub(crate) fn tagged(tags: &[(&str, &str, i64)]) -> BTreeMap<String, ServiceAddress> {
    let one = |(tag, address, port): &(&str, &str, i64)| {
        ((*tag).to_owned(), ServiceAddress { address: (*address).to_owned(), port: *port })
    };
    tags.iter().map(one).collect()
}

/// An address record.
pub(crate) fn address_record(owner: &str, ttl: u32, address: &str) -> Record {
    Record { owner: Name::new(owner), ttl, data: Data::of_ip(address.parse().expect("address")) }
}

/// Records as text.
pub(crate) fn show(records: &[Record]) -> Vec<String> {
    records.iter().map(show_one).collect()
}

fn show_one(record: &Record) -> String {
    let Record { owner, ttl, data } = record;
    let data_text = match data {
        Data::A(address) => address.to_string(),
        Data::Aaaa(address) => address.to_string(),
        Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => name.to_string(),
        Data::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}"),
        Data::Txt(text) => format!("{:?}", String::from_utf8_lossy(text)),
        other => format!("{other:?}"),
    };
    format!("{owner} {ttl} {} {data_text}", data.kind())
}
