//! `services`: registering services with the local agent.

use std::collections::BTreeMap;

use api::{AgentServiceRegistration, ServiceAddress, ServiceWeights};
use config::{Environment, Flags, ServiceDefinition};
use wire::quote::go_quote;

use super::{Command, Run};
use crate::client::{block_on, connect, write_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "services",
        "Registers services with the local agent",
        "Services registered here belong to the agent until they are deregistered, and survive its restarts.",
    )
    .examples(&[
        ("Register the services of a file", "consul services register web.hcl"),
        ("Deregister one", "consul services deregister -id web"),
    ]),
    Command::new(
        "services deregister",
        "Removes services from the local agent",
        "[options] [FILE...]",
        "Removes the service of an ID, or every service that files describe.",
        Run::Handler(deregister),
    )
    .examples(&[
        ("By ID", "consul services deregister -id web"),
        ("What a file describes", "consul services deregister web.hcl"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[Flag::text("id", "ID of the service.")]),
    Command::new(
        "services register",
        "Adds services to the local agent",
        "[options] [FILE...]",
        "Registers every service that files describe, or one that flags describe. Files are agent configuration, HCL or \
         JSON, with service stanzas. A service registered before is changed; its checks stay.",
        Run::Handler(register),
    )
    .examples(&[
        ("What a file describes", "consul services register web.hcl"),
        ("By flags", "consul services register -name=web -port=8080 -tag=v1"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::text("id", "ID of the service; its name when left out."),
        Flag::text("name", "Name of the service."),
        Flag::text("address", "Address of the service; its node's when left out."),
        Flag::int("port", "Port of the service."),
        Flag::text("socket", "Unix socket of the service, instead of address and port.").hint("path"),
        Flag::text("kind", "Kind of the service: a proxy or gateway of the mesh.").one_of(&[
            "connect-proxy",
            "mesh-gateway",
            "terminating-gateway",
            "ingress-gateway",
        ]),
        Flag::list("tag", "Tag of the service; may be repeated."),
        Flag::map("meta", "Metadata of the service; may be repeated.").hint("key=value"),
        Flag::map("tagged-address", "Address of the service under a name, such as lan or wan; may be repeated.")
            .hint("name=host:port"),
    ]),
];

fn deregister(invocation: &Invocation<'_>) -> Outcome {
    let id = invocation.values.text("id");
    match (invocation.args.is_empty(), id.is_empty()) {
        (true, true) => return Err(Error::failed("Service deregistration requires at least one argument or -id.")),
        (false, false) => {
            return Err(Error::failed("Service deregistration requires arguments or -id, not both."));
        }
        _ => {}
    }
    // The service of a flag has no name to quote.
    let wanted: Vec<(String, String)> = if id.is_empty() {
        let described = described(&invocation.args)?.into_iter();
        let named = described.map(|s| (s.name.clone(), if s.id.is_empty() { s.name } else { s.id }));
        named.filter(|(_, id)| !id.is_empty()).collect()
    } else {
        vec![(String::new(), id.to_string())]
    };
    let client = connect(invocation)?;
    block_on(async {
        for (name, id) in wanted {
            let failed = |e| Error::failed(format!("Error deregistering service {}: {e}", go_quote(&name)));
            client.agent().deregister_service(&id, &write_options()).await.map_err(failed)?;
            invocation.terminal.say(format!("Deregistered service: {id}"));
        }
        Ok(())
    })
}

fn register(invocation: &Invocation<'_>) -> Outcome {
    let services = match (invocation.args.is_empty(), invocation.values.text("name").is_empty()) {
        (true, true) => {
            return Err(Error::failed("Service registration requires at least one argument or flags."));
        }
        (false, false) => return Err(Error::failed("Service registration requires arguments or -id, not both.")),
        (true, false) => vec![from_flags(invocation)?],
        (false, true) => described(&invocation.args)?.into_iter().map(registration).collect::<Result<_, _>>()?,
    };
    let client = connect(invocation)?;
    block_on(async {
        for service in services {
            let failed = |e| Error::failed(format!("Error registering service {}: {e}", go_quote(&service.name)));
            client.agent().register_service(&service, &write_options()).await.map_err(failed)?;
            invocation.terminal.say(format!("Registered service: {}", service.name));
        }
        Ok(())
    })
}

/// The services that configuration files describe. Whatever else the files hold must be valid, too.
fn described(files: &[String]) -> Result<Vec<ServiceDefinition>, Error> {
    let failed = |cause: &dyn std::fmt::Display| Error::failed(format!("Error: {cause}"));
    // Development mode asks for nothing that files of services would not hold.
    let flags = files.iter().map(|file| ("config-file", file.as_str())).chain([("dev", "true")]);
    let flags = Flags::from_pairs(flags).map_err(|e| failed(&e))?;
    Ok(config::load(&flags, &Environment::system()).map_err(|e| failed(&e))?.runtime.services)
}

fn registration(service: ServiceDefinition) -> Result<AgentServiceRegistration, Error> {
    let not_there = |what: &str| {
        let name = go_quote(&service.name);
        Err(Error::failed(format!("Error registering service {name}: {what} in service files are not there yet")))
    };
    if !service.checks.is_empty() {
        return not_there("checks");
    }
    if service.proxy.is_some() || service.connect.is_some() {
        return not_there("mesh settings");
    }
    let address = |a: config::ServiceAddress| ServiceAddress { address: a.address, port: a.port };
    Ok(AgentServiceRegistration {
        kind: service.kind.as_str().to_string(),
        id: service.id,
        name: service.name,
        tags: service.tags,
        address: service.address,
        tagged_addresses: service.tagged_addresses.into_iter().map(|(tag, a)| (tag, address(a))).collect(),
        meta: service.meta,
        port: service.port,
        socket_path: service.socket_path,
        weights: Some(ServiceWeights { passing: service.weights.passing, warning: service.weights.warning }),
        enable_tag_override: service.enable_tag_override,
        ..AgentServiceRegistration::default()
    })
}

fn from_flags(invocation: &Invocation<'_>) -> Result<AgentServiceRegistration, Error> {
    let values = &invocation.values;
    let text = |name: &str| values.text(name).to_string();
    let mut tagged_addresses = BTreeMap::new();
    for (tag, address) in values.map("tagged-address") {
        let address = split_address(&address).map_err(|e| Error::failed(format!("Invalid Tagged Address: {e}")))?;
        tagged_addresses.insert(tag, address);
    }
    Ok(AgentServiceRegistration {
        kind: text("kind"),
        id: text("id"),
        name: text("name"),
        tags: values.list("tag").to_vec(),
        address: text("address"),
        tagged_addresses,
        meta: values.map("meta"),
        port: values.int("port"),
        socket_path: text("socket"),
        ..AgentServiceRegistration::default()
    })
}

/// `host:port`, the port being optional.
fn split_address(text: &str) -> Result<ServiceAddress, String> {
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) if !address.contains(':') || address.ends_with(']') => (address, port),
        _ => return Ok(ServiceAddress { address: text.to_string(), port: 0 }),
    };
    let port = port.parse().map_err(|_| format!("invalid port {port:?} in {text:?}"))?;
    Ok(ServiceAddress { address: address.trim_matches(['[', ']']).to_string(), port })
}
