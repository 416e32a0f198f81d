//! `agent`: the long-running part, whose flags the configuration declares.

use std::sync::LazyLock;

use super::{Command, Run};
use crate::flag::Flag;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "agent",
    "Runs an agent",
    "[options]",
    "Runs an agent, as a server or as a client of servers, until it is told to leave or to stop. Settings come from \
     configuration files and from flags; a flag that takes one value wins over files.\n\nSIGHUP and consul reload make \
     the agent read its files again. SIGINT makes a client leave its cluster; a server stops and is expected back.",
    Run::Agent,
)
.examples(&[
    ("Try it out, in memory", "consul agent -dev"),
    ("A lone server", "consul agent -server -bootstrap-expect=1 -data-dir=/var/lib/consul -bind=10.0.0.5"),
    ("A client", "consul agent -data-dir=/var/lib/consul -retry-join=10.0.0.5"),
    ("With files", "consul agent -config-dir=/etc/consul.d"),
])
.on_flag_error("==> error parsing flags: ")];

/// The agent's flags, sorted by name.
pub(super) static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(Vec::new);
