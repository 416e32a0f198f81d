//! The body of a transaction (`docs/spec/http-api.md` §7): shapes, limits, and what becomes of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use types::txn::{TxnCheckOp, TxnKvOp, TxnNodeOp, TxnServiceOp};
use types::{
    ConnectProxyConfig, DirEntry, GoDuration, HealthCheck, HealthCheckDefinition, Key, KvOp, Node, NodeService, TxnOp,
    Weights,
};
use wire::json::{self, JsonError, Unknown};

use super::body::{Dropped, WeightsBody, name_types};

/// Most operations of one transaction.
pub(crate) const MAX_OPERATIONS: usize = 128;

/// Types of the body as errors name them.
const TYPE_NAMES: [(&str, &str); 6] = [
    ("a sequence", "api.TxnOps"),
    ("TxnOp", "api.TxnOp"),
    ("KVTxnOp", "api.KVTxnOp"),
    ("NodeTxnOp", "api.NodeTxnOp"),
    ("ServiceTxnOp", "api.ServiceTxnOp"),
    ("CheckTxnOp", "api.CheckTxnOp"),
];

/// Why a body is no transaction.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TxnBodyError {
    #[error("Failed to parse body: {0}")]
    Json(#[from] JsonError),
    #[error("Failed to parse body: operation {0} is null")]
    NullOperation(usize),
    #[error("Transaction contains too many operations ({0} > {MAX_OPERATIONS})")]
    TooManyOperations(usize),
    #[error("Value for key {key} is too large ({length} > {longest} bytes)")]
    ValueTooLarge { key: String, length: usize, longest: u64 },
}

/// The operations of a body, and whether one of them writes. `longest_value` bounds each value, bytes.
pub(crate) fn decode(body: &[u8], longest_value: u64) -> Result<(Vec<TxnOp>, bool), TxnBodyError> {
    let elements: Result<Option<Vec<Option<Operation>>>, JsonError> = json::from_slice(body, Unknown::Reject);
    let elements = elements.map_err(|error| name_types(error, &TYPE_NAMES))?.unwrap_or_default();
    if elements.len() > MAX_OPERATIONS {
        return Err(TxnBodyError::TooManyOperations(elements.len()));
    }
    let mut operations = Vec::with_capacity(elements.len());
    let mut writes = false;
    for (position, element) in elements.into_iter().enumerate() {
        let element = element.ok_or(TxnBodyError::NullOperation(position))?;
        let Some((operation, is_write)) = convert(element, longest_value)? else { continue };
        operations.push(operation);
        writes |= is_write;
    }
    Ok((operations, writes))
}

