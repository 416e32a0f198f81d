//! `connect`: the service mesh, but for Envoy.

use super::shared::{require, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

/// What every mesh command waits for.
pub(super) const CAPABILITY: &str = "the service mesh (Connect)";
const NO_CLIENT: &str = "Error initializing client: ";
const FLAG_ERROR: &str = "Failed to parse args: ";

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "connect",
        "Runs and configures the service mesh",
        "The service mesh gives services certificates, encrypts what they say to each other, and lets intentions decide \
         who may talk to whom.",
    )
    .examples(&[
        ("Show how certificates are made", "consul connect ca get-config"),
        ("Run a proxy beside a service", "consul connect envoy -sidecar-for web"),
    ]),
    Command::group(
        "connect ca",
        "Shows and changes how mesh certificates are made",
        "The certificate authority of the mesh signs the certificates of services. Its provider may be built in, Vault or \
         AWS.",
    )
    .examples(&[
        ("Show the configuration", "consul connect ca get-config"),
        ("Change it", "consul connect ca set-config -config-file ca.json"),
    ]),
    Command::new(
        "connect ca get-config",
        "Shows the configuration of the mesh's certificate authority",
        "[options]",
        "Prints the provider and its settings as JSON.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("Show it", "consul connect ca get-config")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT),
    Command::new(
        "connect ca set-config",
        "Changes the mesh's certificate authority",
        "[options]",
        "Replaces the provider and its settings by those of a JSON file. Changing the provider rotates the root \
         certificate; the old root signs the new one, so that services keep trusting each other meanwhile.",
        Run::Missing { capability: CAPABILITY, check: ca_set_config },
    )
    .examples(&[("Change it", "consul connect ca set-config -config-file ca.json")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[
        Flag::new("config-file", crate::flag::Kind::OptionalText, "JSON file with the new configuration. Required.")
            .hint("path"),
        Flag::bool(
            "force-without-cross-signing",
            "Rotate the root even if the old one cannot sign the new one. Connections between services fail until \
             every proxy has its new certificate.",
        ),
    ]),
    Command::new(
        "connect expose",
        "Makes a service reachable through an ingress gateway",
        "[options]",
        "Adds a service to a listener of an ingress gateway's configuration entry, and an intention that lets the gateway \
         talk to it.",
        Run::Missing { capability: CAPABILITY, check: expose },
    )
    .examples(&[(
        "Expose a service over HTTP",
        "consul connect expose -service web -ingress-gateway edge -port 8080 -protocol http -host web.example.com",
    )])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[
        Flag::text("ingress-gateway", "Name of the ingress gateway. Required."),
        Flag::text("service", "Name of the service to expose. Required."),
        Flag::int("port", "Port of the listener. Required."),
        Flag::text("protocol", "Protocol of the listener.")
            .defaults_to("tcp")
            .one_of(&["tcp", "http", "http2", "grpc"]),
        Flag::list("host", "Host name that requests for the service bear; may be repeated. Not for protocol tcp.")
            .hint("name"),
    ]),
    Command::new(
        "connect proxy",
        "Runs the built-in proxy",
        "[options]",
        "Runs a simple layer-4 proxy for trying out the mesh; use Envoy for real traffic. The proxy follows its \
         registration at the agent (-proxy-id or -sidecar-for) or, without one, its flags.",
        Run::Missing { capability: CAPABILITY, check: proxy },
    )
    .examples(&[
        ("Beside a registered service", "consul connect proxy -sidecar-for web"),
        (
            "Without a registration, with a way out to another service",
            "consul connect proxy -service web -service-addr 127.0.0.1:8080 -listen :8443 -upstream db:9191",
        ),
    ])
    .groups(Groups::CS)
    .without_client_says("==> Error connecting to Consul agent: ")
    .flags_of_its_own(&[
        Flag::text("proxy-id", "ID of the proxy's registration at the agent.").variable("CONNECT_PROXY_ID"),
        Flag::text("sidecar-for", "ID of the service whose only registered sidecar proxy to run.")
            .variable("CONNECT_SIDECAR_FOR"),
        Flag::text("service", "Name of the service the proxy stands for, without a registration."),
        Flag::text("service-addr", "Where the service itself listens. Needed with -listen.").hint("host:port"),
        Flag::text("listen", "Where to accept connections from other proxies.").hint("host:port"),
        Flag::list(
            "upstream",
            "Service to reach and the local address for it; may be repeated. The type is service or query.",
        )
        .hint("name[.type]:[addr:]port"),
        Flag::bool("register", "Register the proxy at the agent while it runs. Needs -service and -listen."),
        Flag::text("register-id", "End of the ID to register the proxy with."),
        Flag::text("log-level", "Least severe log messages to print.")
            .defaults_to("INFO")
            .one_of(&["TRACE", "DEBUG", "INFO", "WARN", "ERR"]),
        Flag::bool("log-json", "Print log messages as JSON."),
        Flag::text("pprof-addr", "Where to serve profiles of the proxy itself.").hint("host:port"),
    ]),
    Command::new(
        "connect redirect-traffic",
        "Sends a service's traffic through its proxy",
        "[options]",
        "Adds iptables rules that send all inbound and outbound TCP traffic of this network namespace through the proxy. \
         Needs Linux, root and the iptables program. Run it once: the rules are not replaced.",
        Run::Missing { capability: CAPABILITY, check: redirect_traffic },
    )
    .examples(&[
        ("With the ports of a registered proxy", "consul connect redirect-traffic -proxy-uid 1234 -proxy-id web"),
        ("With given ports", "consul connect redirect-traffic -proxy-uid 1234 -proxy-inbound-port 20000"),
    ])
    .groups(Groups::CM)
    .without_client_says(
        "==> Failed to create configuration to apply traffic redirection rules: error creating Consul API client: ",
    )
    .on_flag_error("==> Failed to parse args: ")
    .flags_of_its_own(&[
        Flag::text("proxy-uid", "User ID the proxy runs as; its own traffic is left alone. Required."),
        Flag::text("proxy-id", "ID of the proxy's registration, which tells its ports."),
        Flag::text("node-name", "Node of the proxy's registration, when it is not the agent's own."),
        Flag::int("proxy-inbound-port", "Port where the proxy accepts what is meant for the service."),
        Flag::int("proxy-outbound-port", "Port where the proxy accepts what the service sends.").defaults_to("15001"),
        Flag::text("consul-dns-ip", "Address of the DNS server to send all DNS queries to.").hint("address"),
        Flag::int("consul-dns-port", "Port of the DNS server to send all DNS queries to."),
        Flag::list("exclude-inbound-port", "Inbound port to leave alone; may be repeated.").hint("port"),
        Flag::list("exclude-outbound-port", "Outbound port to leave alone; may be repeated.").hint("port"),
        Flag::list("exclude-outbound-cidr", "Destination network to leave alone; may be repeated.").hint("cidr"),
        Flag::list("exclude-uid", "User ID whose traffic to leave alone; may be repeated.").hint("uid"),
        Flag::text("netns", "Network namespace to work in, when it is not this one.").hint("path"),
    ]),
];

