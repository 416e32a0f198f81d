//! `maint`: taking a node or a service out of use for a while (docs/spec/cli.md §3.5).

use api::{AgentCheck, Client, QueryOptions};
use wire::quote::go_quote;

use super::{Command, Run};
use crate::client::{block_on, connect, write_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const NODE_CHECK_ID: &str = "_node_maintenance";
const SERVICE_CHECK_PREFIX: &str = "_service_maintenance:";

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "maint",
    "Takes a node or a service out of use for a while",
    "[options]",
    "Turns maintenance mode on or off. In maintenance, a critical check keeps the node or the service out of DNS and \
     health-filtered results; it survives restarts of the agent. Without -enable and -disable, lists what is in \
     maintenance on this node.",
    Run::Handler(maint),
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

fn maint(invocation: &Invocation<'_>) -> Outcome {
    let wanted = Wanted::read(invocation)?;
    let client = connect(invocation)?;
    block_on(async {
        match wanted {
            Wanted::List => list(invocation, &client).await,
            Wanted::Node(reason) => change_node(invocation, &client, reason).await,
            Wanted::Service(id, reason) => change_service(invocation, &client, id, reason).await,
        }
    })
}

/// What the flags ask for. A reason, which may be empty, turns maintenance on; none turns it off.
enum Wanted<'i> {
    List,
    Node(Option<&'i str>),
    Service(&'i str, Option<&'i str>),
}

impl<'i> Wanted<'i> {
    fn read(invocation: &'i Invocation<'_>) -> Result<Wanted<'i>, Error> {
        let values = &invocation.values;
        let (enable, disable) = (values.bool("enable"), values.bool("disable"));
        let (reason, service) = (values.text("reason"), values.text("service"));
        if enable && disable {
            return Err(Error::failed("Only one of -enable or -disable may be provided"));
        }
        if !enable && !reason.is_empty() {
            return Err(Error::failed("Reason may only be provided with -enable"));
        }
        if !enable && !disable {
            if !service.is_empty() {
                return Err(Error::failed("Service requires either -enable or -disable"));
            }
            return Ok(Wanted::List);
        }
        let reason = enable.then_some(reason);
        Ok(if service.is_empty() { Wanted::Node(reason) } else { Wanted::Service(service, reason) })
    }
}

async fn list(invocation: &Invocation<'_>, client: &Client) -> Outcome {
    let (agent, options) = (client.agent(), QueryOptions::new());
    let unreachable = |cause: &dyn std::fmt::Display| Error::failed(format!("Error querying Consul agent: {cause}"));
    let own = agent.self_info(&options).await.map_err(|e| unreachable(&e))?;
    let node = own.config_text("NodeName").ok_or_else(|| unreachable(&"the answer has no Config.NodeName"))?;
    let checks = agent.checks(&options).await.map_err(|e| Error::failed(format!("Error getting checks: {e}")))?;
    for text in checks.values().filter_map(|check| entry(check, node)) {
        invocation.terminal.say(text);
    }
    Ok(())
}

/// What is listed for a check that means maintenance; a blank line follows it.
fn entry(check: &AgentCheck, node: &str) -> Option<String> {
    let reason = &check.notes;
    if check.check_id == NODE_CHECK_ID {
        return Some(format!("Node:\n  Name:   {node}\n  Reason: {reason}\n"));
    }
    let service = &check.service_id;
    check
        .check_id
        .starts_with(SERVICE_CHECK_PREFIX)
        .then(|| format!("Service:\n  ID:     {service}\n  Reason: {reason}\n"))
}

async fn change_node(invocation: &Invocation<'_>, client: &Client, reason: Option<&str>) -> Outcome {
    let (agent, options) = (client.agent(), write_options());
    let (changed, doing, done) = match reason {
        Some(reason) => (agent.enable_node_maintenance(reason, &options).await, "enabling", "enabled"),
        None => (agent.disable_node_maintenance(&options).await, "disabling", "disabled"),
    };
    changed.map_err(|e| Error::failed(format!("Error {doing} node maintenance: {e}")))?;
    invocation.terminal.say(format!("Node maintenance is now {done}"));
    Ok(())
}

async fn change_service(invocation: &Invocation<'_>, client: &Client, id: &str, reason: Option<&str>) -> Outcome {
    let (agent, options) = (client.agent(), write_options());
    let (changed, doing, done) = match reason {
        Some(reason) => (agent.enable_service_maintenance(id, reason, &options).await, "enabling", "enabled"),
        None => (agent.disable_service_maintenance(id, &options).await, "disabling", "disabled"),
    };
    changed.map_err(|e| Error::failed(format!("Error {doing} service maintenance: {e}")))?;
    invocation.terminal.say(format!("Service maintenance is now {done} for {}", go_quote(id)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_of_maintenance_are_listed() {
        let check = |id: &str, service: &str| AgentCheck {
            check_id: id.to_string(),
            service_id: service.to_string(),
            notes: "new disk".to_string(),
            ..AgentCheck::default()
        };
        for (check, listed) in [
            (check("_node_maintenance", ""), Some("Node:\n  Name:   n1\n  Reason: new disk\n")),
            (check("_service_maintenance:w", "w"), Some("Service:\n  ID:     w\n  Reason: new disk\n")),
            (check("service:web", "web"), None),
            (check("_node_maintenance:x", ""), None),
        ] {
            assert_eq!(entry(&check, "n1").as_deref(), listed, "{}", check.check_id);
        }
    }
}
