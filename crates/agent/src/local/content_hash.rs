//! The hash of what `/v1/agent/service/:id` shows of a service: the reference's own value, so that a hash a client
//! holds stays good when this agent takes the place of a reference agent (`docs/spec/http-api.md` §3.4).
//!
//! What is hashed is the answer as the official Go client's structs hold it, members that are not set included, by the
//! rules of the public Go library `mitchellh/hashstructure` v1. Names of types and members therefore count.

#[cfg(test)]
mod tests;

use serde_json::Value;
use types::service::{ConfigMap, ExposeConfig, ExposePath, MeshGatewayConfig, TransparentProxyConfig};
use types::{ConnectProxyConfig, NodeService, ServiceAddress, Upstream, Weights};

/// The hash in lower-case hexadecimal, without leading zeros.
pub(super) fn content_hash(service: &NodeService) -> String {
    let Hash(hash) = agent_service(service);
    format!("{hash:x}")
}

/// Members that are never shown of a service of this agent count as not set; namespace, partition and datacenter do not
/// count at all.
fn agent_service(service: &NodeService) -> Hash {
    let is_proxy_or_gateway = !service.kind.is_empty();
    Hash::record(
        "AgentService",
        [
            ("Kind", Hash::text(&service.kind)),
            ("ID", Hash::text(&service.id)),
            ("Service", Hash::text(&service.service)),
            ("Tags", Hash::list(service.tags.iter().map(|tag| Hash::text(tag)))),
            ("Meta", Hash::map(service.meta.iter().map(|(key, value)| (key.as_str(), Hash::text(value))))),
            ("Port", Hash::number(service.port)),
            ("Address", Hash::text(&service.address)),
            ("SocketPath", Hash::text(&service.socket_path)),
            ("TaggedAddresses", Hash::map(service.tagged_addresses.iter().map(|(tag, a)| (tag.as_str(), address(a))))),
            ("Weights", weights(service.weights.unwrap_or_default())),
            ("EnableTagOverride", Hash::flag(service.enable_tag_override)),
            ("CreateIndex", Hash::number(0)),
            ("ModifyIndex", Hash::number(0)),
            ("ContentHash", Hash::text("")),
            ("Proxy", if is_proxy_or_gateway { proxy(&service.proxy) } else { Hash::nil() }),
            ("Connect", if service.connect.native { native() } else { Hash::nil() }),
            ("PeerName", Hash::text("")),
        ],
    )
}

fn address(address: &ServiceAddress) -> Hash {
    Hash::record("ServiceAddress", [("Address", Hash::text(&address.address)), ("Port", Hash::number(address.port))])
}

/// As they are shown: a passing weight below one as one.
fn weights(weights: Weights) -> Hash {
    Hash::record(
        "AgentWeights",
        [("Passing", Hash::number(weights.passing.max(1))), ("Warning", Hash::number(weights.warning))],
    )
}

fn native() -> Hash {
    Hash::record("AgentServiceConnect", [("Native", Hash::flag(true)), ("SidecarService", Hash::nil())])
}

fn proxy(proxy: &ConnectProxyConfig) -> Hash {
    Hash::record(
        "AgentServiceConnectProxyConfig",
        [
            ("DestinationServiceName", Hash::text(&proxy.destination_service_name)),
            ("DestinationServiceID", Hash::text(&proxy.destination_service_id)),
            ("LocalServiceAddress", Hash::text(&proxy.local_service_address)),
            ("LocalServicePort", Hash::number(proxy.local_service_port)),
            ("LocalServiceSocketPath", Hash::text(&proxy.local_service_socket_path)),
            ("Mode", Hash::text(&proxy.mode)),
            ("TransparentProxy", transparent_proxy(&proxy.transparent_proxy)),
            ("Config", config(&proxy.config)),
            ("Upstreams", Hash::list(proxy.upstreams.iter().map(upstream))),
            ("MeshGateway", mesh_gateway(&proxy.mesh_gateway)),
            ("Expose", expose(&proxy.expose)),
        ],
    )
}

/// Shown only when something of it is set.
fn transparent_proxy(transparent: &TransparentProxyConfig) -> Hash {
    if *transparent == TransparentProxyConfig::default() {
        return Hash::nil();
    }
    Hash::record(
        "TransparentProxyConfig",
        [
            ("OutboundListenerPort", Hash::number(transparent.outbound_listener_port)),
            ("DialedDirectly", Hash::flag(transparent.dialed_directly)),
        ],
    )
}

