//! The server's own node, service and health check in the catalog (`docs/spec/server-operations.md` §3.5).

use std::collections::BTreeMap;

use state::{Outcome, Snapshot};
use types::{
    CONSUL_SERVICE, CheckStatus, HealthCheck, MessageType, NodeService, RegisterRequest, RpcError, SERF_HEALTH,
    SERF_HEALTH_ALIVE_OUTPUT, SERF_HEALTH_NAME, Weights,
};

use crate::config::ServerConfig;
use crate::endpoint::LOCAL;
use crate::server::Shared;

/// Versions of the membership protocol that a server announces in its service's metadata.
const SERF_PROTOCOL: [(&str, &str); 3] =
    [("serf_protocol_current", "2"), ("serf_protocol_max", "5"), ("serf_protocol_min", "1")];

/// Registers this server, unless the catalog says the same already.
pub(super) async fn register_self(shared: &Shared) -> Result<(), RpcError> {
    let mut wanted = registration(&shared.config);
    {
        let snapshot = shared.store.snapshot();
        if is_registered(&snapshot, &wanted) {
            return Ok(());
        }
        wanted.skip_node_update = is_node_there(&snapshot, &wanted);
    }
    let member = shared.config.node_name.as_str();
    tracing::info!(target: "agent.server", member, "member joined, marking health alive");
    match shared.propose(MessageType::Register, &wanted).await? {
        Outcome::Error(text) => Err(RpcError::other(text)),
        _ => Ok(()),
    }
}

/// What the leader writes of itself. Tagged addresses and metadata of the node are its agent's to write.
fn registration(config: &ServerConfig) -> RegisterRequest {
    let check = HealthCheck {
        node: config.node_name.clone(),
        check_id: SERF_HEALTH.to_owned(),
        name: SERF_HEALTH_NAME.to_owned(),
        status: CheckStatus::Passing.as_str().to_owned(),
        output: SERF_HEALTH_ALIVE_OUTPUT.to_owned(),
        ..HealthCheck::default()
    };
    RegisterRequest {
        datacenter: config.datacenter.clone(),
        id: config.node_id.to_string(),
        node: config.node_name.clone(),
        address: config.addresses.advertise.to_string(),
        service: Some(own_service(config)),
        checks: vec![check],
        ..RegisterRequest::default()
    }
}

fn own_service(config: &ServerConfig) -> NodeService {
    let mut meta: BTreeMap<String, String> = [
        ("non_voter", "false"),
        ("read_replica", "false"),
        ("raft_version", "3"),
        ("version", types::COMPATIBLE_VERSION),
    ]
    .into_iter()
    .chain(SERF_PROTOCOL)
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let ports = [("grpc_port", config.addresses.grpc_port), ("grpc_tls_port", config.addresses.grpc_tls_port)];
    for (key, port) in ports {
        if let Some(port) = port {
            meta.insert(key.to_owned(), port.to_string());
        }
    }
    NodeService {
        id: CONSUL_SERVICE.to_owned(),
        service: CONSUL_SERVICE.to_owned(),
        port: i64::from(config.addresses.server_port),
        meta,
        weights: Some(Weights::default()),
        ..NodeService::default()
    }
}

fn is_registered(snapshot: &Snapshot, wanted: &RegisterRequest) -> bool {
    let Some(found) = snapshot.node_services(LOCAL, &wanted.node).1 else { return false };
    let same_node = is_node_there(snapshot, wanted);
    let wanted_meta = wanted.service.as_ref().map(|s| &s.meta);
    let same_service = found.services.iter().any(|s| s.id == CONSUL_SERVICE && Some(&s.meta) == wanted_meta);
    let passing = snapshot
        .node_checks(LOCAL, &wanted.node)
        .1
        .iter()
        .any(|c| c.check_id == SERF_HEALTH && c.status == CheckStatus::Passing.as_str());
    same_node && same_service && passing
}

fn is_node_there(snapshot: &Snapshot, wanted: &RegisterRequest) -> bool {
    let found = snapshot.node(LOCAL, &wanted.node).1;
    found.is_some_and(|node| node.id == wanted.id && node.address == wanted.address)
}