fn ca_set_config(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "config-file", "The -config-file flag is required")
}

fn expose(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "service", "A service name must be given via the -service flag.")?;
    require(invocation, "ingress-gateway", "An ingress gateway service must be given via the -ingress-gateway flag.")?;
    if invocation.values.int("port") == 0 {
        return Err(Error::failed("A port must be provided via the -port flag."));
    }
    Ok(())
}

fn proxy(invocation: &Invocation<'_>) -> Outcome {
    if invocation.args.is_empty() { Ok(()) } else { Err(Error::failed("==> Should have no non-flag arguments.")) }
}

fn redirect_traffic(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    require(invocation, "proxy-uid", "==> -proxy-uid is required")?;
    let has_proxy_id = !values.text("proxy-id").is_empty();
    if !has_proxy_id && values.int("proxy-inbound-port") == 0 {
        return Err(Error::failed("==> either -proxy-id or -proxy-inbound-port are required"));
    }
    if has_proxy_id && (values.is_given("proxy-inbound-port") || values.is_given("proxy-outbound-port")) {
        return Err(Error::failed(
            "==> -proxy-inbound-port or -proxy-outbound-port cannot be provided together with -proxy-id. Proxy's inbound \
             and outbound ports are retrieved from the proxy's configuration instead.",
        ));
    }
    Ok(())
}
