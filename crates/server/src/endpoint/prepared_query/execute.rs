//! Runs a prepared query: instances, filters, order, limit, and other places when there is nothing here
//! (`docs/spec/http-api.md` §11).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use state::Snapshot;
use telemetry::metrics::{self, Sample};
use types::method::{PreparedQueryExecute, QueryExecuteReply, QueryExecuteRequest};
use types::prepared_query::ServiceQuery;
use types::{CheckServiceNode, CheckStatus, HealthCheck, QuerySource, RpcError};

use super::shuffle::shuffle;
use crate::config::ServerConfig;
use crate::endpoint::{LOCAL, sort};
use crate::server::{Handle, Server};

/// Stands for the agent that asks, as the node to be near to.
const NEAR_AGENT: &str = "_agent";
/// Stands for the node with the client's address.
const NEAR_CLIENT: &str = "_ip";
/// The node to be near to is put first if it is among so many.
const FIRST_NODES: usize = 10;
/// A tag that an instance must not have starts with it.
const NOT: char = '!';

/// Times every execution.
static EXECUTE: LazyLock<Sample> = LazyLock::new(|| metrics::sample("prepared-query.execute"));

impl Handle<PreparedQueryExecute> for Server {
    async fn handle(&self, request: QueryExecuteRequest) -> Result<QueryExecuteReply, RpcError> {
        let _timing = EXECUTE.timing();
        self.shared.check_datacenter(&request.options.datacenter)?;
        self.shared.check_consistency(request.options.consistency).await?;
        let snapshot = self.shared.store.snapshot();
        let query = super::resolve(&snapshot, &request)?;
        let service = &query.service;
        let execution = Execution { config: &self.shared.config, snapshot: &snapshot, service, request: &request };
        let found = execution.run();
        Ok(QueryExecuteReply {
            service: service.service.clone(),
            nodes: found.nodes,
            dns: query.dns.clone(),
            datacenter: if found.peer.is_empty() { self.shared.config.datacenter.clone() } else { String::new() },
            peer_name: found.peer.to_owned(),
            failovers: found.failovers,
            meta: self.shared.meta(0),
        })
    }
}

/// One execution.
struct Execution<'a> {
    config: &'a ServerConfig,
    snapshot: &'a Snapshot,
    service: &'a ServiceQuery,
    request: &'a QueryExecuteRequest,
}

/// What an execution ended with.
struct Found<'a> {
    nodes: Vec<CheckServiceNode>,
    /// The peering asked last; empty for this datacenter itself.
    peer: &'a str,
    failovers: u64,
}

impl<'a> Execution<'a> {
    fn run(&self) -> Found<'a> {
        let here = self.service.peer.as_str();
        let mut found = Found { nodes: self.at(here), peer: here, failovers: 0 };
        for peer in self.other_peers() {
            if !found.nodes.is_empty() {
                break;
            }
            found = Found { nodes: self.at(peer), peer, failovers: found.failovers + 1 };
        }
        found
    }

    /// The peerings to ask when there is nothing here. Datacenters are not among them: this server knows of none but
    /// its own, and a target that names one of the others is dropped with its peer.
    fn other_peers(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let targets = self.service.failover.targets.iter();
        targets.filter(|target| target.datacenter.is_empty() && !target.peer.is_empty()).map(|target| &*target.peer)
    }

    /// The instances this datacenter or a peering has, in order.
    fn at(&self, peer: &str) -> Vec<CheckServiceNode> {
        let name = self.service.service.as_str();
        let (_, mut nodes) = match self.service.connect || self.request.connect {
            true => self.snapshot.connect_check_service_nodes(peer, name),
            false => self.snapshot.check_service_nodes(peer, name),
        };
        let filter = Filter::new(self.service);
        nodes.retain(|node| filter.keeps(node));
        shuffle(&mut nodes);
        // Coordinates are those of this datacenter's own nodes.
        if peer.is_empty() {
            self.sort(&mut nodes);
        }
        if let Ok(limit) = usize::try_from(self.request.limit)
            && limit > 0
        {
            nodes.truncate(limit);
        }
        nodes
    }

    fn sort(&self, nodes: &mut [CheckServiceNode]) {
        let Some(source) = self.source() else { return };
        sort::by_distance(self.config, self.snapshot, &source, nodes, |node| &node.node.node);
        if !source.datacenter.is_empty() && source.datacenter != self.config.datacenter {
            return;
        }
        // It trades places with the first, as in the reference.
        let is_source = |node: &CheckServiceNode| is_same(&node.node.node, &source.node);
        if let Some(at) = nodes.iter().take(FIRST_NODES).position(is_source) {
            nodes.swap(0, at);
        }
    }

    /// Where to sort from: what the request asks for, else what the query asks for.
    fn source(&self) -> Option<QuerySource> {
        let (asked, agent) = (&self.request.source, &self.request.agent);
        let (wanted, base) = match asked.node.as_str() {
            "" => (self.service.near.as_str(), agent),
            node => (node, asked),
        };
        let node = match wanted {
            "" => return None,
            NEAR_AGENT => agent.node.clone(),
            NEAR_CLIENT => self.clients_node()?,
            node => node.to_owned(),
        };
        Some(QuerySource { node, ..base.clone() })
    }

    /// Name of the node whose address is the client's.
    fn clients_node(&self) -> Option<String> {
        let address = &self.request.source_ip;
        if address.is_empty() {
            return None;
        }
        let (_, nodes) = self.snapshot.nodes(LOCAL, &BTreeMap::new());
        nodes.iter().find(|node| node.address == *address).map(|node| node.node.clone())
    }
}

/// Which instances a query wants.
struct Filter<'a> {
    service: &'a ServiceQuery,
    wanted_tags: Vec<&'a str>,
    unwanted_tags: Vec<&'a str>,
}

impl<'a> Filter<'a> {
    fn new(service: &'a ServiceQuery) -> Filter<'a> {
        let (unwanted, wanted): (Vec<&str>, Vec<&str>) =
            service.tags.iter().map(String::as_str).partition(|tag| tag.starts_with(NOT));
        let unwanted_tags = unwanted.into_iter().filter_map(|tag| tag.strip_prefix(NOT)).collect();
        Filter { service, wanted_tags: wanted, unwanted_tags }
    }

    fn keeps(&self, node: &CheckServiceNode) -> bool {
        node.checks.iter().all(|check| self.bears(check))
            && has_all(&node.node.meta, &self.service.node_meta)
            && has_all(&node.service.meta, &self.service.service_meta)
            && self.wanted_tags.iter().all(|tag| has_tag(node, tag))
            && !self.unwanted_tags.iter().any(|tag| has_tag(node, tag))
    }

    /// Whether an instance with this check is still wanted.
    fn bears(&self, check: &HealthCheck) -> bool {
        if self.service.ignore_check_ids.contains(&check.check_id) {
            return true;
        }
        match self.service.only_passing {
            true => check.status == CheckStatus::Passing.as_str(),
            false => check.status != CheckStatus::Critical.as_str(),
        }
    }
}

fn has_tag(node: &CheckServiceNode, wanted: &str) -> bool {
    node.service.tags.iter().any(|tag| is_same(tag, wanted))
}

fn has_all(meta: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| meta.get(key) == Some(value))
}

/// Equal but for case.
fn is_same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!a.is_ascii() && a.to_lowercase() == b.to_lowercase())
}
