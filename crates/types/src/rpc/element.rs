//! What stands in lists of answers, and the services of one node (`docs/spec/rpc-and-state.md` §4.1).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use wire::msgpack::{Error, from_slice, to_vec};

use super::shape::{Element, Shape, each};
use crate::method::DatacenterMap;
use crate::{
    CheckServiceNode, ConnectProxyConfig, CoordinateEntry, HealthCheck, Node, NodeService, NodeServices,
    ServiceAddress, ServiceConnect, ServiceNode, Weights,
};

type Strings = BTreeMap<String, String>;

/// `ServiceNode`: an instance and its node in one struct, with the instance's indexes.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Instance<'a> {
    #[serde(rename = "ID")]
    id: Cow<'a, str>,
    node: Cow<'a, str>,
    address: Cow<'a, str>,
    datacenter: Cow<'a, str>,
    tagged_addresses: Cow<'a, Strings>,
    node_meta: Cow<'a, Strings>,
    service_kind: Cow<'a, str>,
    #[serde(rename = "ServiceID")]
    service_id: Cow<'a, str>,
    service_name: Cow<'a, str>,
    service_tags: Cow<'a, [String]>,
    service_address: Cow<'a, str>,
    service_tagged_addresses: Cow<'a, BTreeMap<String, ServiceAddress>>,
    service_weights: Weights,
    service_meta: Cow<'a, Strings>,
    service_port: i64,
    service_socket_path: Cow<'a, str>,
    service_enable_tag_override: bool,
    service_proxy: Cow<'a, ConnectProxyConfig>,
    service_connect: Cow<'a, ServiceConnect>,
    peer_name: Cow<'a, str>,
    create_index: u64,
    modify_index: u64,
}

impl Element for ServiceNode {
    type Written<'a> = Instance<'a>;
    type Read = Instance<'static>;

    fn written(&self) -> Instance<'_> {
        let (node, service) = (&*self.node, &*self.service);
        Instance {
            id: Cow::Borrowed(&node.id),
            node: Cow::Borrowed(&node.node),
            address: Cow::Borrowed(&node.address),
            datacenter: Cow::Borrowed(&node.datacenter),
            tagged_addresses: Cow::Borrowed(&node.tagged_addresses),
            node_meta: Cow::Borrowed(&node.meta),
            service_kind: Cow::Borrowed(&service.kind),
            service_id: Cow::Borrowed(&service.id),
            service_name: Cow::Borrowed(&service.service),
            service_tags: Cow::Borrowed(&service.tags),
            service_address: Cow::Borrowed(&service.address),
            service_tagged_addresses: Cow::Borrowed(&service.tagged_addresses),
            service_weights: service.weights.unwrap_or_default(),
            service_meta: Cow::Borrowed(&service.meta),
            service_port: service.port,
            service_socket_path: Cow::Borrowed(&service.socket_path),
            service_enable_tag_override: service.enable_tag_override,
            service_proxy: Cow::Borrowed(&*service.proxy),
            service_connect: Cow::Borrowed(&*service.connect),
            peer_name: Cow::Borrowed(&service.peer_name),
            create_index: service.create_index,
            modify_index: service.modify_index,
        }
    }

    fn of(read: Instance<'static>) -> ServiceNode {
        let peer_name = read.peer_name.into_owned();
        let node = Node {
            id: read.id.into_owned(),
            node: read.node.into_owned(),
            address: read.address.into_owned(),
            datacenter: read.datacenter.into_owned(),
            peer_name: peer_name.clone(),
            tagged_addresses: read.tagged_addresses.into_owned(),
            meta: read.node_meta.into_owned(),
            ..Node::default()
        };
        let service = NodeService {
            kind: read.service_kind.into_owned(),
            id: read.service_id.into_owned(),
            service: read.service_name.into_owned(),
            tags: read.service_tags.into_owned(),
            address: read.service_address.into_owned(),
            tagged_addresses: read.service_tagged_addresses.into_owned(),
            meta: read.service_meta.into_owned(),
            port: read.service_port,
            socket_path: read.service_socket_path.into_owned(),
            weights: Some(read.service_weights),
            enable_tag_override: read.service_enable_tag_override,
            proxy: read.service_proxy.into_owned().into(),
            connect: read.service_connect.into_owned().into(),
            locally_registered_as_sidecar: false,
            peer_name,
            create_index: read.create_index,
            modify_index: read.modify_index,
        };
        ServiceNode { node: Arc::new(node), service: Arc::new(service) }
    }
}

