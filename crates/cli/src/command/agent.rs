//! `agent`: the long-running part, whose flags the configuration declares.

use std::sync::LazyLock;

use config::table::Preset;
use config::{AGENT_FLAGS, FlagKind, FlagSpec};

use super::{Command, Run};
use crate::flag::{Flag, Kind};

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
pub(super) static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| AGENT_FLAGS.iter().map(flag).collect());

fn flag(spec: &'static FlagSpec) -> Flag {
    let kind = match spec.kind {
        FlagKind::Bool => Kind::OptionalBool,
        FlagKind::Int => Kind::OptionalInt,
        // Durations stay text until the configuration is validated.
        FlagKind::Text | FlagKind::Duration => Kind::OptionalText,
        FlagKind::List => Kind::List,
        FlagKind::Map => Kind::ColonMap,
    };
    let flag = Flag::new(spec.name, kind, spec.help).defaults_to(default(spec.default()));
    match spec.kind {
        FlagKind::Duration => flag.hint("duration"),
        FlagKind::Int => flag.hint("int"),
        FlagKind::Map => flag.hint("key:value"),
        _ => flag,
    }
}

/// The default as it would be written. Numbers become text that lives as long as the table they are in.
fn default(preset: Preset) -> &'static str {
    match preset {
        Preset::Unset | Preset::Bool(false) | Preset::Int(0) => "",
        Preset::Bool(true) => "true",
        Preset::Int(number) => number.to_string().leak(),
        Preset::Float(number) => number.to_string().leak(),
        Preset::Text(text) => text,
    }
}
