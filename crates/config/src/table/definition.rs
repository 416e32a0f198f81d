//! Keys inside service and check definitions and other list items (`docs/spec/config.md` §14).

use super::{Key, Kind, Preset, duration, flag, int, opaque, shape, shapes, text, text_map, texts};
use crate::capability::Capability::{Audit, Dns, Enterprise, Segments, Services, Ui};

/// Keys of a service definition.
pub static SERVICE_KEYS: &[Key] = &[
    text("kind", Services),
    text("id", Services),
    text("name", Services),
    texts("tags", Services),
    text("address", Services),
    Key::new("tagged_addresses", Kind::ShapeMap(&TAGGED_ADDRESS_KEYS), Services),
    text_map("meta", Services),
    int("port", Services),
    text("socket_path", Services),
    shape("check", &CHECK_KEYS, Services),
    shapes("checks", &CHECK_KEYS, Services),
    text("token", Services).secret(),
    shape("weights", &WEIGHTS_KEYS, Services),
    flag("enable_tag_override", Services),
    shape("proxy", &PROXY_KEYS, Services),
    shape("connect", &CONNECT_KEYS, Services),
];

static TAGGED_ADDRESS_KEYS: &[Key] = &[text("address", Services), int("port", Services)];

static WEIGHTS_KEYS: &[Key] = &[int("passing", Services), int("warning", Services)];

static CONNECT_KEYS: &[Key] = &[flag("native", Services), shape("sidecar_service", &SERVICE_KEYS, Services)];

static MESH_GATEWAY_KEYS: &[Key] = &[text("mode", Services)];

static PROXY_KEYS: &[Key] = &[
    text("destination_service_name", Services),
    text("destination_service_id", Services),
    text("local_service_address", Services),
    int("local_service_port", Services),
    text("local_service_socket_path", Services),
    text("mode", Services),
    shape("transparent_proxy", &TRANSPARENT_PROXY_KEYS, Services),
    opaque("config", Services),
    shapes("upstreams", &UPSTREAM_KEYS, Services),
    shape("mesh_gateway", &MESH_GATEWAY_KEYS, Services),
    shape("expose", &EXPOSE_KEYS, Services),
];

static TRANSPARENT_PROXY_KEYS: &[Key] = &[int("outbound_listener_port", Services), flag("dialed_directly", Services)];

static UPSTREAM_KEYS: &[Key] = &[
    text("destination_type", Services),
    text("destination_namespace", Services),
    text("destination_partition", Services),
    text("destination_peer", Services),
    text("destination_name", Services),
    text("datacenter", Services),
    text("local_bind_address", Services),
    int("local_bind_port", Services),
    text("local_bind_socket_path", Services),
    text("local_bind_socket_mode", Services),
    opaque("config", Services),
    shape("mesh_gateway", &MESH_GATEWAY_KEYS, Services),
];

static EXPOSE_KEYS: &[Key] =
    &[flag("checks", Services), shapes("paths", &EXPOSE_PATH_KEYS, Services), int("port", Services)];

static EXPOSE_PATH_KEYS: &[Key] = &[
    int("listener_port", Services),
    text("path", Services),
    int("local_path_port", Services),
    text("protocol", Services),
];

/// Keys of a check definition.
pub static CHECK_KEYS: &[Key] = &[
    text("id", Services),
    text("name", Services),
    text("notes", Services),
    text("service_id", Services).alias(&["serviceid"]),
    text("token", Services).secret(),
    text("status", Services),
    texts("args", Services).alias(&["scriptargs"]),
    text("http", Services),
    Key::new("header", Kind::TextsMap, Services),
    text("method", Services),
    text("body", Services),
    flag("disable_redirects", Services),
    int("output_max_size", Services).or(Preset::Int(4096)),
    text("tcp", Services),
    text("udp", Services),
    duration("interval", Services),
    text("docker_container_id", Services).alias(&["dockercontainerid"]),
    text("shell", Services),
    text("grpc", Services),
    flag("grpc_use_tls", Services),
    text("tls_server_name", Services),
    flag("tls_skip_verify", Services).alias(&["tlsskipverify"]),
    text("alias_node", Services),
    text("alias_service", Services),
    duration("timeout", Services),
    duration("ttl", Services),
    text("h2ping", Services),
    flag("h2ping_use_tls", Services),
    text("os_service", Services),
    int("success_before_passing", Services),
    int("failures_before_warning", Services),
    int("failures_before_critical", Services),
    duration("deregister_critical_service_after", Services).alias(&["deregistercriticalserviceafter"]),
];

pub(super) static SOA_KEYS: &[Key] = &[
    Key::new("refresh", Kind::Uint32, Dns),
    Key::new("retry", Kind::Uint32, Dns),
    Key::new("expire", Kind::Uint32, Dns),
    Key::new("min_ttl", Kind::Uint32, Dns),
];

pub(super) static SEGMENT_KEYS: &[Key] = &[
    text("name", Segments),
    int("port", Segments),
    text("bind", Segments),
    text("advertise", Segments),
    flag("rpc_listener", Segments),
];

pub(super) static HEADER_KEYS: &[Key] = &[text("name", Ui), text("value", Ui)];

pub(super) static MANAGED_PROVIDER_KEYS: &[Key] =
    &[text("accessor_id", Enterprise), text("secret_id", Enterprise).secret()];

pub(super) static AUDIT_KEYS: &[Key] =
    &[flag("enabled", Audit), Key::new("sink", Kind::ShapeMap(&AUDIT_SINK_KEYS), Audit)];

static AUDIT_SINK_KEYS: &[Key] = &[
    text("type", Audit),
    text("format", Audit),
    text("path", Audit),
    text("delivery_guarantee", Audit),
    text("mode", Audit),
    int("rotate_bytes", Audit),
    text("rotate_duration", Audit),
    int("rotate_max_files", Audit),
];
