//! `config`: configuration entries kept by the servers.

use super::shared::require;
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const CAPABILITY: &str = "central configuration (config entries)";
const NO_CLIENT: &str = "Error connect to Consul agent: ";

const KIND: Flag = Flag::text("kind", "Kind of the entry.").one_of(KINDS);
const NAME: Flag = Flag::text("name", "Name of the entry.");
const CAS: Flag =
    Flag::bool("cas", "Check and set: change the entry only if its index still is that of -modify-index.");
const MODIFY_INDEX: Flag =
    Flag::uint("modify-index", "Index the entry must have, with -cas. When writing, 0 means it must not exist.");

const KINDS: &[&str] = &[
    "service-defaults",
    "proxy-defaults",
    "service-router",
    "service-splitter",
    "service-resolver",
    "ingress-gateway",
    "terminating-gateway",
    "service-intentions",
    "mesh",
    "exported-services",
];

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "config",
        "Manages configuration entries kept by the servers",
        "Configuration entries hold defaults and routing rules for services, proxies and gateways. The servers keep them; \
         agents and proxies follow them.",
    )
    .examples(&[
        ("Store an entry", "consul config write web.hcl"),
        ("Show it", "consul config read -kind service-defaults -name web"),
        ("List all of a kind", "consul config list -kind service-defaults"),
        ("Remove it", "consul config delete -kind service-defaults -name web"),
    ]),
    Command::new(
        "config delete",
        "Removes a configuration entry",
        "[options] (-kind KIND -name NAME | -filename FILE)",
        "Removes the entry of a kind and name, or the one a file describes.\n\nFlags: -kind and -name name the entry; \
         -filename takes both from a file or, being -, from stdin; -cas with -modify-index removes the entry only if its \
         index still is that one. The flags of the HTTP API are those of the other config commands.",
        Run::Missing { capability: CAPABILITY, check: delete },
    )
    .examples(&[
        ("By kind and name", "consul config delete -kind service-defaults -name web"),
        ("What a file describes", "consul config delete -filename web.hcl"),
        ("Only if nobody changed it meanwhile", "consul config delete -kind mesh -name mesh -cas -modify-index=26"),
    ])
    .groups(Groups::CSM)
    .without_options_in_help()
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[
        KIND,
        NAME,
        Flag::text("filename", "File that describes the entry; - is stdin.").hint("path"),
        CAS,
        MODIFY_INDEX,
    ]),
    Command::new(
        "config list",
        "Lists configuration entries of a kind",
        "[options] -kind KIND",
        "Lists the names of the entries of one kind.",
        Run::Missing { capability: CAPABILITY, check: list },
    )
    .examples(&[("List the defaults of services", "consul config list -kind service-defaults")])
    .groups(Groups::CSM)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[KIND]),
    Command::new(
        "config read",
        "Shows a configuration entry",
        "[options] -kind KIND -name NAME",
        "Prints one entry as JSON.",
        Run::Missing { capability: CAPABILITY, check: read },
    )
    .examples(&[("Show the defaults of a service", "consul config read -kind service-defaults -name web")])
    .groups(Groups::CSM)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[KIND, NAME]),
    Command::new(
        "config write",
        "Stores a configuration entry",
        "[options] FILE",
        "Stores the entry that a file or, with -, standard input describes, as JSON or HCL. An entry of the same kind and \
         name is replaced.",
        Run::Missing { capability: CAPABILITY, check: write },
    )
    .examples(&[
        ("From a file", "consul config write web.hcl"),
        ("From stdin", "consul config write -"),
        ("Only if nobody changed it meanwhile", "consul config write -cas -modify-index=26 web.hcl"),
    ])
    .groups(Groups::CSM)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[CAS, MODIFY_INDEX]),
];

fn list(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "kind", "Must specify the -kind parameter")
}

fn read(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "kind", "Must specify the -kind parameter")?;
    require(invocation, "name", "Must specify the -name parameter")
}

fn write(invocation: &Invocation<'_>) -> Outcome {
    if invocation.args.len() != 1 {
        let text = "Must provide exactly one positional argument to specify the config entry to write";
        return Err(Error::failed(text));
    }
    Ok(())
}

fn delete(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let given = |name: &str| !values.text(name).is_empty();
    let fault = match (given("filename"), given("kind"), given("name")) {
        (false, false, false) => Some("Must specify the -kind or -filename parameter"),
        (true, true, _) | (true, _, true) => Some("filename can't be used with kind or name"),
        (false, false, true) => Some("Must specify the -kind parameter"),
        (false, true, false) => Some("Must specify the -name parameter"),
        (true, false, false) | (false, true, true) => None,
    };
    if let Some(text) = fault {
        return Err(Error::failed(text));
    }
    match (values.bool("cas"), values.uint("modify-index")) {
        (true, 0) => Err(Error::failed("Must specify a -modify-index greater than 0 with -cas")),
        (false, index) if index > 0 => Err(Error::failed("Cannot specify -modify-index without -cas")),
        _ => Ok(()),
    }
}
