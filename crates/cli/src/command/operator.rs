//! `operator`: Raft and autopilot.

mod autopilot;
mod raft;

use super::shared::FORMAT;
use super::{Command, Run};
use crate::flag::{Flag, Groups, Kind};

const NO_CLIENT: &str = "Error initializing client: ";
const FLAG_ERROR: &str = "Failed to parse args: ";

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "operator",
        "Looks after the servers of a cluster",
        "Tools for those who run the servers: Raft membership and autopilot, which looks after it. Most need a token with \
         operator rights where access control is on.",
    )
    .examples(&[
        ("List the Raft peers", "consul operator raft list-peers"),
        ("Show how autopilot sees the servers", "consul operator autopilot state"),
    ]),
    Command::group(
        "operator autopilot",
        "Shows and changes how dead servers are dealt with",
        "Autopilot watches the servers' health, promotes new ones once they are stable, and removes dead ones.",
    )
    .examples(&[
        ("Show the settings", "consul operator autopilot get-config"),
        ("Keep dead servers", "consul operator autopilot set-config -cleanup-dead-servers=false"),
    ]),
    Command::new(
        "operator autopilot get-config",
        "Shows the settings of autopilot",
        "[options]",
        "Prints each setting on a line of its own.",
        Run::Handler(autopilot::get_config),
    )
    .examples(&[("Show them", "consul operator autopilot get-config")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT),
    Command::new(
        "operator autopilot set-config",
        "Changes the settings of autopilot",
        "[options]",
        "Changes the settings that flags name and keeps the others. If somebody else changes them at the same moment, \
         nothing is changed and the exit code is 1.",
        Run::Handler(autopilot::set_config),
    )
    .examples(&[("Give servers more time", "consul operator autopilot set-config -server-stabilization-time=30s")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[
        Flag::new("cleanup-dead-servers", Kind::OptionalBool, "Remove dead servers by themselves: true or false."),
        Flag::new("max-trailing-logs", Kind::OptionalUint, "Log entries a server may be behind and still be healthy.")
            .hint("count"),
        Flag::new("min-quorum", Kind::OptionalUint, "Servers below which dead ones are not removed.").hint("count"),
        Flag::new(
            "last-contact-threshold",
            Kind::OptionalDuration,
            "Time a healthy server may go without contact to the leader.",
        )
        .hint("duration"),
        Flag::new(
            "server-stabilization-time",
            Kind::OptionalDuration,
            "Time a new server must be healthy before it may vote.",
        )
        .hint("duration"),
        Flag::new("redundancy-zone-tag", Kind::OptionalText, "Node metadata that names a server's zone (Enterprise).")
            .hint("key"),
        Flag::new(
            "disable-upgrade-migration",
            Kind::OptionalBool,
            "Do not move to newer servers by themselves (Enterprise): true or false.",
        ),
        Flag::new("upgrade-version-tag", Kind::OptionalText, "Node metadata that names a server's version (Enterprise).")
            .hint("key"),
    ]),
    Command::new(
        "operator autopilot state",
        "Shows how autopilot sees the servers",
        "[options]",
        "Prints the health of the cluster and of each server, and how many servers may fail.",
        Run::Handler(autopilot::state),
    )
    .examples(&[("For programs", "consul operator autopilot state -format=json")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[FORMAT]),
    Command::group(
        "operator raft",
        "Shows and changes the Raft peers",
        "The servers of a datacenter agree on every write through Raft; its peers are the servers that take part.",
    )
    .examples(&[
        ("List the peers", "consul operator raft list-peers"),
        ("Remove one that will not come back", "consul operator raft remove-peer -id=ID"),
    ]),
    Command::new(
        "operator raft list-peers",
        "Lists the Raft peers",
        "[options]",
        "Lists the servers that take part in Raft, with their state. With -stale, any server answers, even when there is \
         no leader.",
        Run::Handler(raft::list_peers),
    )
    .examples(&[("List them while there is no leader", "consul operator raft list-peers -stale")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT),
    Command::new(
        "operator raft remove-peer",
        "Removes a Raft peer",
        "[options]",
        "Removes a server that cannot come back and was not removed by itself. A live server should leave instead.",
        Run::Handler(raft::remove_peer),
    )
    .examples(&[("By its address", "consul operator raft remove-peer -address=10.0.1.8:8300")])
    .groups(Groups::CS)
    .on_flag_error(FLAG_ERROR)
    .without_client_says(NO_CLIENT)
    .flags_of_its_own(&[
        Flag::text("address", "Address and port of the peer.").hint("host:port"),
        Flag::text("id", "ID of the peer."),
    ]),
];
