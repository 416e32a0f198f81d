//! `catalog nodes` (docs/spec/cli.md §5.1).

use std::collections::BTreeMap;
use std::fmt::Display;

use api::{CatalogService, Node, QueryOptions};

use super::with_node_meta;
use crate::client::{block_on, connect};
use crate::command::shared::no_arguments;
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::layout::columns;
use crate::source;

const STANDARD: &[&str] = &["Node", "ID", "Address", "DC"];
const DETAILED: &[&str] = &["Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"];

/// Lists the nodes, or those that run a service. A node that runs several instances stands there as often.
pub(super) fn nodes(invocation: &Invocation<'_>) -> Outcome {
    no_arguments(invocation)?;
    let values = &invocation.values;
    let options = options(invocation)?;
    let catalog = connect(invocation)?.catalog();
    let service = values.text("service");
    block_on(async {
        let nodes: Vec<Node> = if service.is_empty() {
            let failed = |e| Error::failed(format!("Error listing nodes: {e}"));
            catalog.nodes(&options).await.map_err(failed)?.0
        } else {
            let failed = |e| Error::failed(format!("Error listing nodes for service: {e}"));
            let (instances, _) = catalog.service(service, &[], &options).await.map_err(failed)?;
            instances.into_iter().map(node_of).collect()
        };
        if nodes.is_empty() {
            invocation.terminal.complain("No nodes match the given query - try expanding your search.");
            return Ok(());
        }
        invocation.terminal.say(columns(&table(&nodes, values.bool("detailed"))));
        Ok(())
    })
}

fn options(invocation: &Invocation<'_>) -> Result<QueryOptions, Error> {
    let values = &invocation.values;
    let failed = |cause: &dyn Display| Error::failed(format!("Could not process filter argument: {cause}"));
    let filter = source::data(values.text("filter"), invocation.terminal).map_err(|e| failed(&e))?;
    let filter = String::from_utf8(filter).map_err(|e| failed(&e))?;
    Ok(with_node_meta(QueryOptions::new().near(values.text("near")).filter(filter), invocation))
}

/// The node an instance runs on.
fn node_of(instance: CatalogService) -> Node {
    Node {
        id: instance.id,
        node: instance.node,
        address: instance.address,
        datacenter: instance.datacenter,
        tagged_addresses: instance.tagged_addresses,
        meta: instance.node_meta,
        ..Node::default()
    }
}

fn table(nodes: &[Node], detailed: bool) -> Vec<Vec<String>> {
    let titles = if detailed { DETAILED } else { STANDARD };
    let header: Vec<String> = titles.iter().map(|title| title.to_string()).collect();
    let rows = nodes.iter().map(|node| {
        let id = if detailed { node.id.as_str() } else { beginning(&node.id) };
        let mut row = vec![node.node.clone(), id.to_string(), node.address.clone(), node.datacenter.clone()];
        if detailed {
            row.extend([pairs(&node.tagged_addresses), pairs(&node.meta)]);
        }
        row
    });
    std::iter::once(header).chain(rows).collect()
}

/// The part of an ID before its first dash, unless there is nothing before it.
fn beginning(id: &str) -> &str {
    match id.split_once('-') {
        Some((beginning, _)) if !beginning.is_empty() => beginning,
        _ => id,
    }
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn nodes() -> [Node; 2] {
        let known = Node {
            id: "40e4a748-2192-161a-0510-9bf59fe950b5".to_string(),
            node: "db-1".to_string(),
            address: "10.40.0.10".to_string(),
            datacenter: "dc1".to_string(),
            tagged_addresses: map(&[("wan", "203.0.113.1"), ("lan", "10.40.0.10")]),
            meta: map(&[("rack", "r|1"), ("env", "prod")]),
            ..Node::default()
        };
        let external = Node {
            node: "a-longer-name".to_string(),
            address: "10.40.0.2".to_string(),
            datacenter: "dc1".to_string(),
            ..Node::default()
        };
        [known, external]
    }

    #[test]
    fn the_table_has_the_beginning_of_the_id() {
        assert_eq!(
            columns(&table(&nodes(), false)),
            "Node           ID        Address     DC\n\
             db-1           40e4a748  10.40.0.10  dc1\n\
             a-longer-name            10.40.0.2   dc1"
        );
    }

    #[test]
    fn details_are_the_whole_id_addresses_and_metadata() {
        let rows = table(&nodes(), true);
        assert_eq!(rows[0], DETAILED);
        let known = ["db-1", "40e4a748-2192-161a-0510-9bf59fe950b5", "10.40.0.10", "dc1"];
        assert_eq!(rows[1][..4], known);
        assert_eq!(rows[1][4..], ["lan=10.40.0.10, wan=203.0.113.1", "env=prod, rack=r|1"]);
        assert_eq!(rows[2], ["a-longer-name", "", "10.40.0.2", "dc1", "", ""]);
    }

    #[test]
    fn an_id_is_cut_at_its_first_dash() {
        for (id, shown) in [("", ""), ("a", "a"), ("a-b-c", "a"), ("-a-b", "-a-b")] {
            assert_eq!(beginning(id), shown, "{id}");
        }
    }
}
