//! `/v1/catalog/` (`docs/spec/http-api.md` §4).

use std::collections::BTreeMap;
use std::sync::Arc;

use ::agent::ReadSource;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use types::method::{
    CatalogDeregister, CatalogGatewayServices, CatalogListDatacenters, CatalogListNodes, CatalogListServices,
    CatalogNodeServices, CatalogRegister, CatalogServiceNodes, DatacenterRequest, NodeRequest, ServiceRequest,
};
use types::{DeregisterRequest, Node, NodeService, NodeServices, QueryOptions, QuerySource, ServiceNode};

use super::body::{DeregisterBody, RegisterBody, decode_catalog};
use super::discover;
use super::view::{InstanceView, List, ServiceView};
use crate::meta::{CacheStatus, Metadata};
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reads::{CacheControl, Key, Read, followed, is_cached};
use crate::reply::{Answer, Failure, Reply, write_json};

/// Registers a node, a service, checks.
pub(crate) async fn register(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let bytes = call.read_body().await?;
    let body: RegisterBody = decode_catalog(&bytes)?;
    call.door.agent.call::<CatalogRegister>(body.into_request(call.token())).await?;
    Ok(Reply::boolean(true, call.pretty()))
}

/// Removes a node, a service or a check.
pub(crate) async fn deregister(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let bytes = call.read_body().await?;
    let body: DeregisterBody = decode_catalog(&bytes)?;
    let request = DeregisterRequest {
        datacenter: body.datacenter,
        node: body.node,
        service_id: body.service_id,
        check_id: body.check_id,
        peer_name: body.peer_name,
        token: call.token(),
    };
    call.door.agent.call::<CatalogDeregister>(request).await?;
    Ok(Reply::boolean(true, call.pretty()))
}

/// Names of datacenters, nearest first.
pub(crate) async fn datacenters(call: &mut Call) -> Answer {
    let control = CacheControl::of(&call.headers);
    let source = if is_cached(call) { ReadSource::Cache(control.options()) } else { ReadSource::Servers };
    let (names, kept) = call.door.agent.read::<CatalogListDatacenters>((), source).await?;
    let mut reply = Reply::json(&names, call.pretty())?;
    if is_cached(call) {
        let key = Key::new("catalog/datacenters").with(call.token().as_bytes());
        let status = match call.door.agent.server() {
            Some(_) => call.door.reads.cached.note_polled(&key, control),
            None => CacheStatus::of(kept),
        };
        status.write(&mut reply.headers);
    }
    Ok(reply)
}

/// Where the answer is to be seen from: the node of `near`, or nowhere.
pub(super) fn source(call: &Call) -> QuerySource {
    let node = match call.query.text("near") {
        near if near == "_agent" => call.door.agent.identity().node_name.clone(),
        near => near.into_owned(),
    };
    if node.is_empty() {
        return QuerySource::default();
    }
    QuerySource { datacenter: call.datacenter(), node, segment: String::new() }
}

/// The key of a read about a whole datacenter.
fn datacenter_key(family: &str, options: &QueryOptions, request: &DatacenterRequest) -> Key {
    Key::new(family)
        .with(options.token.as_bytes())
        .with(options.datacenter.as_bytes())
        .with(options.filter.as_bytes())
        .with_all(request.node_meta.keys())
        .with_all(request.node_meta.values())
        .with(request.source.node.as_bytes())
}

/// All nodes.
pub(crate) async fn nodes(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Partition)?;
    let options = call.options()?;
    let filter = call.filter_with_metadata::<Node>()?;
    let request =
        DatacenterRequest { node_meta: call.query.node_meta(), source: source(call), ..DatacenterRequest::default() };
    let key = datacenter_key("catalog/nodes", &options, &request);
    let read = Read { call, options, key, only_passing: false, kept_in: None, metadata_with_errors: true };
    let body = |mut nodes: Vec<Arc<Node>>| {
        nodes.retain(|node| filter.matches(node));
        write_json(&nodes, call.pretty())
    };
    read.answer::<CatalogListNodes, _>(|options| DatacenterRequest { options, ..request.clone() }, body).await
}

/// Names of services with their tags. The server filters: here the instances are not known.
pub(crate) async fn services(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    call.filter_with_metadata::<ServiceNode>()?;
    let request = DatacenterRequest { node_meta: call.query.node_meta(), ..DatacenterRequest::default() };
    let key = datacenter_key("catalog/services", &options, &request);
    let kept_in = followed(call);
    let read = Read { call, options, key, only_passing: false, kept_in, metadata_with_errors: true };
    let body = |services: BTreeMap<String, Vec<String>>| write_json(&services, call.pretty());
    read.answer::<CatalogListServices, _>(|options| DatacenterRequest { options, ..request.clone() }, body).await
}