/// `CheckServiceNode`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct CheckedInstance<'a> {
    node: Cow<'a, Arc<Node>>,
    service: Cow<'a, Arc<NodeService>>,
    checks: Cow<'a, [Arc<HealthCheck>]>,
}

impl Element for CheckServiceNode {
    type Written<'a> = CheckedInstance<'a>;
    type Read = CheckedInstance<'static>;

    fn written(&self) -> CheckedInstance<'_> {
        CheckedInstance {
            node: Cow::Borrowed(&self.node),
            service: Cow::Borrowed(&self.service),
            checks: Cow::Borrowed(&self.checks),
        }
    }

    fn of(read: CheckedInstance<'static>) -> CheckServiceNode {
        CheckServiceNode {
            node: read.node.into_owned(),
            service: read.service.into_owned(),
            checks: read.checks.into_owned(),
        }
    }
}

/// `NodeServices`: the services by their ID.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct NodeWithServices<'a> {
    node: Cow<'a, Arc<Node>>,
    #[serde(with = "by_id")]
    services: Cow<'a, [Arc<NodeService>]>,
}

impl<'a> From<&'a NodeServices> for NodeWithServices<'a> {
    fn from(found: &'a NodeServices) -> NodeWithServices<'a> {
        NodeWithServices { node: Cow::Borrowed(&found.node), services: Cow::Borrowed(&found.services) }
    }
}

impl From<NodeWithServices<'_>> for NodeServices {
    fn from(read: NodeWithServices<'_>) -> NodeServices {
        NodeServices { node: read.node.into_owned(), services: read.services.into_owned() }
    }
}

mod by_id {
    use super::{Arc, BTreeMap, Cow, Deserialize, Deserializer, NodeService, Serializer};

    pub(super) fn serialize<S: Serializer>(services: &[Arc<NodeService>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(services.iter().map(|service| (&service.id, service)))
    }

    pub(super) fn deserialize<'de, 'a, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Cow<'a, [Arc<NodeService>]>, D::Error> {
        let services = BTreeMap::<String, Arc<NodeService>>::deserialize(deserializer)?;
        Ok(Cow::Owned(services.into_values().collect()))
    }
}

/// `NodeServiceList`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct NodeWithServiceList<'a> {
    node: Option<Cow<'a, Arc<Node>>>,
    services: Cow<'a, [Arc<NodeService>]>,
}

impl<'a> From<&'a NodeServices> for NodeWithServiceList<'a> {
    fn from(found: &'a NodeServices) -> NodeWithServiceList<'a> {
        NodeWithServiceList { node: Some(Cow::Borrowed(&found.node)), services: Cow::Borrowed(&found.services) }
    }
}

impl NodeWithServiceList<'_> {
    /// The node and its services; nothing for a node that is not there.
    pub(super) fn into_found(self) -> Option<NodeServices> {
        Some(NodeServices { node: self.node?.into_owned(), services: self.services.into_owned() })
    }
}

/// `DatacenterMap`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Area<'a> {
    datacenter: Cow<'a, str>,
    #[serde(rename = "AreaID")]
    area_id: Cow<'a, str>,
    coordinates: Cow<'a, [CoordinateEntry]>,
}

impl Element for DatacenterMap {
    type Written<'a> = Area<'a>;
    type Read = Area<'static>;

    fn written(&self) -> Area<'_> {
        Area {
            datacenter: Cow::Borrowed(&self.datacenter),
            area_id: Cow::Borrowed(&self.area_id),
            coordinates: Cow::Borrowed(&self.coordinates),
        }
    }

    fn of(read: Area<'static>) -> DatacenterMap {
        DatacenterMap {
            datacenter: read.datacenter.into_owned(),
            area_id: read.area_id.into_owned(),
            coordinates: read.coordinates.into_owned(),
        }
    }
}

/// A bare list of [`DatacenterMap`]s.
#[derive(Serialize, Deserialize)]
pub(super) struct Areas<'a>(#[serde(with = "each")] Cow<'a, [DatacenterMap]>);

impl Shape<Vec<DatacenterMap>> for Areas<'static> {
    fn encode(areas: &Vec<DatacenterMap>) -> Result<Vec<u8>, Error> {
        to_vec(&Areas(Cow::Borrowed(areas)))
    }

    fn decode(body: &[u8]) -> Result<Vec<DatacenterMap>, Error> {
        let areas: Areas<'static> = from_slice(body)?;
        Ok(areas.0.into_owned())
    }
}
