//! `debug`: an archive of what an agent was doing for a while.

use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "debug",
    "Records what an agent is doing into an archive",
    "[options]",
    "Watches an agent for a while and writes what it saw into an archive: host, agent and members at the start; metrics, \
     log and profiles all along. The archive may hold addresses and metadata, but no tokens or keys. Profiles need \
     enable_debug on the agent.",
    Run::Missing { capability: "the debug archive", check: no_arguments },
)
.examples(&[
    ("Two minutes of everything", "consul debug"),
    ("Ten minutes of metrics and log", "consul debug -duration=10m -capture metrics -capture logs"),
    ("Files in a directory instead of an archive", "consul debug -archive=false -output=trace"),
])
.groups(Groups::C)
.on_flag_error("==> Error parsing flags: ")
.without_client_says("==> Error connecting to Consul agent: ")
.flags_of_its_own(&[
    Flag::duration("interval", "Time between two profiles; at least 5s.").defaults_to("30s"),
    Flag::duration("duration", "How long to watch; at least 10s.").defaults_to("2m"),
    Flag::text("output", "Directory to write to, and the archive's name. Named after the present time when left out.")
        .hint("path"),
    Flag::bool("archive", "Pack the directory into an archive and remove it.").defaults_to("true"),
    Flag::list("capture", "What to record; may be repeated. Everything when left out.")
        .hint("target")
        .one_of(&["metrics", "logs", "pprof", "host", "agent", "members"]),
])];

fn no_arguments(invocation: &Invocation<'_>) -> Outcome {
    if invocation.args.is_empty() {
        return Ok(());
    }
    Err(Error::failed("==> debug: Too many arguments provided, expected 0"))
}
