//! `watch`: acting on changes.

mod plan;

use futures_util::StreamExt;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use self::plan::Plan;
use super::{Command, Run};
use crate::child;
use crate::client::{block_on, connect};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;
use crate::signal::Signals;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "watch",
    "Runs a program when something changes",
    "[options] [child...]",
    "Watches keys, services, nodes, checks or events, and runs a program with the data as JSON on its standard input: \
     once at the start, and again at every change. CONSUL_INDEX tells the program the index of the data. Without a \
     program, prints the data once.\n\nThe watch ends when the program fails, or on an interrupt, which the program \
     receives too.\n\nWhich flags a watch takes depends on its type: key takes -key; keyprefix takes -prefix; service \
     takes -service, -tag and -passingonly; checks takes -service or -state; event takes -name; services and nodes take \
     none.",
    Run::Handler(watch),
)
.examples(&[
    ("Print a key's data", "consul watch -type=key -key=app/color"),
    ("Rewrite a configuration whenever the healthy instances change", "consul watch -type=service -service=web -passingonly=true ./update-proxy.sh"),
    ("Act on an event", "consul watch -type=event -name=deploy ./deploy.sh"),
])
.groups(Groups::CS)
.without_client_says("")
.flags_of_its_own(&[
    Flag::text("type", "What to watch. Required.")
        .hint("type")
        .one_of(&["key", "keyprefix", "services", "nodes", "service", "checks", "event"]),
    Flag::text("key", "Key to watch, for type key."),
    Flag::text("prefix", "Key prefix to watch, for type keyprefix."),
    Flag::text("service", "Service to watch, for types service and checks."),
    Flag::list("tag", "Only instances with this tag, for type service; may be repeated.").hint("tag"),
    Flag::text("passingonly", "Only healthy instances, for type service.").hint("true|false").one_of(&["true", "false"]),
    Flag::text("state", "Only checks in this state, for type checks; any when left out.")
        .one_of(&["any", "passing", "warning", "critical"]),
    Flag::text("name", "Only events of this name, for type event."),
    Flag::bool("shell", "Run the program through a shell, that of SHELL if set.").defaults_to("true"),
])];

fn watch(invocation: &Invocation<'_>) -> Outcome {
    let plan = Plan::read(invocation)?;
    let client = connect(invocation)?;
    block_on(async {
        let mut signals = Signals::listen()?;
        let (status, options) = (client.status(), api::QueryOptions::new());
        tokio::select! {
            _ = signals.next() => return Ok(()),
            leader = status.leader(&options) => {
                leader.map_err(|e| Error::failed(format!("Error querying Consul agent: {e}")))?;
            }
        }
        let once = invocation.args.is_empty();
        let mut results = plan.results(&client, invocation, once);
        loop {
            let result = tokio::select! {
                _ = signals.next() => return Ok(()),
                result = results.next() => result,
            };
            let (data, index) = match result {
                None => return Ok(()),
                Some(Ok(result)) => result,
                Some(Err(error)) => {
                    let kind = invocation.values.text("type");
                    invocation.terminal.complain(format!("[ERR] Watch (type: {kind}) errored: {error}; trying again"));
                    continue;
                }
            };
            if once {
                invocation.terminal.say(data);
                return Ok(());
            }
            if handle(invocation, &data, index, &mut signals).await? == Next::End {
                return Ok(());
            }
        }
    })
}

#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    End,
}

/// Runs the program on one result. Signals go to the program and end the watch once it has ended.
async fn handle(invocation: &Invocation<'_>, data: &str, index: u64, signals: &mut Signals) -> Result<Next, Error> {
    let mut command = child::command(&invocation.args, invocation.values.bool("shell"), invocation.environment);
    command.env("CONSUL_INDEX", index.to_string()).stdin(std::process::Stdio::piped());
    let mut child = child::start(&mut command).map_err(|e| Error::failed(format!("Error starting handler: {e}")))?;
    let pid = child::pid(&child);
    let input = child.stdin.take();
    let fed = async {
        if let Some(mut input) = input {
            // A program need not read its input: a closed pipe is not its failure.
            let _ = input.write_all(format!("{data}\n").as_bytes()).await;
        }
    };
    let mut signalled = false;
    let forward = |signal: Signal| {
        if let Some(pid) = pid
            && let Err(error) = child::send(pid, signal)
        {
            invocation.terminal.complain(format!("Warning, could not forward signal: {error}"));
        }
    };
    let ended = async {
        loop {
            tokio::select! {
                signal = signals.next() => {
                    signalled = true;
                    forward(signal);
                }
                status = child.wait() => return status,
            }
        }
    };
    let (status, ()) = tokio::join!(ended, fed);
    if signalled {
        return Ok(Next::End);
    }
    let failed = |cause: String| Error::failed(format!("Error executing handler: {cause}"));
    let status = status.map_err(|e| failed(e.to_string()))?;
    match child::failure(status) {
        Some(cause) => Err(failed(cause)),
        None => Ok(Next::Continue),
    }
}
