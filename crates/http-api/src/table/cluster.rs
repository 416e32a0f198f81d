//! The cluster: status, snapshots, operations, the UI's own reads, federation.

use super::{
    Action, Answers, BLOCKING, CAS, DC, FILTER, Kind, MODES, Operation, Parameter, RequestBody, Route, Tells,
    parameter, run,
};
use crate::routes::{autopilot, keyring, operator, snapshot, status};

const PEER_TO_REMOVE: &[Parameter] = &[
    parameter("id", Kind::Text, "ID of the server to remove."),
    parameter("address", Kind::Text, "Address of the server to remove."),
];
const KEYRING: &[Parameter] = &[
    parameter("relay-factor", Kind::Number, "Copies of each answer, through other nodes."),
    parameter("local-only", Kind::Boolean, "Ask this datacenter only; for listing."),
];
const STALE: &[Parameter] = &[parameter("stale", Kind::Flag, "Any server may answer.")];
const PEER: &[Parameter] = &[parameter("peer", Kind::Text, "Name of a peering.")];
const SERVICE_KIND: &[Parameter] = &[parameter("kind", Kind::Text, "Empty or ingress-gateway; must be given.")];

const UI_BACKEND: Action = Action::Later("the web UI's backend");
const FEDERATION: Action = Action::Later("federation between datacenters");

const fn ui_list(does: &'static str) -> Operation {
    Operation::get(does, UI_BACKEND).with(&[FILTER, PEER, DC, BLOCKING, MODES]).telling(Tells::All)
}

const fn key_change(operation: Operation) -> Operation {
    operation.with(&[KEYRING]).taking(RequestBody::Json).answering(Answers::Empty)
}

pub(super) const ROUTES: &[Route] = &[
    Route::exact(
        "/v1/status/leader",
        &[Operation::get("Address of the leader; empty without one.", run!(status::leader)).with(&[DC])],
    ),
    Route::exact("/v1/status/peers", &[Operation::get("Addresses of all servers.", run!(status::peers)).with(&[DC])]),
    Route::exact(
        "/v1/snapshot",
        &[
            Operation::get("The whole state as an archive.", run!(snapshot::save))
                .with(&[DC, STALE])
                .answering(Answers::Binary)
                .telling(Tells::All),
            Operation::put("Replace the whole state by an archive's.", run!(snapshot::restore))
                .with(&[DC])
                .taking(RequestBody::Raw)
                .answering(Answers::Empty),
        ],
    ),
    Route::exact(
        "/v1/operator/raft/configuration",
        &[Operation::get("Servers of the Raft configuration.", run!(operator::raft_configuration)).with(&[DC, STALE])],
    ),
    Route::exact(
        "/v1/operator/raft/peer",
        &[Operation::delete("Remove a server from the Raft configuration.", run!(operator::remove_peer))
            .with(&[PEER_TO_REMOVE, DC])
            .answering(Answers::Empty)],
    ),
    Route::exact(
        "/v1/operator/keyring",
        &[
            Operation::get("List gossip keys.", run!(keyring::list)).with(&[KEYRING]),
            key_change(Operation::post("Install a gossip key.", run!(keyring::install))),
            key_change(Operation::put("Use a gossip key as primary.", run!(keyring::use_key))),
            key_change(Operation::delete("Remove a gossip key.", run!(keyring::remove))),
        ],
    ),
    Route::exact(
        "/v1/operator/autopilot/configuration",
        &[
            Operation::get("Read autopilot's configuration.", run!(autopilot::configuration)).with(&[DC, STALE]),
            Operation::put("Change autopilot's configuration.", run!(autopilot::set_configuration))
                .with(&[CAS, DC])
                .taking(RequestBody::Json),
        ],
    ),
    Route::exact(
        "/v1/operator/autopilot/health",
        &[Operation::get("Health of servers.", run!(autopilot::health)).with(&[DC])],
    ),
    Route::exact(
        "/v1/operator/autopilot/state",
        &[Operation::get("Autopilot's view.", run!(autopilot::state)).with(&[DC, STALE])],
    ),
    Route::exact("/v1/internal/ui/nodes", &[ui_list("List nodes with services and checks.")]),
    Route::subtree("/v1/internal/ui/node/", "node", &[ui_list("Read a node with services and checks.")]),
    Route::exact("/v1/internal/ui/services", &[ui_list("Summarise services.")]),
    Route::exact("/v1/internal/ui/exported-services", &[ui_list("List services exported to a peering.")]),
    Route::exact("/v1/internal/ui/catalog-overview", &[Operation::get("Count nodes, services, checks.", UI_BACKEND)]),
    Route::subtree("/v1/internal/ui/gateway-services-nodes/", "gateway", &[ui_list("Summarise a gateway's services.")]),
    Route::subtree("/v1/internal/ui/gateway-intentions/", "gateway", &[ui_list("List a gateway's intentions.")]),
    Route::subtree(
        "/v1/internal/ui/service-topology/",
        "service",
        &[Operation::get("A service's neighbours in the mesh.", UI_BACKEND)
            .with(&[SERVICE_KIND, DC, BLOCKING, MODES])
            .telling(Tells::All)],
    ),
    Route::subtree(
        "/v1/internal/ui/metrics-proxy/",
        "path",
        &[Operation::get("Ask the configured metrics system.", UI_BACKEND)],
    ),
    Route::exact(
        "/v1/internal/federation-states",
        &[Operation::get("List federation states.", FEDERATION).with(&[DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::exact(
        "/v1/internal/federation-states/mesh-gateways",
        &[Operation::get("Mesh gateways by datacenter.", FEDERATION).with(&[DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::subtree(
        "/v1/internal/federation-state/",
        "datacenter",
        &[Operation::get("Read a federation state.", FEDERATION).with(&[DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
];
