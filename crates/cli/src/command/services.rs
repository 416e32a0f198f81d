//! `services`: registering services with the local agent (docs/spec/cli.md §5.2).

mod address;
mod registration;

use std::collections::BTreeMap;

use api::AgentServiceRegistration;
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
        let described = described(invocation)?.into_iter();
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
        (false, true) => described(invocation)?.into_iter().map(registration::service).collect(),
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

/// The services that configuration files and directories describe. Whatever else they hold must be valid, too; what the
/// loader warns of is printed.
fn described(invocation: &Invocation<'_>) -> Result<Vec<ServiceDefinition>, Error> {
    let failed = |cause: &dyn std::fmt::Display| Error::failed(format!("Error: {cause}"));
    // Development mode asks for nothing that files of services would not hold.
    let files = invocation.args.iter().map(|file| ("config-file", file.as_str()));
    let flags = Flags::from_pairs(files.chain([("dev", "true")])).map_err(|e| failed(&e))?;
    let loaded = config::load(&flags, &Environment::system()).map_err(|e| failed(&e))?;
    for warning in &loaded.warnings {
        invocation.terminal.complain(warning);
    }
    Ok(loaded.runtime.services)
}

fn from_flags(invocation: &Invocation<'_>) -> Result<AgentServiceRegistration, Error> {
    let values = &invocation.values;
    let text = |name: &str| values.text(name).to_string();
    let mut tagged_addresses = BTreeMap::new();
    for (tag, text) in values.map("tagged-address") {
        let address = address::parse(&text).map_err(|e| Error::failed(format!("Invalid Tagged Address: {e}")))?;
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