/// Whether an upstream is configured centrally is never shown.
fn upstream(upstream: &Upstream) -> Hash {
    Hash::record(
        "Upstream",
        [
            ("DestinationType", Hash::text(&upstream.destination_type)),
            ("DestinationPartition", Hash::text(&upstream.destination_partition)),
            ("DestinationNamespace", Hash::text(&upstream.destination_namespace)),
            ("DestinationPeer", Hash::text(&upstream.destination_peer)),
            ("DestinationName", Hash::text(&upstream.destination_name)),
            ("Datacenter", Hash::text(&upstream.datacenter)),
            ("LocalBindAddress", Hash::text(&upstream.local_bind_address)),
            ("LocalBindPort", Hash::number(upstream.local_bind_port)),
            ("LocalBindSocketPath", Hash::text(&upstream.local_bind_socket_path)),
            ("LocalBindSocketMode", Hash::text(&upstream.local_bind_socket_mode)),
            ("Config", config(&upstream.config)),
            ("MeshGateway", mesh_gateway(&upstream.mesh_gateway)),
            ("CentrallyConfigured", Hash::flag(false)),
        ],
    )
}

fn mesh_gateway(gateway: &MeshGatewayConfig) -> Hash {
    Hash::record("MeshGatewayConfig", [("Mode", Hash::text(&gateway.mode))])
}

fn expose(expose: &ExposeConfig) -> Hash {
    Hash::record(
        "ExposeConfig",
        [("Checks", Hash::flag(expose.checks)), ("Paths", Hash::list(expose.paths.iter().map(expose_path)))],
    )
}

fn expose_path(path: &ExposePath) -> Hash {
    Hash::record(
        "ExposePath",
        [
            ("ListenerPort", Hash::number(path.listener_port)),
            ("Path", Hash::text(&path.path)),
            ("LocalPathPort", Hash::number(path.local_path_port)),
            ("Protocol", Hash::text(&path.protocol)),
            ("ParsedFromCheck", Hash::flag(path.parsed_from_check)),
        ],
    )
}

fn config(config: &ConfigMap) -> Hash {
    Hash::map(config.iter().map(|(key, value)| (key.as_str(), free(value))))
}

/// A free-form value. Its numbers are floating-point, which is what Go makes of any number in JSON. (The reference
/// keeps whole numbers of HCL files apart; here nothing tells them from those of JSON any more.)
fn free(value: &Value) -> Hash {
    match value {
        Value::Null => Hash::nil(),
        Value::Bool(flag) => Hash::flag(*flag),
        Value::Number(number) => Hash::float(number.as_f64().unwrap_or_default()),
        Value::String(text) => Hash::text(text),
        Value::Array(items) => Hash::list(items.iter().map(free)),
        Value::Object(members) => Hash::map(members.iter().map(|(key, value)| (key.as_str(), free(value)))),
    }
}

/// A hash of a value or of a tree of values: 64-bit FNV-1 (not FNV-1a), begun anew for every leaf and every pair.
#[derive(Clone, Copy, Debug)]
struct Hash(u64);

impl Hash {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0100_0000_01b3;
    /// Of no elements, and of no entries.
    const EMPTY: Hash = Hash(0);

    fn leaf(bytes: &[u8]) -> Hash {
        let take = |hash: u64, byte: &u8| hash.wrapping_mul(Self::FNV_PRIME) ^ u64::from(*byte);
        Hash(bytes.iter().fold(Self::FNV_OFFSET, take))
    }

    fn text(text: &str) -> Hash {
        Hash::leaf(text.as_bytes())
    }

    fn number(number: i64) -> Hash {
        Hash::leaf(&number.to_le_bytes())
    }

    fn float(number: f64) -> Hash {
        Hash::leaf(&number.to_le_bytes())
    }

    fn flag(flag: bool) -> Hash {
        Hash::leaf(&[u8::from(flag)])
    }

    /// What is not there counts as the number zero.
    fn nil() -> Hash {
        Hash::number(0)
    }

    /// Of a pair.
    fn then(self, next: Hash) -> Hash {
        Hash::leaf([self.0.to_le_bytes(), next.0.to_le_bytes()].as_flattened())
    }

    fn list(items: impl Iterator<Item = Hash>) -> Hash {
        items.fold(Hash::EMPTY, Hash::then)
    }

    /// The order of entries does not count.
    fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Hash)>) -> Hash {
        let add = |Hash(map): Hash, (key, value): (&str, Hash)| {
            let Hash(entry) = Hash::text(key).then(value);
            Hash(map ^ entry)
        };
        entries.into_iter().fold(Hash::EMPTY, add)
    }

    /// Of a struct: its members as a map, and the name of its type.
    fn record<const MEMBERS: usize>(type_name: &str, members: [(&str, Hash); MEMBERS]) -> Hash {
        let (Hash(name), Hash(members)) = (Hash::text(type_name), Hash::map(members));
        Hash(name ^ members)
    }
}
