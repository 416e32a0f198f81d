//! Instances of services as they were read last: as long as nothing about a service changes, its list is not put
//! together again. A list is used only after the server has confirmed its version, so an answer is never older for it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use types::{CheckServiceNode, Version};

/// Lists that are kept at most; when there are more, all are forgotten and those in use come back with the next question.
const VIEWS_MAX: usize = 1024;
/// Instances on all lists together at most, likewise.
const INSTANCES_MAX: usize = 100_000;

/// Which list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) service: String,
    pub(crate) tag: Option<String>,
    pub(crate) connect: bool,
    pub(crate) ingress: bool,
    pub(crate) datacenter: String,
    pub(crate) token: String,
}

/// A list and its version.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) version: Version,
    pub(crate) instances: Arc<[CheckServiceNode]>,
}

/// The lists read last.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Arc<View>>,
    instances: usize,
}

impl Views {
    /// The list of this key, if there is one.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<View>> {
        self.0.lock().by_key.get(key).cloned()
    }

    /// Keeps a list.
    pub(crate) fn keep(&self, key: Key, view: View) {
        let mut kept = self.0.lock();
        if kept.by_key.len() >= VIEWS_MAX || kept.instances + view.instances.len() > INSTANCES_MAX {
            *kept = Kept::default();
        }
        if view.instances.len() > INSTANCES_MAX {
            return;
        }
        kept.instances += view.instances.len();
        if let Some(before) = kept.by_key.insert(key, Arc::new(view)) {
            kept.instances -= before.instances.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use types::NodeService;

    use super::*;
    use crate::testing::instance;

    fn key(service: &str) -> Key {
        let datacenter = "dc1".to_owned();
        Key { service: service.to_owned(), tag: None, connect: false, ingress: false, datacenter, token: String::new() }
    }

    fn view(index: u64, instances: usize) -> View {
        let one = instance("n", "198.18.0.1", NodeService::default());
        View { version: Version { index, generation: 0 }, instances: vec![one; instances].into() }
    }

    #[test]
    fn the_newest_list_of_a_key_is_kept() {
        let views = Views::default();
        views.keep(key("a"), view(1, 2));
        views.keep(key("a"), view(2, 3));
        assert_eq!(views.get(&key("a")).unwrap().version.index, 2);
        assert!(views.get(&key("b")).is_none());
        assert_eq!(views.0.lock().instances, 3);
    }

    #[test]
    fn keys_and_instances_are_bounded() {
        let views = Views::default();
        for n in 0..=VIEWS_MAX {
            views.keep(key(&n.to_string()), view(1, 0));
        }
        assert_eq!(views.0.lock().by_key.len(), 1);
        views.keep(key("large"), view(1, INSTANCES_MAX));
        views.keep(key("larger"), view(1, INSTANCES_MAX + 1));
        let kept = views.0.lock();
        assert!(kept.instances <= INSTANCES_MAX && !kept.by_key.contains_key(&key("larger")));
    }
}
