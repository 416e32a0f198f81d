//! `catalog`: what nodes and services there are.

mod nodes;
mod services;

use api::QueryOptions;

use super::shared::no_arguments;
use super::{Command, Run};
use crate::client::{block_on, connect};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const NODE_META: Flag =
    Flag::map("node-meta", "List only what is on nodes with this metadata; may be repeated, and then all must match.")
        .hint("key=value");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "catalog",
        "Lists datacenters, nodes and services",
        "The catalog holds every node and service that is registered in a datacenter.",
    )
    .examples(&[
        ("List the datacenters known here", "consul catalog datacenters"),
        ("List the nodes", "consul catalog nodes"),
        ("List the services", "consul catalog services"),
    ]),
    Command::new(
        "catalog datacenters",
        "Lists the known datacenters",
        "[options]",
        "Lists the datacenters that the agent's servers know of, nearest first.",
        Run::Handler(datacenters),
    )
    .examples(&[("List them", "consul catalog datacenters")])
    .groups(Groups::CS),
    Command::new(
        "catalog nodes",
        "Lists the nodes of a datacenter",
        "[options]",
        "Lists the nodes of a datacenter with address and the beginning of their ID. Flags narrow and order the list.",
        Run::Handler(nodes::nodes),
    )
    .examples(&[
        ("With full IDs, all addresses and metadata", "consul catalog nodes -detailed"),
        ("That run a service", "consul catalog nodes -service=redis"),
        ("Nearest to a node first", "consul catalog nodes -near=web-1"),
        ("By a filter expression", "consul catalog nodes -filter 'Meta.rack == \"r7\"'"),
    ])
    .groups(Groups::CSP)
    .flags_of_its_own(&[
        Flag::bool("detailed", "Print full IDs, tagged addresses and metadata too."),
        Flag::text("filter", "Filter expression that a node must satisfy: the text itself, @FILE, or - for stdin.")
            .hint("expression"),
        Flag::text("near", "Order by estimated round-trip time from this node; _agent is the agent's own node.")
            .hint("node"),
        NODE_META,
        Flag::text("service", "List only nodes that run the service of this name."),
    ]),
    Command::new(
        "catalog services",
        "Lists the services of a datacenter",
        "[options]",
        "Lists the names of the services registered in a datacenter, or on one node.",
        Run::Handler(services::services),
    )
    .examples(&[
        ("With their tags", "consul catalog services -tags"),
        ("On one node", "consul catalog services -node=web-1"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::text("node", "List only the services of the node of this name or ID.").hint("node"),
        NODE_META,
        Flag::bool("tags", "Print each service's tags beside its name."),
    ]),
];

fn datacenters(invocation: &Invocation<'_>) -> Outcome {
    no_arguments(invocation)?;
    let catalog = connect(invocation)?.catalog();
    block_on(async {
        let names =
            catalog.datacenters().await.map_err(|e| Error::failed(format!("Error listing datacenters: {e}")))?;
        for name in names {
            invocation.terminal.say(name);
        }
        Ok(())
    })
}

/// `options` with the metadata that `-node-meta` asks for.
fn with_node_meta(options: QueryOptions, invocation: &Invocation<'_>) -> QueryOptions {
    let wanted = invocation.values.map(NODE_META.name);
    wanted.into_iter().fold(options, |options, (key, value)| options.node_meta(key, value))
}
