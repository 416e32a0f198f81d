//! `/v1/catalog/` (`docs/spec/http-api.md` §4).

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use types::method::{
    CatalogDeregister, CatalogListDatacenters, CatalogListNodes, CatalogListServices, CatalogNodeServices,
    CatalogRegister, CatalogServiceNodes, DatacenterRequest, NodeRequest, ServiceRequest,
};
use types::{DeregisterRequest, Node, NodeService, NodeServices, QuerySource, ServiceNode};

use super::body::{DeregisterBody, RegisterBody, decode_catalog};
use super::discover;
use super::view::{InstanceView, List, ServiceView};
use crate::meta::Metadata;
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

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
    let names = call.door.agent.call::<CatalogListDatacenters>(()).await?;
    Reply::json(&names, call.pretty())
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

/// All nodes.
pub(crate) async fn nodes(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Partition)?;
    let options = call.options()?;
    let filter = call.filter_with_metadata::<Node>()?;
    let (node_meta, source) = (call.query.node_meta(), source(call));
    let request = |options| DatacenterRequest { node_meta: node_meta.clone(), source: source.clone(), options };
    let (mut nodes, metadata) = discover::<CatalogListNodes, _>(call, options, true, request).await?;
    nodes.retain(|node| filter.matches(node));
    Ok(Reply::json(&nodes, call.pretty())?.with_metadata(&metadata))
}

/// Names of services with their tags.
pub(crate) async fn services(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    if !call.filter_with_metadata::<ServiceNode>()?.keeps_all() {
        return Err(Failure::not_there_yet("filtering of service names"));
    }
    let node_meta = call.query.node_meta();
    let request = |options| DatacenterRequest { node_meta: node_meta.clone(), options, ..DatacenterRequest::default() };
    let (services, metadata) = discover::<CatalogListServices, _>(call, options, true, request).await?;
    Ok(Reply::json(&services, call.pretty())?.with_metadata(&metadata))
}

/// The request for a service's instances, from its parameters.
pub(super) fn service_request(call: &Call, service: String) -> ServiceRequest {
    let (tags, node_meta, source) = (call.query.texts("tag"), call.query.node_meta(), source(call));
    ServiceRequest { service, tags, node_meta, source, ..ServiceRequest::default() }
}

/// Refuses what instances cannot be asked for yet.
pub(super) fn refuse_missing_features(call: &Call) -> Result<(), Failure> {
    let not_there =
        |feature: &str| Err(Failure::new(StatusCode::NOT_IMPLEMENTED, format!("{feature} is not there yet")));
    if call.query.has("merge-central-config") {
        return not_there("merging of central configuration");
    }
    if !call.query.bytes("peer").is_empty() {
        return not_there("cluster peering");
    }
    Ok(())
}

/// A service's instances.
pub(crate) async fn service(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let service = call.required_argument("Missing service name")?;
    refuse_missing_features(call)?;
    let filter = call.filter_with_metadata::<ServiceNode>()?;
    let request = service_request(call, service);
    let request = |options| ServiceRequest { options, ..request.clone() };
    let (mut instances, metadata) = discover::<CatalogServiceNodes, _>(call, options, true, request).await?;
    instances.retain(|instance| filter.matches(instance));
    let view = List(&instances, InstanceView::from);
    Ok(Reply::json(&view, call.pretty())?.with_metadata(&metadata))
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
    if call.query.has("merge-central-config") {
        return Err(Failure::not_there_yet("merging of central configuration"));
    }
    let (found, metadata) = read_node(call).await?;
    let services = found.as_ref().map(|found| found.services.as_slice()).filter(|services| !services.is_empty());
    let view = NodeWithList {
        node: found.as_ref().map(|found| &*found.node),
        services: services.map(|services| List(services, |service| ServiceView::from(&**service))),
    };
    Ok(Reply::json(&view, call.pretty())?.with_metadata(&metadata))
}
