//! The catalog: registration, nodes, services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use filter::{CREATE_ERROR_PREFIX, Filter};
use state::{Snapshot, Topic};
use telemetry::metrics::{self, Sample};
use types::method::{
    CatalogDeregister, CatalogGatewayServices, CatalogListDatacenters, CatalogListNodes, CatalogListServices,
    CatalogNodeServiceList, CatalogNodeServices, CatalogRegister, CatalogServiceNodes, CatalogVirtualIpForService,
    DatacenterRequest, Indexed, NodeRequest, ServiceRequest,
};
use types::{
    DeregisterRequest, GatewayService, HealthCheck, MessageType, Node, NodeService, NodeServices, RegisterRequest,
    RpcError, ServiceNode,
};

use super::selection::{Family, Selection};
use super::{LOCAL, sort};
use crate::read::Parts;
use crate::server::{Handle, Server};
use crate::write::checked;

/// Addresses that stand for "every interface" and cannot be reached.
const ANY_ADDRESSES: [&str; 3] = ["0.0.0.0", "::", "[::]"];

/// How long registrations take.
static REGISTER: LazyLock<Sample> = LazyLock::new(|| metrics::sample("catalog.register"));
/// How long deregistrations take.
static DEREGISTER: LazyLock<Sample> = LazyLock::new(|| metrics::sample("catalog.deregister"));

impl Handle<CatalogRegister> for Server {
    async fn handle(&self, mut request: RegisterRequest) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        request.datacenter.clone_from(&self.shared.config.datacenter);
        normalise(&mut request)?;
        self.check_services_exist(&request)?;
        let _timing = REGISTER.timing();
        checked(self.shared.propose(MessageType::Register, &request).await?, "").map(drop)
    }
}

impl Handle<CatalogDeregister> for Server {
    async fn handle(&self, request: DeregisterRequest) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        if request.node.is_empty() {
            return Err(RpcError::other("Must provide node"));
        }
        let _timing = DEREGISTER.timing();
        checked(self.shared.propose(MessageType::Deregister, &request).await?, "").map(drop)
    }
}

impl Server {
    /// Refuses a check of a service that is neither registered on the node nor by this very request.
    fn check_services_exist(&self, request: &RegisterRequest) -> Result<(), RpcError> {
        let registers = |id: &str| request.service.as_ref().is_some_and(|service| service.id == id);
        let snapshot = self.shared.store.snapshot();
        for check in request.checks.iter().filter(|check| !check.service_id.is_empty()) {
            let id = &check.service_id;
            if !registers(id) && snapshot.node_service(LOCAL, &request.node, id).1.is_none() {
                let check = &check.check_id;
                return Err(RpcError::other(format!("Unknown service ID '{id}' for check ID '{check}'")));
            }
        }
        Ok(())
    }
}

/// Checks a registration and fills what it leaves out (`docs/spec/rpc-and-state.md` §4.1).
fn normalise(request: &mut RegisterRequest) -> Result<(), RpcError> {
    if !request.peer_name.is_empty() {
        return Err(RpcError::other("cannot register requests with PeerName in them"));
    }
    if request.node.is_empty() {
        return Err(RpcError::other("Must provide node"));
    }
    if request.address.is_empty() && !request.skip_node_update {
        return Err(RpcError::other("Must provide address if SkipNodeUpdate is not set"));
    }
    check_node_id(&request.id)?;
    if let Some(service) = &mut request.service {
        normalise_service(service)?;
    }
    if let Some(check) = request.check.take() {
        request.checks.push(check);
    }
    for check in &mut request.checks {
        if check.node.is_empty() {
            check.node.clone_from(&request.node);
        }
        normalise_check(check);
        if !check.node.eq_ignore_ascii_case(&request.node) {
            let (other, id, node) = (&check.node, &check.check_id, &request.node);
            let text = format!("Node '{other}' for check '{id}' doesn't match register request node '{node}'");
            return Err(RpcError::other(text));
        }
    }
    Ok(())
}

