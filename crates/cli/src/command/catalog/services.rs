//! `catalog services` (docs/spec/cli.md §5.1).

use std::collections::BTreeMap;

use api::{CatalogNode, QueryOptions};

use super::with_node_meta;
use crate::client::{block_on, connect};
use crate::command::shared::no_arguments;
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::layout::tabs;

const TAG_PADDING_COLUMNS: usize = 6;

/// Tags by the name of their service.
type Services = BTreeMap<String, Vec<String>>;

/// Lists the names of the services of the datacenter or of one node.
pub(super) fn services(invocation: &Invocation<'_>) -> Outcome {
    no_arguments(invocation)?;
    let values = &invocation.values;
    let options = with_node_meta(QueryOptions::new(), invocation);
    let catalog = connect(invocation)?.catalog();
    let node = values.text("node");
    block_on(async {
        let services = if node.is_empty() {
            let failed = |e| Error::failed(format!("Error listing services: {e}"));
            catalog.services(&options).await.map_err(failed)?.0
        } else {
            let failed = |e| Error::failed(format!("Error listing services for node: {e}"));
            let (found, _) = catalog.node(node, &options).await.map_err(failed)?;
            found.map(of_node).unwrap_or_default()
        };
        if services.is_empty() {
            invocation.terminal.complain("No services match the given query - try expanding your search.");
            return Ok(());
        }
        invocation.terminal.say(if values.bool("tags") { with_tags(services) } else { names(&services) });
        Ok(())
    })
}

/// The services of a node; a service has the tags of all its instances there, one after the other.
fn of_node(node: CatalogNode) -> Services {
    let mut services = Services::new();
    for instance in node.services.into_values() {
        services.entry(instance.service).or_default().extend(instance.tags);
    }
    services
}

fn names(services: &Services) -> String {
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    names.join("\n")
}

fn with_tags(services: Services) -> String {
    let mut table = String::new();
    for (name, mut tags) in services {
        tags.sort();
        table.push_str(&format!("{name}\t{}\n", tags.join(",")));
    }
    tabs(&table, 0, TAG_PADDING_COLUMNS).trim().to_string()
}

#[cfg(test)]
mod tests {
    use api::AgentService;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn tags_stand_sorted_beside_the_names() {
        let services = [("pg", &["replica", "a"][..]), ("consul", &[]), ("web", &[])];
        let services: Services = services.map(|(name, tags)| (name.to_string(), texts(tags))).into();
        assert_eq!(names(&services), "consul\npg\nweb");
        assert_eq!(with_tags(services), "consul      \npg          a,replica\nweb");
    }

    #[test]
    fn instances_of_a_node_are_listed_by_service() {
        let instance = |id: &str, service: &str, tags: &[&str]| {
            let service = AgentService { service: service.to_string(), tags: texts(tags), ..AgentService::default() };
            (id.to_string(), service)
        };
        let services = [instance("a2", "a", &["x"]), instance("a1", "a", &["y", "x"]), instance("b", "b", &[])].into();
        let node = CatalogNode { services, ..CatalogNode::default() };
        assert_eq!(with_tags(of_node(node)), "a      x,x,y\nb");
    }
}
