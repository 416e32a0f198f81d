//! The selectors of every endpoint, as `docs/spec/http-api.md` §2.3 lists them.

use std::collections::BTreeSet;

use filter::{Fields, Filter, NodeInfo};
use types::{CheckServiceNode, HealthCheck, Node, NodeService, ServiceNode};

const NODE: &str = "ID Node Address Datacenter Partition PeerName TaggedAddresses TaggedAddresses.* Meta Meta.*";

const NODE_SERVICE: &str = "Kind ID Service Address SocketPath PeerName Tags Meta Meta.* TaggedAddresses \
    TaggedAddresses.*.Address TaggedAddresses.*.Port Port Weights.Passing Weights.Warning EnableTagOverride Proxy.@PROXY \
    Connect.Native";

const PROXY: &str = "DestinationServiceName DestinationServiceID LocalServiceAddress LocalServiceSocketPath Mode \
    LocalServicePort MeshGateway.Mode TransparentProxy.OutboundListenerPort TransparentProxy.DialedDirectly Expose.Checks \
    Expose.Paths Expose.Paths.ListenerPort Expose.Paths.LocalPathPort Expose.Paths.Path Expose.Paths.Protocol \
    Expose.Paths.ParsedFromCheck Upstreams Upstreams.DestinationType Upstreams.DestinationNamespace \
    Upstreams.DestinationPartition Upstreams.DestinationPeer Upstreams.DestinationName Upstreams.Datacenter \
    Upstreams.LocalBindAddress Upstreams.LocalBindSocketPath Upstreams.LocalBindSocketMode Upstreams.LocalBindPort \
    Upstreams.MeshGateway.Mode";

const SERVICE_NODE: &str = "ID Node Address Datacenter PeerName TaggedAddresses TaggedAddresses.* NodeMeta NodeMeta.* \
    ServiceMeta ServiceMeta.* ServiceKind ServiceID ServiceName ServiceAddress ServiceSocketPath ServiceTags \
    ServiceTaggedAddresses ServiceTaggedAddresses.*.Address ServiceTaggedAddresses.*.Port ServicePort \
    ServiceWeights.Passing ServiceWeights.Warning ServiceEnableTagOverride ServiceProxy.@PROXY ServiceConnect.Native";

const HEALTH_CHECK: &str = "Node CheckID Name Status Notes Output ServiceID ServiceName Type Interval Timeout PeerName \
    ServiceTags ExposedPort";

const CHECK_SERVICE_NODE: &str = "Node.@NODE Service.@NODE_SERVICE Checks Checks.@HEALTH_CHECK";

const NODE_INFO: &str = "ID Node Partition PeerName Address TaggedAddresses TaggedAddresses.* Meta Meta.* Services \
    Services.@NODE_SERVICE Checks Checks.@HEALTH_CHECK";

/// The selectors of a list; `Name.@LIST` stands for those of another list, each after `Name.`.
fn expand(list: &str) -> BTreeSet<String> {
    let mut selectors = BTreeSet::new();
    for selector in list.split_whitespace() {
        let Some((prefix, inner)) = selector.split_once('@') else {
            selectors.insert(selector.to_string());
            continue;
        };
        let inner = match inner {
            "NODE" => NODE,
            "NODE_SERVICE" => NODE_SERVICE,
            "PROXY" => PROXY,
            "HEALTH_CHECK" => HEALTH_CHECK,
            other => panic!("no list is called {other}"),
        };
        selectors.extend(expand(inner).into_iter().map(|selector| format!("{prefix}{selector}")));
    }
    selectors
}

fn offers_exactly<T: Fields>(list: &str) {
    let offered = Filter::<T>::selectors();
    let distinct: BTreeSet<String> = offered.iter().cloned().collect();
    assert_eq!(offered.len(), distinct.len(), "a selector is offered twice");
    assert_eq!(distinct, expand(list));
}

#[test]
fn catalog_nodes_filter_nodes() {
    offers_exactly::<Node>(NODE);
}

#[test]
fn catalog_services_filter_service_nodes() {
    offers_exactly::<ServiceNode>(SERVICE_NODE);
}

#[test]
fn a_node_s_and_an_agent_s_services_are_node_services() {
    offers_exactly::<NodeService>(NODE_SERVICE);
}

#[test]
fn health_and_agent_checks_are_health_checks() {
    offers_exactly::<HealthCheck>(HEALTH_CHECK);
}

#[test]
fn health_of_services_and_the_service_list_of_the_ui_filter_check_service_nodes() {
    offers_exactly::<CheckServiceNode>(CHECK_SERVICE_NODE);
}

#[test]
fn the_node_list_of_the_ui_filters_node_infos() {
    offers_exactly::<NodeInfo>(NODE_INFO);
}
