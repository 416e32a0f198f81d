//! `services`: registering services with the local agent.

use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const CAPABILITY: &str = "registering services";

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
        Run::Missing { capability: CAPABILITY, check: deregister },
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
        Run::Missing { capability: CAPABILITY, check: register },
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
    match (invocation.args.is_empty(), invocation.values.text("id").is_empty()) {
        (true, true) => Err(Error::failed("Service deregistration requires at least one argument or -id.")),
        (false, false) => Err(Error::failed("Service deregistration requires arguments or -id, not both.")),
        _ => Ok(()),
    }
}

fn register(invocation: &Invocation<'_>) -> Outcome {
    match (invocation.args.is_empty(), invocation.values.text("name").is_empty()) {
        (true, true) => Err(Error::failed("Service registration requires at least one argument or flags.")),
        (false, false) => Err(Error::failed("Service registration requires arguments or -id, not both.")),
        _ => Ok(()),
    }
}
