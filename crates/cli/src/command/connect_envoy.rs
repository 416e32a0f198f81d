//! `connect envoy`: Envoy as a proxy of the mesh.

use super::connect::CAPABILITY;
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups, Kind};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "connect envoy",
        "Runs Envoy as a proxy of the mesh",
        "[options] [-- pass-through options]",
        "Writes the configuration Envoy starts with, and then becomes Envoy. Everything else Envoy fetches from the agent \
         while it runs. Arguments after -- are Envoy's own.\n\nA sidecar is named by its service (-sidecar-for) or its \
         registration (-proxy-id); a gateway by its kind (-gateway).",
        Run::Missing { capability: CAPABILITY, check: envoy },
    )
    .examples(&[
        ("Beside a registered service", "consul connect envoy -sidecar-for web"),
        ("Only print the configuration", "consul connect envoy -sidecar-for web -bootstrap"),
        ("As a mesh gateway that registers itself", "consul connect envoy -gateway mesh -register -address 10.0.0.5:8443"),
        ("With options for Envoy", "consul connect envoy -sidecar-for web -- -l debug"),
    ])
    .groups(Groups::CM)
    .flags_of_its_own(&[
        Flag::text("proxy-id", "ID of the proxy's registration at the agent.").variable("CONNECT_PROXY_ID"),
        Flag::text("sidecar-for", "ID of the service whose only registered sidecar proxy to run.")
            .variable("CONNECT_SIDECAR_FOR"),
        Flag::text("node-name", "Node of the proxy's registration, when it is not the agent's own. Needs -proxy-id."),
        Flag::text("gateway", "Kind of gateway to run.")
            .hint("kind")
            .one_of(&["mesh", "terminating", "ingress"]),
        Flag::bool("mesh-gateway", "Old spelling of -gateway=mesh."),
        Flag::text("service", "Name to register the gateway under; its kind and -gateway when left out."),
        Flag::bool("register", "Register the gateway at the agent first."),
        Flag::new("address", Kind::OptionalText, "Address and port of the gateway in the datacenter, for -register. A template is allowed.")
            .hint("address[:port]")
            .defaults_to(":8443"),
        Flag::new("wan-address", Kind::OptionalText, "Address and port of the gateway for other datacenters, for -register. A template is allowed.")
            .hint("address[:port]")
            .defaults_to(":8443"),
        Flag::map("bind-address", "Address to listen at in place of the registered one, under a name; may be repeated.")
            .hint("name=ip:port"),
        Flag::bool("expose-servers", "Let the mesh gateway pass requests on to the servers. Needs -register."),
        Flag::text("deregister-after-critical", "How long the gateway may fail its health check before it is deregistered.")
            .hint("duration")
            .defaults_to("6h"),
        Flag::text("grpc-addr", "Where the agent serves xDS: HOST:PORT, with http:// or https://, or unix://PATH. Asked of the agent when left out.")
            .hint("address")
            .variable("CONSUL_GRPC_ADDR"),
        Flag::text("grpc-ca-file", "PEM file with the authorities to trust for xDS.")
            .hint("path")
            .variable("CONSUL_GRPC_CACERT"),
        Flag::text("grpc-ca-path", "Directory whose PEM files hold the authorities to trust for xDS.")
            .hint("path")
            .variable("CONSUL_GRPC_CAPATH"),
        Flag::text("envoy-binary", "Envoy program to run; found in PATH when left out.").hint("path"),
        Flag::text("envoy-version", "Accepted for old scripts; the version is not needed.").defaults_to("1.24.0"),
        Flag::bool("bootstrap", "Print the configuration and do not run Envoy."),
        Flag::bool("no-central-config", "Do not ask for the service's central configuration."),
        Flag::text("admin-bind", "Where Envoy's admin interface listens.").hint("host:port").defaults_to("localhost:19000"),
        Flag::text("admin-access-log-path", "File for the access log of the admin interface.")
            .hint("path")
            .defaults_to("/dev/null"),
        Flag::bool("omit-deprecated-tags", "Leave old names out of the statistics' tags."),
        Flag::text("prometheus-backend-port", "Local port that serves the metrics to merge with Envoy's own.").hint("port"),
        Flag::text("prometheus-scrape-path", "Path that Prometheus asks for.").defaults_to("/metrics"),
        Flag::text("prometheus-ca-file", "PEM file with the authorities to trust when metrics are fetched over TLS.").hint("path"),
        Flag::text("prometheus-ca-path", "Directory with the authorities to trust when metrics are fetched over TLS.").hint("path"),
        Flag::text("prometheus-cert-file", "PEM file with the certificate to serve metrics over TLS.").hint("path"),
        Flag::text("prometheus-key-file", "PEM file with the private key to serve metrics over TLS.").hint("path"),
    ]),
    Command::new(
        "connect envoy pipe-bootstrap",
        "Feeds Envoy its first configuration",
        "FIFO",
        "Copies standard input into a named pipe and removes the pipe. connect envoy starts this itself; there is no other \
         use for it.",
        Run::Missing { capability: CAPABILITY, check: pipe_bootstrap },
    )
    .examples(&[("Hand a configuration over", "consul connect envoy pipe-bootstrap /tmp/envoy-bootstrap.json")])
    .without_options_in_help()
    .with_raw_arguments(),
];

fn envoy(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let named = |flag: &str| !values.text(flag).is_empty();
    let proxy_id = named("proxy-id") || invocation.environment.get("CONNECT_PROXY_ID").is_some();
    let sidecar_for = named("sidecar-for") || invocation.environment.get("CONNECT_SIDECAR_FOR").is_some();
    let gateway = named("gateway") || values.bool("mesh-gateway");
    let fault = if named("node-name") && !proxy_id {
        "'-node-name' requires '-proxy-id'"
    } else if named("gateway") && values.bool("mesh-gateway") {
        "The mesh-gateway flag is deprecated and cannot be used alongside the gateway flag"
    } else if values.bool("expose-servers") && !(values.text("gateway") == "mesh" || values.bool("mesh-gateway")) {
        "'-expose-servers' can only be used for mesh gateways"
    } else if values.bool("expose-servers") && !values.bool("register") {
        "'-expose-servers' requires '-register'"
    } else if !proxy_id && !sidecar_for && !gateway {
        "No proxy ID specified. One of -proxy-id, -sidecar-for, or -gateway is required"
    } else {
        return Ok(());
    };
    Err(Error::failed(fault))
}

fn pipe_bootstrap(invocation: &Invocation<'_>) -> Outcome {
    let [path] = invocation.args.as_slice() else {
        return Err(Error::failed("Expecting named pipe path as argument"));
    };
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::failed(crate::source::open_error(path, &error))),
    }
}