/// A node ID is empty or a UUID.
pub(super) fn check_node_id(id: &str) -> Result<(), RpcError> {
    if id.is_empty() {
        return Ok(());
    }
    if id.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(RpcError::other("Bad node ID: uuid string is wrong length"));
    }
    if uuid::Uuid::try_parse(id).is_err() {
        return Err(RpcError::other("Bad node ID: uuid is improperly formatted"));
    }
    Ok(())
}

/// Fills and checks the identity of a service.
pub(super) fn normalise_service(service: &mut NodeService) -> Result<(), RpcError> {
    if !service.id.is_empty() && service.service.is_empty() {
        return Err(RpcError::other("Must provide service name (Service.Service) when service ID is provided"));
    }
    if service.id.is_empty() {
        service.id.clone_from(&service.service);
    }
    if ANY_ADDRESSES.contains(&service.address.as_str()) {
        return Err(RpcError::other("Invalid service address"));
    }
    if service.kind == "connect-proxy" && service.proxy.destination_service_name.is_empty() {
        let fault = "Proxy.DestinationServiceName must be non-empty for Connect proxy services";
        return Err(RpcError::other(format!("1 error occurred:\n\t* {fault}\n\n")));
    }
    match &mut service.weights {
        Some(weights) if weights.passing < 0 || weights.warning < 0 => service.weights = Some(Default::default()),
        Some(_) => {}
        weights => *weights = Some(Default::default()),
    }
    Ok(())
}

fn normalise_check(check: &mut HealthCheck) {
    if check.check_id.is_empty() {
        check.check_id.clone_from(&check.name);
    }
    if check.r#type.is_empty() {
        check.r#type = type_of(check).to_owned();
    }
}

/// Kind of a check, told by how it is run.
fn type_of(check: &HealthCheck) -> &'static str {
    let definition = &check.definition;
    let by_field = [
        (!definition.http.is_empty(), "http"),
        (!definition.tcp.is_empty(), "tcp"),
        (!definition.udp.is_empty(), "udp"),
        (!definition.grpc.is_empty(), "grpc"),
        (!definition.h2ping.is_empty(), "h2ping"),
        (!definition.os_service.is_empty(), "os_service"),
        (!definition.docker_container_id.is_empty(), "docker"),
        (!definition.script_args.is_empty(), "script"),
        (!definition.alias_node.is_empty() || !definition.alias_service.is_empty(), "alias"),
        (definition.ttl.0 > 0, "ttl"),
    ];
    by_field.iter().find(|(present, _)| *present).map_or("", |(_, name)| name)
}

impl Handle<CatalogListDatacenters> for Server {
    async fn handle(&self, (): ()) -> Result<Vec<String>, RpcError> {
        Ok(vec![self.shared.config.datacenter.clone()])
    }
}

impl Handle<CatalogListNodes> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<Indexed<Vec<Arc<Node>>>, RpcError> {
        let config = &self.shared.config;
        let parts = Parts {
            index: |s: &Snapshot| s.nodes_index(LOCAL),
            value: |s: &Snapshot| {
                let (_, mut nodes) = s.nodes(LOCAL, &request.node_meta);
                sort::by_distance(config, s, &request.source, &mut nodes, |n| &n.node);
                nodes
            },
            tells_all: request.source.node.is_empty(),
        };
        self.shared.read_parts(&request.options, || vec![Topic::nodes(LOCAL)], parts).await
    }
}

impl Handle<CatalogListServices> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<Indexed<BTreeMap<String, Vec<String>>>, RpcError> {
        let filter = Filter::<ServiceNode>::new(&request.options.filter)
            .map_err(|error| RpcError::other(format!("{CREATE_ERROR_PREFIX}{error}")))?;
        let meta = &request.node_meta;
        let topics = || match meta.is_empty() && filter.keeps_all() {
            true => vec![Topic::services(LOCAL)],
            false => vec![Topic::services(LOCAL), Topic::nodes(LOCAL)],
        };
        let parts = Parts {
            index: |s: &Snapshot| match filter.keeps_all() {
                true => s.services_index(LOCAL, meta),
                // The filter may look at nodes too.
                false => s.services_index(LOCAL, meta).max(s.nodes_index(LOCAL)),
            },
            value: |s: &Snapshot| {
                let services = match filter.keeps_all() {
                    true => s.services(LOCAL, meta).1,
                    false => names_with_tags(s.instances(LOCAL, meta).iter().filter(|i| filter.matches(i))),
                };
                services.into_iter().map(|(name, tags)| (name, tags.into_iter().collect())).collect()
            },
            tells_all: true,
        };
        self.shared.read_parts(&request.options, topics, parts).await
    }
}

