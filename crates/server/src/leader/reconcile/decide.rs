//! What is to be written about a member, decided from the member and the state.

use std::collections::BTreeMap;

use gossip::Member;
use state::Snapshot;
use types::server_info::ServerInfo;
use types::{
    CONSUL_SERVICE, CheckStatus, HealthCheck, NodeService, RegisterRequest, SERF_HEALTH, SERF_HEALTH_ALIVE_OUTPUT,
    SERF_HEALTH_NAME, Weights,
};

use crate::endpoint::LOCAL;

/// Output of a failing [`SERF_HEALTH`] check.
const SERF_HEALTH_FAILED_OUTPUT: &str = "Agent not live or unreachable";

/// What to do about a member that failed.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// The catalog does not know it.
    Unknown,
    /// The catalog says so already.
    Noted,
    /// This is to be written.
    Note(Box<RegisterRequest>),
}

/// Whether the catalog of this datacenter is to show a member.
pub(super) fn is_ours(datacenter: &str, member: &Member, server: Option<&ServerInfo>) -> bool {
    let tag = |name: &str| member.tags.get(name).map_or("", String::as_str);
    match server {
        Some(server) => server.datacenter == datacenter && tag("segment").is_empty(),
        None => tag("role") == "node" && tag("dc") == datacenter,
    }
}

/// What is to be written about a member that is alive; nothing if the catalog says it already.
pub(super) fn alive(
    datacenter: &str,
    snapshot: &Snapshot,
    member: &Member,
    server: Option<&ServerInfo>,
) -> Option<RegisterRequest> {
    let name = member.name.as_str();
    let address = address(member);
    let id = member.tags.get("id").cloned().unwrap_or_default();
    let node = snapshot.node(LOCAL, name).1;
    let same_node = node.as_ref().is_some_and(|node| node.address == address && (id.is_empty() || node.id == id));
    let service = server.map(|server| own_service(member, server));
    let registered = service.as_ref().is_none_or(|wanted| {
        let found = snapshot.node_service(LOCAL, name, CONSUL_SERVICE).1;
        found.is_some_and(|found| found.meta == wanted.meta)
    });
    if same_node && registered && has_status(snapshot, name, CheckStatus::Passing) {
        return None;
    }
    // Tagged addresses and metadata are the agent's to write.
    let (tagged_addresses, node_meta) = match node {
        Some(node) if !same_node => (node.tagged_addresses.clone(), node.meta.clone()),
        _ => Default::default(),
    };
    Some(RegisterRequest {
        datacenter: datacenter.to_owned(),
        id,
        node: name.to_owned(),
        address,
        tagged_addresses,
        node_meta,
        service,
        checks: vec![check(name, CheckStatus::Passing, SERF_HEALTH_ALIVE_OUTPUT)],
        skip_node_update: same_node,
        ..RegisterRequest::default()
    })
}

/// What is to be done about a member that failed.
pub(super) fn failed(datacenter: &str, snapshot: &Snapshot, member: &Member) -> Failure {
    let name = member.name.as_str();
    let Some(node) = snapshot.node(LOCAL, name).1 else { return Failure::Unknown };
    let address = address(member);
    if node.address == address && has_status(snapshot, name, CheckStatus::Critical) {
        return Failure::Noted;
    }
    Failure::Note(Box::new(RegisterRequest {
        datacenter: datacenter.to_owned(),
        id: member.tags.get("id").cloned().unwrap_or_default(),
        node: name.to_owned(),
        address,
        checks: vec![check(name, CheckStatus::Critical, SERF_HEALTH_FAILED_OUTPUT)],
        skip_node_update: true,
        ..RegisterRequest::default()
    }))
}

fn address(member: &Member) -> String {
    member.address.to_canonical().to_string()
}

fn has_status(snapshot: &Snapshot, node: &str, status: CheckStatus) -> bool {
    snapshot.node_check(LOCAL, node, SERF_HEALTH).1.is_some_and(|check| check.status == status.as_str())
}

fn check(node: &str, status: CheckStatus, output: &str) -> HealthCheck {
    HealthCheck {
        node: node.to_owned(),
        check_id: SERF_HEALTH.to_owned(),
        name: SERF_HEALTH_NAME.to_owned(),
        status: status.as_str().to_owned(),
        output: output.to_owned(),
        ..HealthCheck::default()
    }
}

