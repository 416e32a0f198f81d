//! How prepared queries and their results look over HTTP: every key is there, lists that were never set are null
//! (`docs/spec/http-api.md` §11).

use std::collections::BTreeMap;

use serde::Serialize;
use types::method::QueryExecuteReply;
use types::prepared_query::{QueryDns, QueryFailover, QueryFailoverTarget, QueryTemplate, ServiceQuery};
use types::{CheckServiceNode, Consistency, HealthCheck, Node, NodeService, PreparedQuery, QueryMeta};

use crate::routes::view::List;

type Strings = BTreeMap<String, String>;

/// A query.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    session: &'a str,
    token: &'a str,
    template: &'a QueryTemplate,
    service: ServiceView<'a>,
    #[serde(rename = "DNS")]
    dns: &'a QueryDns,
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a PreparedQuery> for QueryView<'a> {
    fn from(query: &'a PreparedQuery) -> QueryView<'a> {
        QueryView {
            id: &query.id,
            name: &query.name,
            session: &query.session,
            token: &query.token,
            template: &query.template,
            service: ServiceView::from(&query.service),
            dns: &query.dns,
            create_index: query.create_index,
            modify_index: query.modify_index,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceView<'a> {
    service: &'a str,
    failover: FailoverView<'a>,
    only_passing: bool,
    #[serde(rename = "IgnoreCheckIDs")]
    ignore_check_ids: Option<&'a [String]>,
    near: &'a str,
    tags: Option<&'a [String]>,
    node_meta: Option<&'a Strings>,
    service_meta: Option<&'a Strings>,
    connect: bool,
    peer: &'a str,
}

impl<'a> From<&'a ServiceQuery> for ServiceView<'a> {
    fn from(service: &'a ServiceQuery) -> ServiceView<'a> {
        ServiceView {
            service: &service.service,
            failover: FailoverView::from(&service.failover),
            only_passing: service.only_passing,
            ignore_check_ids: some(&service.ignore_check_ids),
            near: &service.near,
            tags: some(&service.tags),
            node_meta: Some(&service.node_meta).filter(|meta| !meta.is_empty()),
            service_meta: Some(&service.service_meta).filter(|meta| !meta.is_empty()),
            connect: service.connect,
            peer: &service.peer,
        }
    }
}

/// A list that is null when it is empty.
fn some<T>(list: &[T]) -> Option<&[T]> {
    Some(list).filter(|list| !list.is_empty())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailoverView<'a> {
    nearest_n: i64,
    datacenters: Option<&'a [String]>,
    targets: Option<List<'a, QueryFailoverTarget, TargetView<'a>>>,
}

impl<'a> From<&'a QueryFailover> for FailoverView<'a> {
    fn from(failover: &'a QueryFailover) -> FailoverView<'a> {
        FailoverView {
            nearest_n: failover.nearest_n,
            datacenters: some(&failover.datacenters),
            targets: some(&failover.targets).map(|targets| List(targets, TargetView::from)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetView<'a> {
    peer: &'a str,
    datacenter: &'a str,
}

impl<'a> From<&'a QueryFailoverTarget> for TargetView<'a> {
    fn from(target: &'a QueryFailoverTarget) -> TargetView<'a> {
        TargetView { peer: &target.peer, datacenter: &target.datacenter }
    }
}

/// A query as it would run, with the answer's metadata.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ExplainView<'a> {
    pub(super) query: QueryView<'a>,
    #[serde(flatten)]
    pub(super) meta: MetaView,
}

/// What a query found, with the answer's metadata.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResultView<'a> {
    service: &'a str,
    nodes: List<'a, CheckServiceNode, InstanceView<'a>>,
    #[serde(rename = "DNS")]
    dns: &'a QueryDns,
    datacenter: &'a str,
    peer_name: &'a str,
    failovers: u64,
    #[serde(flatten)]
    meta: MetaView,
}

impl<'a> ResultView<'a> {
    pub(super) fn new(reply: &'a QueryExecuteReply, mode: Consistency) -> ResultView<'a> {
        ResultView {
            service: &reply.service,
            nodes: List(&reply.nodes, InstanceView::from),
            dns: &reply.dns,
            datacenter: &reply.datacenter,
            peer_name: &reply.peer_name,
            failovers: reply.failovers,
            meta: MetaView::new(&reply.meta, mode),
        }
    }
}

/// An instance. Unlike in other lists, tags and checks may be null here.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceView<'a> {
    node: &'a Node,
    service: &'a NodeService,
    checks: Option<List<'a, std::sync::Arc<HealthCheck>, &'a HealthCheck>>,
}

impl<'a> From<&'a CheckServiceNode> for InstanceView<'a> {
    fn from(instance: &'a CheckServiceNode) -> InstanceView<'a> {
        InstanceView {
            node: &instance.node,
            service: &instance.service,
            checks: some(&instance.checks).map(|checks| List(checks, |check| &**check)),
        }
    }
}

/// Metadata of an answer that has it in its body, too.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetaView {
    index: u64,
    /// Nanoseconds.
    last_contact: u64,
    known_leader: bool,
    consistency_level: &'static str,
    not_modified: bool,
    /// The state itself; nothing else answers queries.
    backend: u8,
    #[serde(rename = "ResultsFilteredByACLs")]
    results_filtered_by_acls: bool,
}

impl MetaView {
    pub(super) fn new(meta: &QueryMeta, mode: Consistency) -> MetaView {
        MetaView {
            index: meta.index.max(1),
            last_contact: u64::try_from(meta.last_contact.as_nanos()).unwrap_or(u64::MAX),
            known_leader: meta.known_leader,
            consistency_level: match mode {
                Consistency::Default => "leader",
                Consistency::Consistent => "consistent",
                Consistency::Stale => "stale",
            },
            not_modified: false,
            backend: 0,
            results_filtered_by_acls: meta.filtered_by_acls,
        }
    }
}