/// The names of these instances' services, each with all their tags.
fn names_with_tags<'a>(instances: impl Iterator<Item = &'a ServiceNode>) -> BTreeMap<String, BTreeSet<String>> {
    let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ServiceNode { service, .. } in instances {
        services.entry(service.service.clone()).or_default().extend(service.tags.iter().cloned());
    }
    services
}

impl Handle<CatalogServiceNodes> for Server {
    async fn handle(&self, request: ServiceRequest) -> Result<Indexed<Vec<ServiceNode>>, RpcError> {
        if request.service.is_empty() {
            return Err(RpcError::other("Must provide service name"));
        }
        // Ingress gateways are looked up with their health alone.
        let selection = if request.connect { Selection::Mesh } else { Selection::Named };
        let (config, store) = (&self.shared.config, &self.shared.store);
        let (peer, service) = (request.peer_name.as_str(), request.service.as_str());
        selection.count(Family::Catalog, &store.snapshot(), &request);
        let parts = Parts {
            index: |s: &Snapshot| match request.connect {
                true => s.connect_service_nodes_index(peer, service),
                false => s.service_nodes_index(peer, service),
            },
            value: |s: &Snapshot| {
                let (_, mut nodes) = match request.connect {
                    true => s.connect_service_nodes(peer, service),
                    false => s.service_nodes(peer, service),
                };
                nodes.retain(|n| selection.keeps(&request, &n.node, &n.service));
                sort::by_distance(config, s, &request.source, &mut nodes, |n| &n.node.node);
                nodes
            },
            tells_all: request.source.node.is_empty(),
        };
        self.shared.read_parts(&request.options, || selection.topics(&store.snapshot(), &request), parts).await
    }
}

impl Handle<CatalogGatewayServices> for Server {
    async fn handle(&self, request: ServiceRequest) -> Result<Indexed<Vec<Arc<GatewayService>>>, RpcError> {
        let gateway = &request.service;
        let query = |s: &Snapshot| s.gateway_services(gateway);
        self.shared.read(&request.options, || vec![Topic::service(LOCAL, gateway)], query).await
    }
}

impl Handle<CatalogVirtualIpForService> for Server {
    async fn handle(&self, request: ServiceRequest) -> Result<String, RpcError> {
        self.shared.check_datacenter(&request.options.datacenter)?;
        self.shared.check_consistency(request.options.consistency).await?;
        let (_, address) = self.shared.store.snapshot().virtual_ip(&request.peer_name, &request.service);
        Ok(address.map(|address| address.to_string()).unwrap_or_default())
    }
}

impl Handle<CatalogNodeServices> for Server {
    async fn handle(&self, request: NodeRequest) -> Result<Indexed<Option<NodeServices>>, RpcError> {
        self.node_services(request).await
    }
}

impl Handle<CatalogNodeServiceList> for Server {
    async fn handle(&self, request: NodeRequest) -> Result<Indexed<Option<NodeServices>>, RpcError> {
        self.node_services(request).await
    }
}

impl Server {
    async fn node_services(&self, request: NodeRequest) -> Result<Indexed<Option<NodeServices>>, RpcError> {
        if request.node.is_empty() {
            return Err(RpcError::other("Must provide node"));
        }
        let node = &request.node;
        let topics = || match self.shared.store.snapshot().node(LOCAL, node).1 {
            Some(_) => vec![Topic::node(LOCAL, node)],
            // It may be the beginning of the ID of a node yet to come.
            None => vec![Topic::node(LOCAL, node), Topic::nodes(LOCAL)],
        };
        self.shared.read(&request.options, topics, |s| s.node_services(LOCAL, node)).await
    }
}
