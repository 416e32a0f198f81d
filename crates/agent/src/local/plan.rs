//! What must be written so that the catalog says what the agent says. No I/O: two lists in, changes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{CONSUL_SERVICE, NodeService};

/// One write to the catalog.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Register this service.
    Register(Arc<NodeService>),
    /// Remove the service of this ID.
    Deregister(String),
}

/// The changes that make `catalog` equal to `local`, in the order of IDs. No difference, no change.
pub(super) fn plan(local: &[Arc<NodeService>], catalog: &[Arc<NodeService>]) -> Vec<Change> {
    let known: BTreeMap<&str, &Arc<NodeService>> = catalog.iter().map(|s| (s.id.as_str(), s)).collect();
    let wanted: BTreeMap<&str, &Arc<NodeService>> = local.iter().map(|s| (s.id.as_str(), s)).collect();
    let mut changes = Vec::new();
    for (id, service) in &wanted {
        match known.get(id) {
            None => changes.push(Change::Register((*service).clone())),
            Some(found) => {
                let service = with_remote_parts(service, found);
                if !same(&service, found) {
                    changes.push(Change::Register(service));
                }
            }
        }
    }
    // A server's own service is its leader's to register and remove.
    let gone = known.keys().filter(|id| **id != CONSUL_SERVICE && !wanted.contains_key(*id));
    changes.extend(gone.map(|id| Change::Deregister((*id).to_owned())));
    changes
}

/// The local service with what the catalog may decide: tags under `EnableTagOverride`, addresses the servers assign.
fn with_remote_parts(local: &Arc<NodeService>, remote: &NodeService) -> Arc<NodeService> {
    let takes_tags = local.enable_tag_override && local.tags != remote.tags;
    let assigned = || remote.tagged_addresses.iter().filter(|(tag, _)| tag.starts_with("consul-"));
    if !takes_tags && assigned().next().is_none() {
        return local.clone();
    }
    let mut service = NodeService::clone(local);
    if takes_tags {
        service.tags.clone_from(&remote.tags);
    }
    service.tagged_addresses.extend(assigned().map(|(tag, address)| (tag.clone(), address.clone())));
    Arc::new(service)
}

/// Equal but for the indexes, which only the catalog knows.
fn same(local: &NodeService, remote: &NodeService) -> bool {
    let bare = |service: &NodeService| NodeService { create_index: 0, modify_index: 0, ..service.clone() };
    bare(local) == bare(remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(id: &str, tags: &[&str]) -> Arc<NodeService> {
        let tags = tags.iter().map(|t| (*t).to_owned()).collect();
        Arc::new(NodeService { id: id.to_owned(), service: "web".to_owned(), tags, ..NodeService::default() })
    }

    fn stored(service: &Arc<NodeService>) -> Arc<NodeService> {
        Arc::new(NodeService { create_index: 7, modify_index: 9, ..NodeService::clone(service) })
    }

    #[test]
    fn no_difference_means_no_change() {
        let a = service("a", &["x"]);
        assert_eq!(plan(std::slice::from_ref(&a), &[stored(&a)]), []);
    }

    #[test]
    fn what_is_missing_or_differs_is_registered() {
        let (a, b) = (service("a", &["x"]), service("b", &[]));
        let old = stored(&service("a", &["y"]));
        assert_eq!(plan(&[a.clone(), b.clone()], &[old]), [Change::Register(a), Change::Register(b)]);
    }

    #[test]
    fn what_is_not_local_goes_but_for_the_servers_own() {
        let catalog = [service("consul", &[]), service("stray", &[])];
        assert_eq!(plan(&[], &catalog), [Change::Deregister("stray".to_owned())]);
    }

    #[test]
    fn tags_of_the_catalog_win_where_that_is_allowed() {
        let local = Arc::new(NodeService { enable_tag_override: true, ..NodeService::clone(&service("a", &["mine"])) });
        let remote = NodeService { tags: vec!["theirs".to_owned()], ..NodeService::clone(&local) };
        assert_eq!(plan(&[local], &[Arc::new(remote)]), []);
    }
}
