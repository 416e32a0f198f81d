//! `exec`: a command on many nodes (docs/spec/cli.md §6.2).

mod progress;
mod run;

use filter::re2;

use super::{Command, Run};
use crate::client::{block_on, connect};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "exec",
    "Runs a command on many nodes",
    "[options] [-|command...]",
    "Runs a command on every node of a datacenter, or on those that match, and prints what each prints. A lone - reads a \
     script from stdin. Agents obey only with disable_remote_exec = false, which is not their default.\n\nExit code 2 \
     means that a node reported failure or did not finish.",
    Run::Handler(exec),
)
.examples(&[
    ("How long has each node been up", "consul exec uptime"),
    ("Only where a service runs", "consul exec -service=web 'systemctl reload nginx'"),
    ("A script", "consul exec - < cleanup.sh"),
])
.groups(Groups::CS)
.flags_of_its_own(&[
    Flag::text("node", "Run only on nodes whose name matches.").hint("regexp"),
    Flag::text("service", "Run only on nodes with a service whose name matches.").hint("regexp"),
    Flag::text("tag", "Run only where that service has a tag that matches. Needs -service.").hint("regexp"),
    Flag::text("prefix", "Key prefix for the job and its results.").defaults_to("_rexec"),
    Flag::bool("shell", "Run the command through a shell, that of SHELL if set.").defaults_to("true"),
    Flag::duration("wait", "Silence after which no more nodes are waited for.").defaults_to("2s"),
    Flag::duration("wait-repl", "Time for the job to reach other servers before nodes are told of it.")
        .defaults_to("200ms"),
    Flag::bool("verbose", "Also print each step."),
])];

fn exec(invocation: &Invocation<'_>) -> Outcome {
    check(invocation)?;
    let job = run::Job::of(invocation)?;
    let client = connect(invocation)?;
    block_on(run::run(invocation, client, job))
}

fn check(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    if invocation.args.is_empty() {
        return Err(Error::misused("Must specify a command to execute"));
    }
    if invocation.args == ["-"] && !values.bool("shell") {
        return Err(Error::failed("Cannot configure -shell=false when reading from stdin"));
    }
    for filter in ["node", "service", "tag"] {
        let pattern = values.text(filter);
        if pattern.is_empty() {
            continue;
        }
        if filter == "tag" && values.text("service").is_empty() {
            return Err(Error::failed("Cannot provide tag filter without service filter."));
        }
        re2::compile(pattern).map_err(|e| Error::failed(format!("Failed to compile {filter} filter regexp: {e}")))?;
    }
    Ok(())
}
