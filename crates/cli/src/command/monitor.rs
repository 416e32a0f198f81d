//! `monitor`: the agent's log as it is written.

use api::QueryOptions;

use super::{Command, Run};
use crate::client::{block_on, connect};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;
use crate::signal::Signals;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "monitor",
    "Follows the log of an agent",
    "[options]",
    "Prints the log messages of a running agent as they come, at any level of detail, whatever its own log level is. Ends \
     on an interrupt.",
    Run::Handler(monitor),
)
.examples(&[
    ("Follow the log", "consul monitor"),
    ("In every detail", "consul monitor -log-level=TRACE"),
])
.groups(Groups::C)
.flags_of_its_own(&[
    Flag::text("log-level", "Least severe messages to print.")
        .defaults_to("INFO")
        .one_of(&["TRACE", "DEBUG", "INFO", "WARN", "ERR"]),
    Flag::bool("log-json", "Print messages as JSON."),
])];

const ENDED: &str = "\nRemote side ended the monitor! This usually means that the\nremote side has exited or crashed.";

fn monitor(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let client = connect(invocation)?;
    block_on(async {
        let mut signals = Signals::listen()?;
        let json = values.bool("log-json");
        let failed = |e| Error::failed(format!("Error starting {}monitor: {e}", if json { "JSON " } else { "" }));
        let (agent, level, options) = (client.agent(), values.text("log-level"), QueryOptions::new());
        let started = async {
            if json { agent.monitor_json(level, &options).await } else { agent.monitor(level, &options).await }
        };
        let mut lines = tokio::select! {
            _ = signals.next() => return Ok(()),
            lines = started => lines.map_err(failed)?,
        };
        loop {
            tokio::select! {
                _ = signals.next() => return Ok(()),
                line = lines.next_line() => match line {
                    Ok(Some(line)) => invocation.terminal.say(line),
                    // A connection that breaks and one that is closed mean the same to who watches.
                    Ok(None) | Err(_) => {
                        invocation.terminal.say(ENDED);
                        return Err(Error::Exit(1));
                    }
                },
            }
        }
    })
}
