//! Typed definitions out of parsed stanzas; faults are collected, in the reference's order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    CheckDefinition, CheckSpec, ConnectDefinition, ExposePath, ProxyDefinition, ServiceAddress, ServiceCheck,
    ServiceDefinition, ServiceKind, Upstream, Weights,
};
use crate::error::Problem;
use crate::meta::pair_fault;
use crate::place::Place;
use crate::secret::Secret;
use crate::value::Shape;

/// Output kept by a check that does not say, in bytes.
const DEFAULT_OUTPUT_MAX_BYTES: i64 = 4096;

/// Turns stanzas into definitions.
pub(crate) struct Converter<'a> {
    pub(crate) collected: &'a mut Vec<Problem>,
}

impl Converter<'_> {
    fn fault(&mut self, place: Option<&Place>, message: String) {
        self.collected.push(Problem { message, place: place.cloned() });
    }

    pub(crate) fn check(&mut self, shape: &Shape) -> CheckDefinition {
        CheckDefinition {
            id: shape.text("id").to_owned(),
            service_id: shape.text("service_id").to_owned(),
            token: Secret(shape.text("token").to_owned()),
            spec: self.spec(shape),
        }
    }

    fn service_check(&mut self, shape: &Shape) -> ServiceCheck {
        ServiceCheck { id: shape.text("id").to_owned(), spec: self.spec(shape) }
    }

    fn spec(&mut self, shape: &Shape) -> CheckSpec {
        let text = |path| shape.text(path).to_owned();
        let number = |path| shape.int(path).unwrap_or(0);
        let interval = self.duration(shape, "interval");
        let timeout = self.duration(shape, "timeout");
        let ttl = self.duration(shape, "ttl");
        let deregister_critical_service_after = self.duration(shape, "deregister_critical_service_after");
        let failures_before_critical = number("failures_before_critical");
        let h2ping = text("h2ping");
        CheckSpec {
            name: text("name"),
            notes: text("notes"),
            status: text("status"),
            args: shape.texts("args").to_vec(),
            http: text("http"),
            header: shape.texts_map("header"),
            method: text("method"),
            body: text("body"),
            disable_redirects: shape.bool("disable_redirects"),
            output_max_size: shape.int("output_max_size").unwrap_or(DEFAULT_OUTPUT_MAX_BYTES),
            tcp: text("tcp"),
            udp: text("udp"),
            interval,
            docker_container_id: text("docker_container_id"),
            shell: text("shell"),
            grpc: text("grpc"),
            grpc_use_tls: shape.bool("grpc_use_tls"),
            tls_server_name: text("tls_server_name"),
            tls_skip_verify: shape.bool("tls_skip_verify"),
            alias_node: text("alias_node"),
            alias_service: text("alias_service"),
            timeout,
            ttl,
            h2ping_use_tls: if shape.has("h2ping_use_tls") { shape.bool("h2ping_use_tls") } else { !h2ping.is_empty() },
            h2ping,
            os_service: text("os_service"),
            success_before_passing: number("success_before_passing"),
            failures_before_warning: shape.int("failures_before_warning").unwrap_or(failures_before_critical),
            failures_before_critical,
            deregister_critical_service_after,
        }
    }

    fn duration(&mut self, shape: &Shape, key: &str) -> Duration {
        let text = shape.text(key);
        if !shape.has(key) {
            return Duration::ZERO;
        }
        match crate::duration::parse(text) {
            Ok(duration) => duration.as_std(),
            Err(detail) => {
                let id = shape.text("id");
                let quoted = wire::quote::go_quote(text);
                self.fault(shape.place.as_ref(), format!("check[{id}].{key}: invalid duration: {quoted}: {detail}"));
                Duration::ZERO
            }
        }
    }

    pub(crate) fn service(&mut self, shape: &Shape) -> ServiceDefinition {
        let text = |path| shape.text(path).to_owned();
        let place = shape.place.as_ref();
        let mut checks: Vec<ServiceCheck> =
            shape.shapes("checks").iter().map(|check| self.service_check(check)).collect();
        if let Some(check) = shape.shape("check") {
            checks.push(self.service_check(check));
        }
        let name = text("name");
        let meta = shape.text_map("meta");
        if let Some(fault) = meta.iter().find_map(|(key, value)| pair_fault(key, value)) {
            self.fault(place, format!("invalid meta for service {name}: {fault}"));
        }
        let weights = self.weights(shape, &name);
        let (address, port, socket_path) = (text("address"), shape.int("port").unwrap_or(0), text("socket_path"));
        if !socket_path.is_empty() && (!address.is_empty() || port != 0) {
            self.fault(place, format!("service {name} cannot have both socket path {socket_path} and address/port"));
        }
        let proxy = shape.shape("proxy").map(|proxy| self.proxy(proxy));
        let connect = shape.shape("connect").map(|connect| self.connect(connect));
        ServiceDefinition {
            kind: ServiceKind::parse(shape.text("kind")),
            id: text("id"),
            tags: shape.texts("tags").to_vec(),
            tagged_addresses: tagged_addresses(shape),
            token: Secret(text("token")),
            enable_tag_override: shape.bool("enable_tag_override"),
            name,
            address,
            meta,
            port,
            socket_path,
            checks,
            weights,
            proxy,
            connect,
        }
    }

    fn weights(&mut self, shape: &Shape, name: &str) -> Weights {
        let Some(given) = shape.shape("weights") else { return Weights::default() };
        let weights =
            Weights { passing: given.int("passing").unwrap_or(1), warning: given.int("warning").unwrap_or(1) };
        let rule = if weights.passing <= 0 {
            "Passing must be greater than 0"
        } else if weights.warning < 0 {
            "Warning must be greater or equal than 0"
        } else {
            return weights;
        };
        self.fault(shape.place.as_ref(), format!("Invalid weight definition for service {name}: {rule}"));
        weights
    }

    fn proxy(&mut self, shape: &Shape) -> ProxyDefinition {
        let text = |path| shape.text(path).to_owned();
        let upstreams = shape.shapes("upstreams").iter().map(|upstream| self.upstream(upstream)).collect();
        let mesh_gateway_mode = self.mesh_gateway_mode(shape);
        let mode = text("mode");
        if !["", "transparent", "direct"].contains(&mode.as_str()) {
            self.fault(shape.place.as_ref(), format!("Invalid Proxy Mode: {}", wire::quote::go_quote(&mode)));
        }
        let transparent = shape.shape("transparent_proxy");
        let expose = shape.shape("expose");
        ProxyDefinition {
            destination_service_name: text("destination_service_name"),
            destination_service_id: text("destination_service_id"),
            local_service_address: text("local_service_address"),
            local_service_port: shape.int("local_service_port").unwrap_or(0),
            local_service_socket_path: text("local_service_socket_path"),
            mode,
            outbound_listener_port: transparent.and_then(|stanza| stanza.int("outbound_listener_port")).unwrap_or(0),
            dialed_directly: transparent.is_some_and(|stanza| stanza.bool("dialed_directly")),
            config: shape.opaque("config"),
            upstreams,
            mesh_gateway_mode,
            expose_checks: expose.is_some_and(|stanza| stanza.bool("checks")),
            expose_paths: expose.map(expose_paths).unwrap_or_default(),
        }
    }

    fn upstream(&mut self, shape: &Shape) -> Upstream {
        let text = |path| shape.text(path).to_owned();
        let socket_mode = text("local_bind_socket_mode");
        let is_octal =
            socket_mode.bytes().all(|digit| digit.is_ascii_digit()) && u32::from_str_radix(&socket_mode, 8).is_ok();
        if !socket_mode.is_empty() && !is_octal {
            self.fault(shape.place.as_ref(), format!("local_bind_socket_mode: invalid mode: {socket_mode}"));
        }
        let destination_type =
            if shape.has("destination_type") { text("destination_type") } else { "service".to_owned() };
        Upstream {
            destination_type,
            destination_namespace: text("destination_namespace"),
            destination_partition: text("destination_partition"),
            destination_peer: text("destination_peer"),
            destination_name: text("destination_name"),
            datacenter: text("datacenter"),
            local_bind_address: text("local_bind_address"),
            local_bind_port: shape.int("local_bind_port").unwrap_or(0),
            local_bind_socket_path: text("local_bind_socket_path"),
            local_bind_socket_mode: socket_mode,
            config: shape.opaque("config"),
            mesh_gateway_mode: self.mesh_gateway_mode(shape),
        }
    }

    fn mesh_gateway_mode(&mut self, shape: &Shape) -> String {
        let mode = shape.shape("mesh_gateway").map(|stanza| stanza.text("mode")).unwrap_or_default();
        if !["", "none", "local", "remote"].contains(&mode) {
            self.fault(shape.place.as_ref(), format!("Invalid Mesh Gateway Mode: {}", wire::quote::go_quote(mode)));
            return String::new();
        }
        mode.to_owned()
    }

    fn connect(&mut self, shape: &Shape) -> ConnectDefinition {
        let sidecar_service = shape.shape("sidecar_service").map(|stanza| {
            let sidecar = self.service(stanza);
            if !sidecar.id.is_empty() {
                self.fault(stanza.place.as_ref(), "sidecar_service can't specify an ID".to_owned());
            }
            let nested = sidecar.connect.as_ref().is_some_and(|connect| connect.sidecar_service.is_some());
            if nested {
                self.fault(stanza.place.as_ref(), "sidecar_service can't have a nested sidecar_service".to_owned());
            }
            Box::new(sidecar)
        });
        ConnectDefinition { native: shape.bool("native"), sidecar_service }
    }
}

fn tagged_addresses(shape: &Shape) -> BTreeMap<String, ServiceAddress> {
    shape
        .shape_map("tagged_addresses")
        .map(|(name, stanza)| {
            let address =
                ServiceAddress { address: stanza.text("address").to_owned(), port: stanza.int("port").unwrap_or(0) };
            (name.clone(), address)
        })
        .collect()
}

fn expose_paths(shape: &Shape) -> Vec<ExposePath> {
    let paths = shape.shapes("paths").iter().map(|path| ExposePath {
        listener_port: path.int("listener_port").unwrap_or(0),
        path: path.text("path").to_owned(),
        local_path_port: path.int("local_path_port").unwrap_or(0),
        protocol: path.text("protocol").to_owned(),
    });
    paths.collect()
}
