//! `maint`: taking a node or a service out of use for a while.

use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "maint",
    "Takes a node or a service out of use for a while",
    "[options]",
    "Turns maintenance mode on or off. In maintenance, a critical check keeps the node or the service out of DNS and \
     health-filtered results; it survives restarts of the agent. Without -enable and -disable, lists what is in \
     maintenance on this node.",
    Run::Missing { capability: "maintenance mode", check },
)
.examples(&[
    ("List what is in maintenance", "consul maint"),
    ("Take the node out of use", "consul maint -enable -reason='new disk'"),
    ("Put a service back", "consul maint -disable -service=web"),
])
.groups(Groups::C)
.flags_of_its_own(&[
    Flag::bool("enable", "Turn maintenance on."),
    Flag::bool("disable", "Turn maintenance off."),
    Flag::text("reason", "Why, with -enable; shown in the check."),
    Flag::text("service", "ID of a service of this agent, instead of the whole node.").hint("id"),
])];

fn check(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let (enable, disable) = (values.bool("enable"), values.bool("disable"));
    if enable && disable {
        return Err(Error::failed("Only one of -enable or -disable may be provided"));
    }
    if !enable && !values.text("reason").is_empty() {
        return Err(Error::failed("Reason may only be provided with -enable"));
    }
    if !enable && !disable && !values.text("service").is_empty() {
        return Err(Error::failed("Service requires either -enable or -disable"));
    }
    Ok(())
}
