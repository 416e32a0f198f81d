//! User events: filters, and the ring of events this agent has seen (`docs/spec/server-operations.md` §15.1).

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use regex::Regex;
use tokio::sync::watch;
use types::{NodeService, UserEvent};

/// Events an agent remembers.
const RING_SIZE: usize = 256;
/// Name of the event behind `consul exec`: handled apart and never listed.
pub(crate) const REMOTE_EXEC: &str = "_rexec";

/// An event's filters are not usable.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// A tag says nothing without a service.
    #[error("Cannot provide tag filter without service filter")]
    TagWithoutService,
    /// A filter is no regular expression.
    #[error("Invalid {filter} filter: {reason}")]
    BadFilter {
        /// `node`, `service` or `tag`.
        filter: &'static str,
        /// Why not.
        reason: String,
    },
}

/// The compiled filters of an event.
#[derive(Clone, Debug)]
pub struct Filter {
    node: Option<Regex>,
    service: Option<Regex>,
    tag: Option<Regex>,
}

impl Filter {
    /// Compiles an event's filters.
    ///
    /// # Errors
    /// [`EventError`], naming the filter at fault.
    pub fn compile(event: &UserEvent) -> Result<Filter, EventError> {
        if !event.tag_filter.is_empty() && event.service_filter.is_empty() {
            return Err(EventError::TagWithoutService);
        }
        Ok(Filter {
            node: compile("node", &event.node_filter)?,
            service: compile("service", &event.service_filter)?,
            tag: compile("tag", &event.tag_filter)?,
        })
    }

    /// True if the event is meant for a node of this name.
    pub fn matches_node(&self, name: &str) -> bool {
        self.node.as_ref().is_none_or(|node| node.is_match(name))
    }

    /// True if the event is meant for an agent with these services: one of them has a matching ID and, if tags are
    /// asked for, a matching tag.
    pub fn matches_service(&self, services: &[Arc<NodeService>]) -> bool {
        let Some(id) = &self.service else { return true };
        let has_tag = |service: &NodeService| match &self.tag {
            Some(wanted) => service.tags.iter().any(|tag| wanted.is_match(tag)),
            None => true,
        };
        services.iter().any(|service| id.is_match(&service.id) && has_tag(service))
    }
}

fn compile(filter: &'static str, pattern: &str) -> Result<Option<Regex>, EventError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let compiled = filter::re2::compile(pattern);
    compiled.map(Some).map_err(|error| EventError::BadFilter { filter, reason: error.to_string() })
}

/// The newest events of this agent.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<VecDeque<Arc<UserEvent>>>,
    index: watch::Sender<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Events { ring: Mutex::default(), index: watch::channel(NO_EVENT_INDEX).0 }
    }
}

/// Index of an empty ring.
const NO_EVENT_INDEX: u64 = 1;

impl Events {
    /// Keeps an event that has arrived.
    pub fn receive(&self, event: UserEvent) {
        if event.name == REMOTE_EXEC {
            return;
        }
        let index = index_of(&event.id);
        let mut ring = self.ring.lock();
        if ring.len() == RING_SIZE {
            ring.pop_front();
        }
        ring.push_back(Arc::new(event));
        self.index.send_replace(index);
    }

    /// Events of a name, or all, oldest first; with the index of the newest of them, 1 if there is none.
    pub fn list(&self, name: Option<&str>) -> (u64, Vec<Arc<UserEvent>>) {
        let ring = self.ring.lock();
        let events: Vec<_> = ring.iter().filter(|e| name.is_none_or(|n| e.name == n)).cloned().collect();
        let index = events.last().map_or(NO_EVENT_INDEX, |e| index_of(&e.id));
        (index, events)
    }

    /// Resolves at the next event after this call.
    pub fn arrival(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut index = self.index.subscribe();
        async move {
            if index.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }
}

/// An event's index: the two halves of its UUID, folded.
pub fn index_of(id: &str) -> u64 {
    match uuid::Uuid::try_parse(id) {
        Ok(id) => {
            let (high, low) = id.as_u64_pair();
            high ^ low
        }
        Err(_) => NO_EVENT_INDEX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> UserEvent {
        UserEvent { id: uuid::Uuid::new_v4().to_string(), name: name.to_owned(), ..UserEvent::default() }
    }

    #[test]
    fn the_ring_keeps_the_newest_in_order() {
        let events = Events::default();
        for n in 0..RING_SIZE + 3 {
            events.receive(event(&n.to_string()));
        }
        let (_, kept) = events.list(None);
        assert_eq!(kept.len(), RING_SIZE);
        assert_eq!(kept[0].name, "3");
    }

    #[test]
    fn the_index_is_the_newest_listed_events() {
        let events = Events::default();
        assert_eq!(events.list(None).0, 1);
        let (a, b) = (event("a"), event("b"));
        events.receive(a.clone());
        events.receive(b.clone());
        assert_eq!(events.list(Some("a")).0, index_of(&a.id));
        assert_eq!(events.list(None).0, index_of(&b.id));
        assert_eq!(events.list(Some("c")).0, 1);
    }

    #[test]
    fn remote_exec_is_never_listed() {
        let events = Events::default();
        events.receive(event(REMOTE_EXEC));
        assert!(events.list(None).1.is_empty());
    }

    #[test]
    fn faults_name_the_filter() {
        let bad = |node: &str, service: &str, tag: &str| {
            let event = UserEvent {
                node_filter: node.into(),
                service_filter: service.into(),
                tag_filter: tag.into(),
                ..UserEvent::default()
            };
            Filter::compile(&event).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(bad("[", "", ""), "Invalid node filter: error parsing regexp: missing closing ]: `[`");
        assert_eq!(
            bad("", "*", ""),
            "Invalid service filter: error parsing regexp: missing argument to repetition operator: `*`"
        );
        assert_eq!(bad("", "a", "("), "Invalid tag filter: error parsing regexp: missing closing ): `(`");
        assert_eq!(bad("", "", "y"), "Cannot provide tag filter without service filter");
        assert_eq!(bad("", "", ""), "");
    }

    #[test]
    fn a_service_is_meant_by_id_and_tag() {
        let service = |id: &str, tag: &str| {
            Arc::new(NodeService { id: id.to_owned(), tags: vec![tag.to_owned()], ..NodeService::default() })
        };
        let services = [service("web-1", "blue"), service("db", "green")];
        let table = [
            ("", "", true),
            ("web", "", true),
            ("^eb", "", false),
            ("web", "blue", true),
            ("web", "green", false),
            ("web|db", "green", true),
        ];
        for (id, tag, meant) in table {
            let event = UserEvent { service_filter: id.to_owned(), tag_filter: tag.to_owned(), ..UserEvent::default() };
            let filter = Filter::compile(&event).unwrap();
            assert_eq!(filter.matches_service(&services), meant, "{id:?} {tag:?}");
        }
    }

    #[tokio::test]
    async fn an_arrival_wakes_who_waits() {
        let events = Events::default();
        let arrival = events.arrival();
        events.receive(event("a"));
        arrival.await;
    }
}
