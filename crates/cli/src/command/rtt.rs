//! `rtt`: how far nodes are apart.

use api::{Client, Coord, CoordinateEntry, QueryOptions};
use wire::quote::go_quote;

use super::{Command, Run};
use crate::client::{block_on, connect, read_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "rtt",
    "Estimates the round-trip time between two nodes",
    "[options] node1 [node2]",
    "Estimates the network round-trip time between two nodes, or between a node and the agent's own, from their network \
     coordinates. With -wan, servers of different datacenters are compared, each named NODE.DATACENTER.",
    Run::Handler(rtt),
)
.examples(&[
    ("Between two nodes", "consul rtt web-1 db-1"),
    ("From here to a node", "consul rtt db-1"),
    ("Between servers of two datacenters", "consul rtt -wan server-1.dc1 server-9.dc2"),
])
.groups(Groups::C)
.flags_of_its_own(&[Flag::bool("wan", "Compare servers over the WAN.")])];

fn rtt(invocation: &Invocation<'_>) -> Outcome {
    let nodes = invocation.args.as_slice();
    if nodes.is_empty() || nodes.len() > 2 {
        return Err(Error::misused("One or two node names must be specified"));
    }
    let client = connect(invocation)?;
    block_on(async {
        let wan = invocation.values.bool("wan");
        let own;
        let (first, second) = match nodes {
            [first, second] => (first, second),
            _ => {
                own = own_name(&client, wan).await?;
                (&nodes[0], &own)
            }
        };
        let (from, to) = if wan {
            wan_coordinates(&client, first, second).await?
        } else {
            lan_coordinates(&client, invocation, first, second).await?
        };
        let distance = from.distance_to(&to).ok_or_else(|| missing(first))?;
        let network = if wan { "WAN" } else { "LAN" };
        invocation.terminal.say(format!(
            "Estimated {first} <-> {second} rtt: {:.3} ms (using {network} coordinates)",
            distance.as_secs_f64() * 1e3
        ));
        Ok(())
    })
}

fn missing(node: &str) -> Error {
    Error::failed(format!("Could not find a coordinate for node {}", go_quote(node)))
}

fn refused(error: api::Error) -> Error {
    Error::failed(format!("Error getting coordinates: {error}"))
}

async fn own_name(client: &Client, wan: bool) -> Result<String, Error> {
    let failed = |cause: &dyn std::fmt::Display| Error::failed(format!("Unable to look up agent info: {cause}"));
    let agent = client.agent().self_info(&QueryOptions::new()).await.map_err(|e| failed(&e))?;
    let member = |name| agent.config_text(name).ok_or_else(|| failed(&format!("the answer has no Config.{name}")));
    let node = member("NodeName")?;
    if !wan {
        return Ok(node.to_string());
    }
    Ok(format!("{node}.{}", member("Datacenter")?))
}

async fn wan_coordinates(client: &Client, first: &str, second: &str) -> Result<(Coord, Coord), Error> {
    let split = |name: &str| match name.split('.').collect::<Vec<_>>().as_slice() {
        [node, datacenter] => Ok((node.to_string(), datacenter.to_string())),
        _ => Err(Error::failed("Node names must be specified as <node name>.<datacenter> with -wan")),
    };
    let (from, to) = (split(first)?, split(second)?);
    let datacenters = client.coordinate().datacenters().await.map_err(refused)?;
    let area_of = |datacenter: &str| datacenters.iter().find(|d| d.datacenter == datacenter).map(|d| &d.area_id);
    let (Some(from_area), Some(to_area)) = (area_of(&from.1), area_of(&to.1)) else { return Err(missing(first)) };
    let find = |(node, datacenter): &(String, String), area: &str, shown: &str| {
        datacenters
            .iter()
            .filter(|d| d.datacenter == *datacenter && d.area_id == area)
            .flat_map(|d| &d.coordinates)
            .find(|entry| entry.node.eq_ignore_ascii_case(node))
            .and_then(|entry| entry.coord.clone())
            .ok_or_else(|| missing(shown))
    };
    let area = if from_area == to_area { from_area } else { return Err(missing(first)) };
    Ok((find(&from, area, first)?, find(&to, area, second)?))
}

async fn lan_coordinates(
    client: &Client,
    invocation: &Invocation<'_>,
    first: &str,
    second: &str,
) -> Result<(Coord, Coord), Error> {
    let (entries, _) = client.coordinate().nodes(&read_options(invocation)).await.map_err(refused)?;
    let of = |name: &str| -> Vec<&CoordinateEntry> {
        entries.iter().filter(|e| e.node.eq_ignore_ascii_case(name) && e.coord.is_some()).collect()
    };
    let (from, to) = (of(first), of(second));
    if from.is_empty() {
        return Err(missing(first));
    }
    if to.is_empty() {
        return Err(missing(second));
    }
    // Coordinates of different segments have no relation to each other.
    let pair = from.iter().find_map(|a| {
        let b = to.iter().find(|b| b.segment == a.segment)?;
        Some((a.coord.clone()?, b.coord.clone()?))
    });
    pair.ok_or_else(|| missing(first))
}
