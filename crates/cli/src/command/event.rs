//! `event`: telling many nodes something at once.

use api::FireRequest;
use filter::re2;

use super::{Command, Run};
use crate::client::{block_on, connect, read_options, write_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "event",
    "Sends an event to the nodes of a datacenter",
    "[options] [payload]",
    "Sends an event with a name and a small payload to every node, or to those that match, and prints its ID. Watches \
     receive it. Delivery is likely but not certain, and not ordered.",
    Run::Handler(event),
)
.examples(&[
    ("Announce a release", "consul event -name=deploy v1.4.2"),
    ("Only where a service runs", "consul event -name=restart -service=web"),
])
.groups(Groups::C)
.flags_of_its_own(&[
    Flag::text("name", "Name of the event. Required."),
    Flag::text("node", "Send only to nodes whose name matches.").hint("regexp"),
    Flag::text("service", "Send only to nodes with a service whose name matches.").hint("regexp"),
    Flag::text("tag", "Send only where that service has a tag that matches. Needs -service.").hint("regexp"),
])];

fn event(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    if values.text("name").is_empty() {
        return Err(Error::misused("Event name must be specified"));
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
    let payload = match invocation.args.as_slice() {
        [] => "",
        [payload] => payload,
        _ => return Err(Error::misused("Too many command line arguments.")),
    };
    let client = connect(invocation)?;
    let request = FireRequest::new(values.text("name"))
        .payload(payload)
        .node_filter(values.text("node"))
        .service_filter(values.text("service"))
        .tag_filter(values.text("tag"));
    let unreachable = |e| Error::failed(format!("Error querying Consul agent: {e}"));
    block_on(async {
        // An agent that cannot be reached is told apart from an event that is refused.
        client.agent().self_info(&read_options(invocation)).await.map_err(unreachable)?;
        let id = client
            .event()
            .fire(&request, &write_options())
            .await
            .map_err(|e| Error::failed(format!("Error firing event: {e}")))?;
        invocation.terminal.say(format!("Event ID: {id}"));
        Ok(())
    })
}
