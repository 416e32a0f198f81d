//! How the catalog's objects look in lists over HTTP: tags are never null there (`docs/spec/http-api.md` §1.10, §3.1).

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use types::{
    CheckServiceNode, ConnectProxyConfig, HealthCheck, HealthCheckDefinition, Node, NodeService, ServiceAddress,
    ServiceConnect, ServiceNode, Weights,
};

type Strings = BTreeMap<String, String>;

/// A list whose items are seen through a view.
pub(crate) struct List<'a, T, V>(pub(crate) &'a [T], pub(crate) fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for List<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            list.serialize_element(&(self.1)(item))?;
        }
        list.end()
    }
}

fn null_if_empty<S: Serializer>(map: &Strings, serializer: S) -> Result<S::Ok, S::Error> {
    if map.is_empty() { serializer.serialize_none() } else { map.serialize(serializer) }
}

/// A check in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CheckView<'a> {
    node: &'a str,
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    name: &'a str,
    status: &'a str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: &'a [String],
    r#type: &'a str,
    interval: &'a str,
    timeout: &'a str,
    exposed_port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    peer_name: &'a str,
    definition: &'a HealthCheckDefinition,
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a HealthCheck> for CheckView<'a> {
    fn from(check: &'a HealthCheck) -> CheckView<'a> {
        CheckView {
            node: &check.node,
            check_id: &check.check_id,
            name: &check.name,
            status: &check.status,
            notes: &check.notes,
            output: &check.output,
            service_id: &check.service_id,
            service_name: &check.service_name,
            service_tags: &check.service_tags,
            r#type: &check.r#type,
            interval: &check.interval,
            timeout: &check.timeout,
            exposed_port: check.exposed_port,
            peer_name: &check.peer_name,
            definition: &check.definition,
            create_index: check.create_index,
            modify_index: check.modify_index,
        }
    }
}

/// A service in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: &'a [String],
    address: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tagged_addresses: &'a BTreeMap<String, ServiceAddress>,
    #[serde(serialize_with = "null_if_empty")]
    meta: &'a Strings,
    #[serde(skip_serializing_if = "is_zero")]
    port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    weights: Weights,
    enable_tag_override: bool,
    proxy: &'a ConnectProxyConfig,
    connect: &'a ServiceConnect,
    peer_name: &'a str,
    create_index: u64,
    modify_index: u64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> From<&'a NodeService> for ServiceView<'a> {
    fn from(service: &'a NodeService) -> ServiceView<'a> {
        ServiceView {
            kind: &service.kind,
            id: &service.id,
            service: &service.service,
            tags: &service.tags,
            address: &service.address,
            tagged_addresses: &service.tagged_addresses,
            meta: &service.meta,
            port: service.port,
            socket_path: &service.socket_path,
            weights: service.weights.unwrap_or_default(),
            enable_tag_override: service.enable_tag_override,
            proxy: &service.proxy,
            connect: &service.connect,
            peer_name: &service.peer_name,
            create_index: service.create_index,
            modify_index: service.modify_index,
        }
    }
}

/// An instance with its node in one object, as `/v1/catalog/service/` lists it. `ServiceMeta` is never null.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstanceView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    #[serde(serialize_with = "null_if_empty")]
    tagged_addresses: &'a Strings,
    #[serde(serialize_with = "null_if_empty")]
    node_meta: &'a Strings,
    service_kind: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: &'a [String],
    service_address: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    service_tagged_addresses: &'a BTreeMap<String, ServiceAddress>,
    service_weights: Weights,
    service_meta: &'a Strings,
    service_port: i64,
    service_socket_path: &'a str,
    service_enable_tag_override: bool,
    service_proxy: &'a ConnectProxyConfig,
    service_connect: &'a ServiceConnect,
    #[serde(skip_serializing_if = "str::is_empty")]
    peer_name: &'a str,
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a ServiceNode> for InstanceView<'a> {
    fn from(instance: &'a ServiceNode) -> InstanceView<'a> {
        let (node, service) = (&*instance.node, &*instance.service);
        InstanceView {
            id: &node.id,
            node: &node.node,
            address: &node.address,
            datacenter: &node.datacenter,
            tagged_addresses: &node.tagged_addresses,
            node_meta: &node.meta,
            service_kind: &service.kind,
            service_id: &service.id,
            service_name: &service.service,
            service_tags: &service.tags,
            service_address: &service.address,
            service_tagged_addresses: &service.tagged_addresses,
            service_weights: service.weights.unwrap_or_default(),
            service_meta: &service.meta,
            service_port: service.port,
            service_socket_path: &service.socket_path,
            service_enable_tag_override: service.enable_tag_override,
            service_proxy: &service.proxy,
            service_connect: &service.connect,
            peer_name: &service.peer_name,
            create_index: service.create_index,
            modify_index: service.modify_index,
        }
    }
}

/// An instance with its node and checks, as `/v1/health/service/` lists it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HealthView<'a> {
    node: &'a Node,
    service: ServiceView<'a>,
    checks: List<'a, std::sync::Arc<HealthCheck>, CheckView<'a>>,
}

impl<'a> From<&'a CheckServiceNode> for HealthView<'a> {
    fn from(instance: &'a CheckServiceNode) -> HealthView<'a> {
        HealthView {
            node: &instance.node,
            service: ServiceView::from(&*instance.service),
            checks: List(&instance.checks, |check| CheckView::from(&**check)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service() -> NodeService {
        NodeService {
            id: "web1".into(),
            service: "web".into(),
            tags: vec!["a".into()],
            port: 80,
            ..NodeService::default()
        }
    }

    #[test]
    fn a_view_differs_from_the_type_in_tags_and_weights_only() {
        let full = NodeService { weights: Some(Weights { passing: 3, warning: 0 }), ..service() };
        let seen = serde_json::to_value(ServiceView::from(&full)).unwrap();
        assert_eq!(seen, serde_json::to_value(&full).unwrap());
        let bare = NodeService { tags: Vec::new(), ..service() };
        let seen = serde_json::to_value(ServiceView::from(&bare)).unwrap();
        assert_eq!((&seen["Tags"], &seen["Weights"]), (&json!([]), &json!({"Passing": 1, "Warning": 1})));
    }

    #[test]
    fn a_check_differs_from_the_type_in_tags_only() {
        let check = HealthCheck { service_tags: vec!["a".into()], ..HealthCheck::default() };
        assert_eq!(serde_json::to_value(CheckView::from(&check)).unwrap(), serde_json::to_value(&check).unwrap());
        let bare = HealthCheck::default();
        assert_eq!(serde_json::to_value(CheckView::from(&bare)).unwrap()["ServiceTags"], json!([]));
    }

    #[test]
    fn an_instance_has_the_references_fields() {
        let instance = ServiceNode { node: Node::default().into(), service: service().into() };
        let seen = serde_json::to_value(InstanceView::from(&instance)).unwrap();
        let Value::Object(fields) = &seen else { panic!("an object") };
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let expected = "ID Node Address Datacenter TaggedAddresses NodeMeta ServiceKind ServiceID ServiceName ServiceTags \
            ServiceAddress ServiceWeights ServiceMeta ServicePort ServiceSocketPath ServiceEnableTagOverride ServiceProxy \
            ServiceConnect CreateIndex ModifyIndex";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
        assert_eq!((&seen["ServiceMeta"], &seen["NodeMeta"]), (&json!({}), &Value::Null));
    }
}
