//! Random logs of catalog commands: a server that was restored on the way ends with the bytes of one that was not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    Log, ca_config, ca_request, ca_root, ca_state, check, create_session, deregister, node, query, register, service,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use types::command::{SystemMetadataEntry, SystemMetadataRequest};
use types::{CaRequest, MessageType, PreparedQuery};

const NODES: [&str; 3] = ["n1", "N1", "n2"];
const IDS: [&str; 3] = ["", "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"];
const NAMES: [&str; 3] = ["web", "Web", "db"];
const STATUSES: [&str; 3] = ["passing", "critical", "warning"];

#[derive(Clone)]
enum Step {
    Apply(Vec<u8>),
    Restore,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Apply(command) => {
                let payload: serde_json::Value = wire::msgpack::from_slice(&command[1..]).unwrap();
                write!(f, "{} {payload}", command[0])
            }
            Step::Restore => f.write_str("restore"),
        }
    }
}

fn registration() -> impl Strategy<Value = Vec<u8>> {
    let part = (0..3_u8, select(&NAMES[..]), select(&NAMES[..]), select(&STATUSES[..]), 0..4_u8);
    (select(&NODES[..]), select(&IDS[..]), select(&["", "east"][..]), 0..3_u8, part).prop_map(
        |(name, id, peer, address, (shape, service_name, service_id, status, with))| {
            let mut request = node(name).id(id).address(&format!("10.0.0.{address}"));
            request.0.peer_name = peer.to_owned();
            if with != 0 {
                let instance = service(service_name).id(service_id).tags(&[status]);
                request = request.service(match shape {
                    0 => instance,
                    1 => instance.proxy_for(service_id),
                    _ => instance.native(),
                });
            }
            if with > 1 {
                let of = if with == 2 { "" } else { service_id };
                let id = if with == 2 { "serfHealth" } else { "up" };
                request = request.check(check(id, status).of(of));
                request.0.checks[0].peer_name = peer.to_owned();
            }
            register(request)
        },
    )
}

fn metadata(op: &str, key: &str) -> Vec<u8> {
    let entry = SystemMetadataEntry { key: key.into(), value: "true".into(), ..SystemMetadataEntry::default() };
    let request = SystemMetadataRequest { op: op.into(), entry: Some(entry), ..SystemMetadataRequest::default() };
    common::command(MessageType::SystemMetadata, &request)
}

/// Commands of the certificate authority, some of which are refused.
fn authority() -> impl Strategy<Value = Vec<u8>> {
    const OPS: [&str; 6] = [
        "set-config",
        "set-roots",
        "set-roots-config",
        "set-provider-state",
        "delete-provider-state",
        "increment-provider-serial",
    ];
    (select(&OPS[..]), select(&["a", "b"][..]), 0..4_u64).prop_map(|(op, id, index)| {
        let mut config = ca_config(id);
        config.modify_index = index;
        let request = CaRequest {
            index,
            roots: vec![ca_root(id, true)],
            config: Some(config),
            provider_state: Some(ca_state(id, "key")),
            ..ca_request(op)
        };
        common::command(MessageType::ConnectCa, &request)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => registration().prop_map(Step::Apply),
        2 => (select(&NODES[..]), select(&["", "web", "db"][..]), select(&["", "up", "serfHealth"][..]))
            .prop_map(|(node, service, check)| Step::Apply(deregister(node, service, check))),
        1 => (select(&["s1", "s2"][..]), select(&NODES[..]), select(&["up", "serfHealth"][..]))
            .prop_map(|(id, node, check)| Step::Apply(create_session(id, node, "delete", 1, &[check]))),
        1 => select(&["upsert", "delete"][..]).prop_map(|op| Step::Apply(metadata(op, "virtual-ips"))),
        1 => (select(&["q1", "q2"][..]), select(&["create", "delete"][..]), select(&["", "s1"][..])).prop_map(
            |(id, op, session)| {
                let stored = PreparedQuery {
                    id: id.into(),
                    name: id.into(),
                    session: session.into(),
                    ..PreparedQuery::default()
                };
                Step::Apply(query(op, stored))
            }
        ),
        1 => authority().prop_map(Step::Apply),
        2 => Just(Step::Restore),
    ];
    vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_server_does_not_diverge(steps in steps()) {
        let mut steady = Log::new();
        let mut restored = Log::new();
        for step in steps {
            match step {
                Step::Apply(command) => {
                    let (one, other) = (steady.apply(&command), restored.apply(&command));
                    prop_assert_eq!(one, other);
                }
                Step::Restore => {
                    let bytes = restored.bytes();
                    restored.writer.restore(&mut bytes.as_slice()).unwrap();
                    prop_assert_eq!(restored.bytes(), bytes);
                }
            }
        }
        prop_assert_eq!(steady.bytes(), restored.bytes());
        let (steady, restored) = (steady.store.snapshot(), restored.store.snapshot());
        prop_assert_eq!(steady.usage(), restored.usage());
        for kind in ["", "connect-proxy", "connect-enabled"] {
            prop_assert_eq!(steady.service_names_of_kind(kind), restored.service_names_of_kind(kind));
        }
        let everyone = std::collections::BTreeMap::new();
        prop_assert_eq!(steady.nodes("", &everyone), restored.nodes("", &everyone));
        prop_assert_eq!(steady.services("", &everyone), restored.services("", &everyone));
        prop_assert_eq!(steady.checks_in_state("", "any", &everyone), restored.checks_in_state("", "any", &everyone));
    }
}
