//! The servers a client agent knows, the one it calls first (`docs/spec/rpc-and-state.md` §3.2).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::pool::Target;
use crate::random;

/// Shortest time between two looks for the best server, and what is added at random.
const REBALANCE_MIN: Duration = Duration::from_secs(2 * 60);
const REBALANCE_SPREAD: Duration = Duration::from_secs(60);
/// Share of the whole cluster's changes of server that a node has, for each server: 64 a second in all.
const REBALANCE_SHARE: Duration = Duration::from_micros(15_625);

#[derive(Debug, Default)]
struct State {
    list: Vec<Arc<Target>>,
    /// Nodes of the datacenter.
    nodes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Servers {
    state: Mutex<State>,
}

impl Servers {
    pub(super) fn new(nodes: usize) -> Servers {
        Servers { state: Mutex::new(State { list: Vec::new(), nodes }) }
    }

    /// Takes in what gossip says. Servers that were known keep their order; new ones take random places, so that not
    /// every client goes to the newest or the oldest. Tells whether one that was known is gone, or is elsewhere now.
    pub(super) fn set(&self, mut servers: Vec<Target>, nodes: usize) -> bool {
        let mut state = self.state.lock();
        state.nodes = nodes;
        let mut list = Vec::with_capacity(servers.len());
        for known in &state.list {
            if let Some(place) = servers.iter().position(|server| server.name == known.name) {
                let server = servers.swap_remove(place);
                list.push(if server == **known { Arc::clone(known) } else { Arc::new(server) });
            }
        }
        for server in servers {
            let place = random::below(list.len() + 1);
            list.insert(place, Arc::new(server));
        }
        let is_gone = state.list.iter().any(|known| !list.contains(known));
        state.list = list;
        is_gone
    }

    pub(super) fn list(&self) -> Vec<Arc<Target>> {
        self.state.lock().list.clone()
    }

    /// The server to be called now.
    pub(super) fn head(&self) -> Option<Arc<Target>> {
        self.state.lock().list.first().cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().list.len()
    }

    /// A call to this server failed: the next one is called, unless another call has seen to that already.
    pub(super) fn rotate(&self, failed: &Target) {
        let mut state = self.state.lock();
        if state.list.len() > 1 && state.list.first().is_some_and(|head| **head == *failed) {
            state.list.rotate_left(1);
        }
    }

    /// Applies an order; tells whether it changes anything. Servers that came meanwhile go to the end, those that went
    /// do not come back.
    pub(super) fn reorder(&self, order: &[Arc<Target>]) -> bool {
        let mut state = self.state.lock();
        let before = state.list.clone();
        let place = |server: &Arc<Target>| order.iter().position(|other| other == server).unwrap_or(order.len());
        state.list.sort_by_key(place);
        state.list != before
    }

    /// When to look for the best server again: the larger the cluster, the less often each node does.
    pub(super) fn rebalance_interval(&self) -> Duration {
        let state = self.state.lock();
        let spread = REBALANCE_MIN + random::pause(REBALANCE_SPREAD);
        let nodes = u32::try_from(state.nodes).unwrap_or(u32::MAX);
        match u32::try_from(state.list.len()) {
            Ok(servers) if servers > 0 => spread.max(REBALANCE_SHARE.saturating_mul(nodes) / servers),
            _ => spread,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn target(name: &str) -> Target {
        let last = name.bytes().last().unwrap_or_default();
        Target { name: name.to_owned(), address: SocketAddr::from(([10, 0, 0, last], 8300)), use_tls: false }
    }

    fn names(servers: &Servers) -> Vec<String> {
        servers.list().iter().map(|server| server.name.clone()).collect()
    }

    fn three() -> Servers {
        let servers = Servers::new(3);
        for name in ["a", "b", "c"] {
            let mut all: Vec<Target> = servers.list().iter().map(|server| (**server).clone()).collect();
            all.push(target(name));
            servers.set(all, 3);
        }
        servers.reorder(&["a", "b", "c"].map(|name| Arc::new(target(name))));
        servers
    }

    #[test]
    fn a_failed_head_goes_to_the_end_once() {
        let servers = three();
        servers.rotate(&target("a"));
        servers.rotate(&target("a"));
        servers.rotate(&target("c"));
        assert_eq!(names(&servers), ["b", "c", "a"]);
        servers.set(vec![target("b")], 3);
        servers.rotate(&target("b"));
        assert_eq!(names(&servers), ["b"]);
    }

    #[test]
    fn known_servers_keep_their_order_and_take_new_addresses() {
        let servers = three();
        servers.rotate(&target("a"));
        let moved = Target { address: SocketAddr::from(([10, 9, 9, 9], 8300)), ..target("b") };
        assert!(servers.set(vec![target("c"), moved.clone(), target("d")], 3));
        let known: Vec<String> = names(&servers).into_iter().filter(|name| name != "d").collect();
        assert_eq!(known, ["b", "c"]);
        assert_eq!(servers.len(), 3);
        assert!(servers.list().iter().any(|server| **server == moved));
    }

    #[test]
    fn new_servers_come_to_every_place() {
        let mut first = 0;
        for _ in 0..200 {
            let servers = three();
            servers.set(["a", "b", "c", "d"].map(target).to_vec(), 3);
            first += usize::from(names(&servers).first().is_some_and(|name| name == "d"));
        }
        assert!((1..199).contains(&first), "{first}");
    }

    #[test]
    fn an_order_applies_to_those_that_are_still_there() {
        let servers = three();
        let order = ["c", "x", "a", "b"].map(|name| Arc::new(target(name)));
        assert!(!servers.set(["a", "b", "c", "d"].map(target).to_vec(), 3), "none is gone");
        assert!(servers.reorder(&order));
        assert_eq!(names(&servers), ["c", "a", "b", "d"]);
        assert!(!servers.reorder(&order), "nothing changes");
        assert!(servers.set(["a", "b", "d"].map(target).to_vec(), 3));
    }

    #[test]
    fn large_clusters_look_less_often() {
        let seconds = |nodes: usize| {
            let servers = three();
            servers.set(["a", "b", "c"].map(target).to_vec(), nodes);
            servers.rebalance_interval().as_secs()
        };
        assert!((120..180).contains(&seconds(10)));
        assert_eq!(seconds(192_000), 1000);
        assert!((120..180).contains(&Servers::new(1_000_000).rebalance_interval().as_secs()));
    }
}
