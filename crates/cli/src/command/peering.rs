//! `peering`: clusters that share services.

use super::shared::{FORMAT, require};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const CAPABILITY: &str = "cluster peering";
/// What half of these commands say; the others say the usual.
const NO_CLIENT: &str = "Error connect to Consul agent: ";

const NAME: Flag = Flag::text("name", "Name of the peer, as this cluster calls it. Required.");
const META: Flag = Flag::map("meta", "Metadata to store with the peering; may be repeated.").hint("key=value");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "peering",
        "Connects clusters that share services",
        "A peering connects two clusters so that each can use the services the other exports. One cluster makes a token; \
         the other establishes the peering with it.",
    )
    .examples(&[
        ("Make a token for the other cluster", "consul peering generate-token -name west"),
        ("Use it there", "consul peering establish -name east -peering-token TOKEN"),
        ("See the peerings", "consul peering list"),
    ]),
    Command::new(
        "peering delete",
        "Ends a peering",
        "[options] -name NAME",
        "Marks a peering for deletion; what it imported goes away shortly after.",
        Run::Missing { capability: CAPABILITY, check: needs_name },
    )
    .examples(&[("End one", "consul peering delete -name west")])
    .groups(Groups::CP)
    .flags_of_its_own(&[NAME]),
    Command::new(
        "peering establish",
        "Connects to the cluster a token comes from",
        "[options] -name NAME -peering-token TOKEN",
        "Connects this cluster to the one that made the token.",
        Run::Missing { capability: CAPABILITY, check: establish },
    )
    .examples(&[("Connect", "consul peering establish -name east -peering-token TOKEN")])
    .groups(Groups::CP)
    .flags_of_its_own(&[NAME, Flag::text("peering-token", "Token made by the other cluster. Required."), META]),
    Command::new(
        "peering generate-token",
        "Makes a token for another cluster",
        "[options] -name NAME",
        "Makes a token that lets another cluster connect to this one.",
        Run::Missing { capability: CAPABILITY, check: generate_token },
    )
    .examples(&[
        ("Make one", "consul peering generate-token -name west"),
        (
            "With addresses at which this cluster's servers can be reached",
            "consul peering generate-token -name west -server-external-addresses 203.0.113.7:8503",
        ),
    ])
    .groups(Groups::CP)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[
        NAME,
        META,
        Flag::text(
            "server-external-addresses",
            "Addresses, parted by commas, that the other cluster should use instead of the servers' own.",
        )
        .hint("host:port,..."),
        FORMAT,
    ]),
    Command::new(
        "peering list",
        "Lists the peerings",
        "[options]",
        "Lists every peering with its state and the number of services shared each way.",
        Run::Missing { capability: CAPABILITY, check: known_format },
    )
    .examples(&[("List them", "consul peering list")])
    .groups(Groups::CP)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[FORMAT]),
    Command::new(
        "peering read",
        "Shows a peering",
        "[options] -name NAME",
        "Shows one peering.",
        Run::Missing { capability: CAPABILITY, check: read },
    )
    .examples(&[("Show one", "consul peering read -name west")])
    .groups(Groups::CP)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[NAME, FORMAT]),
];

fn needs_name(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "name", "Missing the required -name flag")
}

fn establish(invocation: &Invocation<'_>) -> Outcome {
    needs_name(invocation)?;
    require(invocation, "peering-token", "Missing the required -peering-token flag")
}

fn generate_token(invocation: &Invocation<'_>) -> Outcome {
    needs_name(invocation)?;
    known_format(invocation)
}

fn read(invocation: &Invocation<'_>) -> Outcome {
    needs_name(invocation)?;
    known_format(invocation)
}

fn known_format(invocation: &Invocation<'_>) -> Outcome {
    match invocation.values.text("format") {
        "pretty" | "json" => Ok(()),
        _ => Err(Error::failed("Invalid format, valid formats are {json|pretty}")),
    }
}
