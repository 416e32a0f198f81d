//! What a cluster says about itself: coordinates, certificate roots, events, Raft, autopilot, keys of gossip.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::GoDuration;

use super::{options, strings, time, words};
use crate::autopilot::{
    AutopilotConfig, AutopilotServer, AutopilotSetConfigRequest, AutopilotState, NodeStatus, OperatorHealth,
    RaftStatus, ServerHealth,
};
use crate::method::{
    DatacenterMap, EventFireRequest, KeyringRequest, KeyringResponse, RaftRemovePeerRequest, RaftServer, RaftStats,
};
use crate::{CaRoot, CaRoots, Coordinate, CoordinateEntry, CoordinateUpdate, UserEvent};

pub(super) fn place() -> Coordinate {
    Coordinate { vec: vec![0.25, -0.5], error: 1.5, adjustment: -0.125, height: 1.0e-5 }
}

pub(super) fn coordinate() -> CoordinateEntry {
    CoordinateEntry { node: "n1".into(), segment: "s".into(), coord: Some(place()) }
}

pub(super) fn coordinate_update() -> CoordinateUpdate {
    CoordinateUpdate {
        datacenter: "dc2".into(),
        node: "n1".into(),
        segment: "s".into(),
        coord: Some(place()),
        token: "t".into(),
    }
}

pub(super) fn area() -> DatacenterMap {
    DatacenterMap { datacenter: "dc2".into(), area_id: "wan".into(), coordinates: vec![coordinate()] }
}

pub(super) fn roots() -> CaRoots {
    let root = CaRoot {
        id: "r".into(),
        serial_number: 9,
        not_before: time(),
        not_after: time(),
        intermediate_certs: words(),
        active: true,
        rotated_out_at: time(),
        private_key_bits: 256,
        ..CaRoot::default()
    };
    CaRoots { active_root_id: "r".into(), trust_domain: "x.consul".into(), roots: vec![root.into()] }
}

pub(super) fn event_request() -> EventFireRequest {
    let event = UserEvent {
        id: "i".into(),
        name: "deploy".into(),
        payload: Bytes::from_static(b"\xff\x00"),
        node_filter: "n".into(),
        service_filter: "s".into(),
        tag_filter: "t".into(),
        version: 1,
        ltime: 0,
    };
    EventFireRequest { datacenter: "dc2".into(), event, token: "t".into() }
}

pub(super) fn raft_stats() -> RaftStats {
    RaftStats { last_contact: "12ms".into(), last_term: 2, last_index: 3 }
}

pub(super) fn raft_server() -> RaftServer {
    RaftServer {
        id: "i".into(),
        node: "n1".into(),
        address: "10.0.0.1:8300".into(),
        leader: true,
        protocol_version: "3".into(),
        voter: true,
    }
}

pub(super) fn remove_request() -> RaftRemovePeerRequest {
    RaftRemovePeerRequest {
        datacenter: "dc2".into(),
        address: "10.0.0.1:8300".into(),
        id: "i".into(),
        token: "t".into(),
    }
}

pub(super) fn autopilot_config() -> AutopilotConfig {
    AutopilotConfig { min_quorum: 3, redundancy_zone_tag: "zone".into(), ..AutopilotConfig::default() }
}

pub(super) fn autopilot_request() -> AutopilotSetConfigRequest {
    AutopilotSetConfigRequest { datacenter: "dc2".into(), config: autopilot_config(), cas: true, token: "t".into() }
}

pub(super) fn operator_health() -> OperatorHealth {
    let server = ServerHealth {
        id: "i".into(),
        name: "n1".into(),
        address: "10.0.0.1:8300".into(),
        serf_status: NodeStatus::Failed,
        version: "1.14.2".into(),
        leader: true,
        last_contact: GoDuration(-1),
        last_term: 2,
        last_index: 3,
        healthy: true,
        voter: true,
        stable_since: time(),
    };
    OperatorHealth { healthy: true, failure_tolerance: -1, servers: vec![server] }
}

pub(super) fn autopilot_state() -> AutopilotState {
    let server = |id: &str, read_replica, status, node_status| AutopilotServer {
        id: id.to_owned(),
        name: "n1".into(),
        address: "10.0.0.1:8300".into(),
        node_status,
        version: "1.14.2".into(),
        raft_version: 3,
        meta: strings(),
        last_contact: GoDuration(7),
        last_term: 2,
        last_index: 3,
        healthy: true,
        stable_since: time(),
        read_replica,
        status,
    };
    let servers = [
        server("a", false, RaftStatus::Leader, NodeStatus::Alive),
        server("b", false, RaftStatus::Voter, NodeStatus::Left),
        server("c", true, RaftStatus::NonVoter, NodeStatus::Failed),
        server("d", false, RaftStatus::None, NodeStatus::None),
    ];
    AutopilotState {
        healthy: true,
        failure_tolerance: 1,
        servers: servers.into_iter().map(|server| (server.id.clone(), server)).collect(),
        leader: "a".into(),
        voters: vec!["a".into(), "b".into()],
        read_replicas: vec!["c".into()],
    }
}

pub(super) fn keyring_request() -> KeyringRequest {
    KeyringRequest {
        operation: "install".into(),
        key: "a2V5".into(),
        datacenter: "dc2".into(),
        forwarded: true,
        relay_factor: 5,
        local_only: true,
        options: options(),
    }
}

pub(super) fn keyring_response() -> KeyringResponse {
    let counts = BTreeMap::from([("a2V5".to_owned(), 3)]);
    KeyringResponse {
        wan: true,
        datacenter: "dc2".into(),
        segment: "s".into(),
        messages: strings(),
        keys: counts.clone(),
        primary_keys: counts,
        num_nodes: 3,
        error: "e".into(),
    }
}