/// The first member in the order KV, node, service, check counts; an element without any is dropped.
fn convert(element: Operation, longest_value: u64) -> Result<Option<(TxnOp, bool)>, TxnBodyError> {
    let converted = if let Some(kv) = element.kv {
        let length = kv.value.len();
        if length as u64 > longest_value {
            let key = wire::quote::go_quote(&kv.key.to_string());
            return Err(TxnBodyError::ValueTooLarge { key, length, longest: longest_value });
        }
        let is_write = KvOp::parse(&kv.verb).is_some_and(KvOp::is_write);
        (TxnOp { kv: Some(kv.into()), ..TxnOp::default() }, is_write)
    } else if let Some(node) = element.node {
        let is_write = node.verb != "get";
        (TxnOp { node: Some(node.into()), ..TxnOp::default() }, is_write)
    } else if let Some(service) = element.service {
        let is_write = service.verb != "get";
        (TxnOp { service: Some(service.into()), ..TxnOp::default() }, is_write)
    } else if let Some(check) = element.check {
        let is_write = check.verb != "get";
        (TxnOp { check: Some(check.into()), ..TxnOp::default() }, is_write)
    } else {
        return Ok(None);
    };
    Ok(Some(converted))
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "TxnOp")]
struct Operation {
    #[serde(rename = "KV")]
    kv: Option<Kv>,
    #[serde(rename = "Node")]
    node: Option<NodeOperation>,
    #[serde(rename = "Service")]
    service: Option<ServiceOperation>,
    #[serde(rename = "Check")]
    check: Option<CheckOperation>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "KVTxnOp", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct Kv {
    verb: String,
    key: Key,
    #[serde(with = "json::base64_bytes")]
    value: Bytes,
    flags: u64,
    index: u64,
    session: String,
    namespace: Dropped,
    partition: Dropped,
}

impl From<Kv> for TxnKvOp {
    fn from(kv: Kv) -> TxnKvOp {
        let entry = DirEntry {
            key: kv.key,
            flags: kv.flags,
            value: kv.value,
            session: kv.session,
            modify_index: kv.index,
            ..DirEntry::default()
        };
        TxnKvOp { verb: kv.verb, dir_ent: entry }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "NodeTxnOp", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct NodeOperation {
    verb: String,
    node: NodeBody,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "Node", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct NodeBody {
    #[serde(rename = "ID")]
    id: String,
    node: String,
    address: String,
    datacenter: String,
    tagged_addresses: BTreeMap<String, String>,
    meta: BTreeMap<String, String>,
    modify_index: u64,
    peer_name: String,
    create_index: Dropped,
    partition: Dropped,
}

impl From<NodeOperation> for TxnNodeOp {
    fn from(operation: NodeOperation) -> TxnNodeOp {
        let body = operation.node;
        let node = Node {
            id: body.id,
            node: body.node,
            address: body.address,
            datacenter: body.datacenter,
            peer_name: body.peer_name,
            tagged_addresses: body.tagged_addresses,
            meta: body.meta,
            modify_index: body.modify_index,
            ..Node::default()
        };
        TxnNodeOp { verb: operation.verb, node }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "ServiceTxnOp", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct ServiceOperation {
    verb: String,
    node: String,
    service: ServiceBody,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "AgentService", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct ServiceBody {
    kind: String,
    #[serde(rename = "ID")]
    id: String,
    service: String,
    tags: Vec<String>,
    meta: BTreeMap<String, String>,
    port: i64,
    address: String,
    weights: Option<WeightsBody>,
    enable_tag_override: bool,
    modify_index: u64,
    proxy: Option<ProxyBody>,
    peer_name: String,
    socket_path: Dropped,
    tagged_addresses: Dropped,
    create_index: Dropped,
    content_hash: Dropped,
    connect: Option<ConnectBody>,
    namespace: Dropped,
    partition: Dropped,
    datacenter: Dropped,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "AgentServiceConnect", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct ConnectBody {
    native: Dropped,
    sidecar_service: Dropped,
    peer_meta: Dropped,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "AgentServiceConnectProxyConfig", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct ProxyBody {
    destination_service_name: String,
    #[serde(rename = "DestinationServiceID")]
    destination_service_id: String,
    local_service_address: String,
    local_service_port: i64,
    local_service_socket_path: String,
    mesh_gateway: types::service::MeshGatewayConfig,
    transparent_proxy: Option<types::service::TransparentProxyConfig>,
    mode: Dropped,
    config: Dropped,
    upstreams: Dropped,
    expose: Dropped,
}

impl From<ServiceOperation> for TxnServiceOp {
    fn from(operation: ServiceOperation) -> TxnServiceOp {
        let body = operation.service;
        let proxy = body.proxy.unwrap_or_default();
        let service = NodeService {
            kind: body.kind,
            id: body.id,
            service: body.service,
            tags: body.tags,
            address: body.address,
            meta: body.meta,
            port: body.port,
            weights: body.weights.map(|weights| Weights { passing: weights.passing, warning: weights.warning }),
            enable_tag_override: body.enable_tag_override,
            proxy: ConnectProxyConfig {
                destination_service_name: proxy.destination_service_name,
                destination_service_id: proxy.destination_service_id,
                local_service_address: proxy.local_service_address,
                local_service_port: proxy.local_service_port,
                local_service_socket_path: proxy.local_service_socket_path,
                mesh_gateway: proxy.mesh_gateway,
                transparent_proxy: proxy.transparent_proxy.unwrap_or_default(),
                ..ConnectProxyConfig::default()
            }
            .into(),
            peer_name: body.peer_name,
            modify_index: body.modify_index,
            ..NodeService::default()
        };
        TxnServiceOp { verb: operation.verb, node: operation.node, service }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "CheckTxnOp", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct CheckOperation {
    verb: String,
    check: CheckBody,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "HealthCheck", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct CheckBody {
    node: String,
    #[serde(rename = "CheckID")]
    check_id: String,
    name: String,
    status: String,
    notes: String,
    output: String,
    #[serde(rename = "ServiceID")]
    service_id: String,
    service_name: String,
    service_tags: Vec<String>,
    exposed_port: i64,
    peer_name: String,
    #[serde(deserialize_with = "json::ignore_unknown::deserialize")]
    definition: DefinitionBody,
    modify_index: u64,
    r#type: Dropped,
    create_index: Dropped,
    namespace: Dropped,
    partition: Dropped,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "HealthCheckDefinition", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct DefinitionBody {
    #[serde(rename = "HTTP")]
    http: String,
    #[serde(rename = "TLSServerName")]
    tls_server_name: String,
    #[serde(rename = "TLSSkipVerify")]
    tls_skip_verify: bool,
    header: BTreeMap<String, Vec<String>>,
    method: String,
    body: String,
    #[serde(rename = "TCP")]
    tcp: String,
    #[serde(rename = "GRPC")]
    grpc: String,
    #[serde(rename = "GRPCUseTLS")]
    grpc_use_tls: bool,
    #[serde(rename = "OSService")]
    os_service: String,
    interval: GoDuration,
    timeout: GoDuration,
    deregister_critical_service_after: GoDuration,
    interval_duration: Option<GoDuration>,
    timeout_duration: Option<GoDuration>,
    deregister_critical_service_after_duration: Option<GoDuration>,
}

impl From<CheckOperation> for TxnCheckOp {
    fn from(operation: CheckOperation) -> TxnCheckOp {
        let body = operation.check;
        let check = HealthCheck {
            node: body.node,
            check_id: body.check_id,
            name: body.name,
            status: body.status,
            notes: body.notes,
            output: body.output,
            service_id: body.service_id,
            service_name: body.service_name,
            service_tags: body.service_tags,
            exposed_port: body.exposed_port,
            peer_name: body.peer_name,
            definition: HealthCheckDefinition::from(body.definition).into(),
            modify_index: body.modify_index,
            ..HealthCheck::default()
        };
        TxnCheckOp { verb: operation.verb, check }
    }
}

impl From<DefinitionBody> for HealthCheckDefinition {
    fn from(body: DefinitionBody) -> HealthCheckDefinition {
        let after = body.deregister_critical_service_after_duration.unwrap_or(body.deregister_critical_service_after);
        HealthCheckDefinition {
            http: body.http,
            tls_server_name: body.tls_server_name,
            tls_skip_verify: body.tls_skip_verify,
            header: body.header,
            method: body.method,
            body: body.body,
            tcp: body.tcp,
            grpc: body.grpc,
            grpc_use_tls: body.grpc_use_tls,
            os_service: body.os_service,
            interval: body.interval_duration.unwrap_or(body.interval),
            timeout: body.timeout_duration.unwrap_or(body.timeout),
            deregister_critical_service_after: after,
            ..HealthCheckDefinition::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST_VALUE: u64 = 4;

    fn decoded(body: &str) -> (Vec<TxnOp>, bool) {
        decode(body.as_bytes(), LONGEST_VALUE).unwrap()
    }

    fn refused(body: &str) -> String {
        decode(body.as_bytes(), LONGEST_VALUE).unwrap_err().to_string()
    }

    #[test]
    fn refusals_have_the_references_words() {
        let too_many = format!("[{}{{}}]", "{},".repeat(MAX_OPERATIONS));
        let cases = [
            ("", "Failed to parse body: EOF"),
            ("[", "Failed to parse body: unexpected EOF"),
            (r#"[{"KV":{"Unknown":1}}]"#, "Failed to parse body: json: unknown field \"Unknown\""),
            (r#"[{"Bogus":{}}]"#, "Failed to parse body: json: unknown field \"Bogus\""),
            (r#"[{"Check":{"Check":{"Interval":"5s"}}}]"#, "Failed to parse body: json: unknown field \"Interval\""),
            (r#"[{"Check":{"Check":{"check_id":"x"}}}]"#, "Failed to parse body: json: unknown field \"check_id\""),
            (
                r#"[{"Service":{"Service":{"enable_tag_override":true}}}]"#,
                "Failed to parse body: json: unknown field \"enable_tag_override\"",
            ),
            (r#"[{"KV":{"Value":"%%%"}}]"#, "Failed to parse body: illegal base64 data at input byte 0"),
            ("[null]", "Failed to parse body: operation 0 is null"),
            ("{}", "Failed to parse body: json: cannot unmarshal object into Go value of type api.TxnOps"),
            ("[[]]", "Failed to parse body: json: cannot unmarshal array into Go value of type api.TxnOp"),
            (
                r#"[{"KV":[]}]"#,
                "Failed to parse body: json: cannot unmarshal array into Go struct field TxnOp.KV of type api.KVTxnOp",
            ),
            (&too_many, "Transaction contains too many operations (129 > 128)"),
            (r#"[{"KV":{"Key":"k","Value":"YWFhYWE="}}]"#, "Value for key \"k\" is too large (5 > 4 bytes)"),
        ];
        for (body, expected) in cases {
            assert_eq!(refused(body), expected, "{body}");
        }
    }

    #[test]
    fn bodies_without_operations_only_read() {
        for body in ["null", "[]", "[{}]", "[{\"KV\":null}]", "[] garbage"] {
            let (operations, writes) = decoded(body);
            assert!(operations.is_empty() && !writes, "{body}");
        }
    }

    #[test]
    fn writing_verbs_are_told_from_reading_ones() {
        let cases = [
            (r#"{"KV":{"Verb":"get"}}"#, false),
            (r#"{"KV":{"Verb":"check-not-exists"}}"#, false),
            (r#"{"KV":{"Verb":"zz"}}"#, false),
            (r#"{"KV":{"Verb":"delete-tree"}}"#, true),
            (r#"{"KV":{"Verb":"unlock"}}"#, true),
            (r#"{"Node":{"Verb":"get"}}"#, false),
            (r#"{"Node":{"Verb":"zz"}}"#, true),
            (r#"{"Service":{"Verb":"delete"}}"#, true),
            (r#"{"Check":{"Verb":"get"}}"#, false),
        ];
        for (operation, expected) in cases {
            assert_eq!(decoded(&format!("[{operation}]")).1, expected, "{operation}");
        }
    }

    #[test]
    fn the_first_member_counts() {
        let (operations, writes) = decoded(r#"[{"Node":{"Verb":"delete"},"KV":{"Verb":"get","Key":"k"}}]"#);
        assert!(operations[0].kv.is_some() && operations[0].node.is_none() && !writes);
    }

    #[test]
    fn keys_are_matched_without_case_and_values_decoded() {
        let (operations, _) = decoded(r#"[{"kv":{"VERB":"set","key":"k","value":"YQ==","index":7,"namespace":"n"}}]"#);
        let kv = operations[0].kv.as_ref().unwrap();
        assert_eq!((kv.verb.as_str(), &kv.dir_ent.value[..], kv.dir_ent.modify_index), ("set", &b"a"[..], 7));
    }

    #[test]
    fn duration_members_win_over_their_namesakes_even_as_zero() {
        let body = r#"[{"Check":{"Check":{"Definition":
            {"Interval":"6s","IntervalDuration":5000000000,"Timeout":"5s","TimeoutDuration":0,"Other":1}}}}]"#;
        let (operations, _) = decoded(body);
        let definition = &operations[0].check.as_ref().unwrap().check.definition;
        assert_eq!((definition.interval, definition.timeout), (GoDuration::from_secs(5), GoDuration::ZERO));
    }

    #[test]
    fn service_fields_are_carried_as_the_reference_carries_them() {
        let body = r#"[{"Service":{"Verb":"set","Node":"n","Service":{"Service":"web","Weights":{"Passing":3},
            "SocketPath":"/x","TaggedAddresses":{"lan":{"Address":"a","Port":1}},
            "Proxy":{"DestinationServiceName":"d","Config":{"a":1},"Upstreams":[{"DestinationName":"u"}]}}}}]"#;
        let (operations, _) = decoded(body);
        let service = &operations[0].service.as_ref().unwrap().service;
        assert_eq!(service.weights, Some(Weights { passing: 3, warning: 0 }));
        assert_eq!(service.proxy.destination_service_name, "d");
        assert!(service.socket_path.is_empty() && service.tagged_addresses.is_empty());
        assert!(service.proxy.config.is_empty() && service.proxy.upstreams.is_empty());
    }
}