/// The request for a service's instances, from its parameters.
pub(super) fn service_request(call: &Call, service: String) -> ServiceRequest {
    ServiceRequest {
        service,
        tags: call.query.texts("tag"),
        node_meta: call.query.node_meta(),
        source: source(call),
        merge_central_config: call.query.has("merge-central-config"),
        ..ServiceRequest::default()
    }
}

/// The key of a read about one service.
pub(super) fn service_key(family: &str, options: &QueryOptions, request: &ServiceRequest) -> Key {
    Key::new(family)
        .with(options.token.as_bytes())
        .with(options.datacenter.as_bytes())
        .with(options.filter.as_bytes())
        .with(request.service.as_bytes())
        .with(request.peer_name.as_bytes())
        .with_all(request.tags.iter())
        .with_all(request.node_meta.keys())
        .with_all(request.node_meta.values())
        .with(request.source.node.as_bytes())
        .with(&[u8::from(request.merge_central_config)])
}

/// A service's instances.
pub(crate) async fn service(call: &mut Call) -> Answer {
    instances(call, "catalog/service", false).await
}

/// A service's instances in the mesh.
pub(crate) async fn connect(call: &mut Call) -> Answer {
    instances(call, "catalog/connect", true).await
}

async fn instances(call: &Call, family: &str, connect: bool) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let service = call.required_argument("Missing service name")?;
    let filter = call.filter_with_metadata::<ServiceNode>()?;
    let request = ServiceRequest { connect, ..service_request(call, service) };
    let key = service_key(family, &options, &request);
    let kept_in = followed(call);
    let read = Read { call, options, key, only_passing: false, kept_in, metadata_with_errors: true };
    let body = |mut instances: Vec<ServiceNode>| {
        instances.retain(|instance| filter.matches(instance));
        write_json(&List(&instances, InstanceView::from), call.pretty())
    };
    read.answer::<CatalogServiceNodes, _>(|options| ServiceRequest { options, ..request.clone() }, body).await
}

/// The services behind a gateway.
pub(crate) async fn gateway_services(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let service = call.required_argument("Missing gateway name")?;
    let request = |options| ServiceRequest { service: service.clone(), options, ..ServiceRequest::default() };
    let (services, metadata) = discover::<CatalogGatewayServices, _>(call, options, true, request).await?;
    Ok(Reply::json(&services, call.pretty())?.with_metadata(&metadata))
}

async fn read_node(call: &Call) -> Result<(Option<NodeServices>, Metadata), Failure> {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let node = call.required_argument("Missing node name")?;
    let filter = call.filter_with_metadata::<NodeService>()?;
    let request = |options| NodeRequest { node: node.clone(), options };
    let (mut found, metadata) = discover::<CatalogNodeServices, _>(call, options, true, request).await?;
    if let Some(found) = &mut found {
        found.services.retain(|service| filter.matches(service));
    }
    Ok((found, metadata))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NodeWithMap<'a> {
    node: &'a Node,
    services: ServicesById<'a>,
}

/// Services as a map by ID.
struct ServicesById<'a>(&'a [Arc<NodeService>]);

impl Serialize for ServicesById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for service in self.0 {
            map.serialize_entry(&service.id, &ServiceView::from(&**service))?;
        }
        map.end()
    }
}

/// A node and its services, by ID; null for an unknown node.
pub(crate) async fn node(call: &mut Call) -> Answer {
    let (found, metadata) = read_node(call).await?;
    let view = found.as_ref().map(|found| NodeWithMap { node: &found.node, services: ServicesById(&found.services) });
    Ok(Reply::json(&view, call.pretty())?.with_metadata(&metadata))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NodeWithList<'a> {
    node: Option<&'a Node>,
    services: Option<List<'a, Arc<NodeService>, ServiceView<'a>>>,
}

/// A node and its services as a list; null for none.
pub(crate) async fn node_services(call: &mut Call) -> Answer {
    let (found, metadata) = read_node(call).await?;
    let services = found.as_ref().map(|found| found.services.as_slice()).filter(|services| !services.is_empty());
    let view = NodeWithList {
        node: found.as_ref().map(|found| &*found.node),
        services: services.map(|services| List(services, |service| ServiceView::from(&**service))),
    };
    Ok(Reply::json(&view, call.pretty())?.with_metadata(&metadata))
}