/// The service that every server is in the catalog.
fn own_service(member: &Member, server: &ServerInfo) -> NodeService {
    let flag = |tag: &str| (member.tags.get(tag).is_some_and(|value| value == "1")).to_string();
    // Versions of the layer below the events.
    let [min, max, current, ..] = member.vsn;
    let (major, minor, patch) = server.version;
    let mut meta: BTreeMap<&str, String> = BTreeMap::from([
        ("non_voter", flag("nonvoter")),
        ("read_replica", flag("read_replica")),
        ("raft_version", server.raft_version.to_string()),
        ("serf_protocol_current", current.to_string()),
        ("serf_protocol_min", min.to_string()),
        ("serf_protocol_max", max.to_string()),
        ("version", format!("{major}.{minor}.{patch}")),
    ]);
    for (key, port) in [("grpc_port", server.grpc_port), ("grpc_tls_port", server.grpc_tls_port)] {
        if let Some(port) = port.filter(|port| *port > 0) {
            meta.insert(key, port.to_string());
        }
    }
    NodeService {
        id: CONSUL_SERVICE.to_owned(),
        service: CONSUL_SERVICE.to_owned(),
        port: i64::from(server.address.port()),
        meta: meta.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        weights: Some(Weights::default()),
        ..NodeService::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gossip::Status;
    use state::Writer;
    use types::{MessageType, Node};

    use super::*;

    const ID: &str = "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e";

    fn member(name: &str, tags: &[(&str, &str)]) -> Member {
        Member {
            name: name.to_owned(),
            address: [10, 0, 0, 1].into(),
            port: 8301,
            tags: tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect(),
            status: Status::Alive,
            vsn: [1, 5, 2, 2, 5, 4],
        }
    }

    fn client() -> Member {
        member("c1", &[("role", "node"), ("dc", "dc1"), ("segment", ""), ("id", ID)])
    }

    fn server() -> (Member, ServerInfo) {
        let tags = [
            ("role", "consul"),
            ("dc", "dc1"),
            ("segment", ""),
            ("id", ID),
            ("vsn", "2"),
            ("raft_vsn", "3"),
            ("build", "1.14.2:"),
            ("port", "8300"),
            ("grpc_port", "8502"),
        ];
        let member = member("s1", &tags);
        let info = ServerInfo::from_tags(&member.name, member.address, &member.tags).unwrap();
        (member, info)
    }

    /// A state after these registrations.
    struct State {
        writer: Writer,
        snapshot: Snapshot,
        index: u64,
    }

    impl State {
        fn new() -> State {
            let (writer, _) = Writer::new();
            State { snapshot: writer.snapshot(), writer, index: 0 }
        }

        fn register(&mut self, request: &RegisterRequest) {
            let command = types::command::encode(MessageType::Register, request).unwrap();
            self.index += 1;
            let applied = self.writer.apply(self.index, &command);
            assert_eq!(applied.outcome, state::Outcome::Nil);
            self.snapshot = self.writer.snapshot();
        }

        fn node(&self, name: &str) -> Node {
            Node::clone(&self.snapshot.node(LOCAL, name).1.unwrap())
        }
    }

    #[test]
    fn only_members_of_this_datacenter_are_shown() {
        let (consul, info) = server();
        let cases = [
            (client(), None, true),
            (member("c", &[("role", "node"), ("dc", "dc2")]), None, false),
            (member("c", &[("dc", "dc1")]), None, false),
            (consul.clone(), Some(&info), true),
            (member("s", &[("role", "consul"), ("segment", "x")]), Some(&info), false),
        ];
        for (member, server, wanted) in cases {
            assert_eq!(is_ours("dc1", &member, server), wanted, "{member:?}");
        }
        assert!(!is_ours("dc2", &consul, Some(&info)));
    }

    #[test]
    fn a_live_client_is_registered_once() {
        let mut state = State::new();
        let wanted = alive("dc1", &state.snapshot, &client(), None).unwrap();
        assert_eq!((wanted.id.as_str(), wanted.address.as_str(), wanted.service.is_none()), (ID, "10.0.0.1", true));
        assert_eq!(wanted.checks[0].output, "Agent alive and reachable");
        state.register(&wanted);
        assert_eq!(alive("dc1", &state.snapshot, &client(), None), None);
    }

    #[test]
    fn a_new_address_keeps_what_the_agent_wrote() {
        let mut state = State::new();
        let old = RegisterRequest {
            id: ID.to_owned(),
            node: "c1".to_owned(),
            address: "10.0.0.9".to_owned(),
            node_meta: [("rack".to_owned(), "7".to_owned())].into(),
            ..RegisterRequest::default()
        };
        state.register(&old);
        let wanted = alive("dc1", &state.snapshot, &client(), None).unwrap();
        assert!(!wanted.skip_node_update);
        state.register(&wanted);
        let node = state.node("c1");
        assert_eq!((node.address.as_str(), node.meta["rack"].as_str()), ("10.0.0.1", "7"));
    }

    #[test]
    fn a_server_is_registered_again_when_its_service_differs() {
        let (member, info) = server();
        let mut state = State::new();
        let wanted = alive("dc1", &state.snapshot, &member, Some(&info)).unwrap();
        let meta: Vec<_> = wanted.service.as_ref().unwrap().meta.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let expected = "grpc_port=8502 non_voter=false raft_version=3 read_replica=false serf_protocol_current=2 \
             serf_protocol_max=5 serf_protocol_min=1 version=1.14.2";
        assert_eq!(meta.join(" "), expected);
        state.register(&wanted);
        assert_eq!(alive("dc1", &state.snapshot, &member, Some(&info)), None);
        let upgraded = ServerInfo { version: (1, 14, 3), ..info };
        let again = alive("dc1", &state.snapshot, &member, Some(&upgraded)).unwrap();
        assert!(again.skip_node_update);
    }

    #[test]
    fn a_failed_member_turns_critical_once_and_only_if_it_is_known() {
        let mut state = State::new();
        let client = client();
        assert_eq!(failed("dc1", &state.snapshot, &client), Failure::Unknown);
        state.register(&alive("dc1", &state.snapshot, &client, None).unwrap());
        let Failure::Note(request) = failed("dc1", &state.snapshot, &client) else { panic!("nothing to note") };
        assert!(request.skip_node_update);
        state.register(&request);
        assert_eq!(failed("dc1", &state.snapshot, &client), Failure::Noted);
        let check = state.snapshot.node_check(LOCAL, "c1", SERF_HEALTH).1.unwrap();
        assert_eq!((check.status.as_str(), check.output.as_str()), ("critical", SERF_HEALTH_FAILED_OUTPUT));
        assert!(alive("dc1", &state.snapshot, &client, None).is_some());
    }
}
