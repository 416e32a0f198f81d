//! What a client may take of the server port (`docs/spec/server-operations.md` §10).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

#[derive(Debug)]
struct State {
    handshake_timeout: Duration,
    max_conns_per_client: usize,
    conns: HashMap<IpAddr, usize>,
}

/// Limits, and the connections they count.
#[derive(Debug)]
pub(super) struct Limits {
    state: Mutex<State>,
}

impl Limits {
    pub(super) fn new(handshake_timeout: Duration, max_conns_per_client: usize) -> Arc<Limits> {
        let state = State { handshake_timeout, max_conns_per_client, conns: HashMap::new() };
        Arc::new(Limits { state: Mutex::new(state) })
    }

    /// Applies to what comes from now on.
    pub(super) fn set(&self, handshake_timeout: Duration, max_conns_per_client: usize) {
        let mut state = self.state.lock();
        state.handshake_timeout = handshake_timeout;
        state.max_conns_per_client = max_conns_per_client;
    }

    /// How long a client may take to say what it wants; none for as long as it likes.
    pub(super) fn handshake_timeout(&self) -> Option<Duration> {
        Some(self.state.lock().handshake_timeout).filter(|timeout| !timeout.is_zero())
    }

    /// A place for a connection of this client; none if it has too many.
    pub(super) fn admit(self: &Arc<Limits>, from: SocketAddr) -> Option<Place> {
        // One client must not count twice because the socket speaks both families.
        let client = from.ip().to_canonical();
        let mut state = self.state.lock();
        let limit = state.max_conns_per_client;
        let count = state.conns.entry(client).or_default();
        if limit > 0 && *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place { limits: Arc::clone(self), client })
    }
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    limits: Arc<Limits>,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.limits.state.lock();
        if let Some(count) = state.conns.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.conns.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 4000))
    }

    #[test]
    fn each_client_has_its_own_places() {
        let limits = Limits::new(Duration::from_secs(5), 2);
        let first = limits.admit(client(1)).unwrap();
        let _second = limits.admit(client(1)).unwrap();
        assert!(limits.admit(client(1)).is_none());
        let mapped = SocketAddr::new("::ffff:10.0.0.1".parse().unwrap(), 5000);
        assert!(limits.admit(mapped).is_none());
        assert!(limits.admit(client(2)).is_some());
        drop(first);
        assert!(limits.admit(client(1)).is_some());
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits::new(Duration::ZERO, 0);
        let places: Vec<_> = (0..500).map(|_| limits.admit(client(1)).unwrap()).collect();
        assert_eq!(limits.handshake_timeout(), None);
        drop(places);
        assert!(limits.state.lock().conns.is_empty());
    }

    #[test]
    fn new_limits_apply_to_new_connections() {
        let limits = Limits::new(Duration::from_secs(5), 0);
        let _places: Vec<_> = (0..3).map(|_| limits.admit(client(1)).unwrap()).collect();
        limits.set(Duration::from_secs(1), 3);
        assert!(limits.admit(client(1)).is_none());
        assert_eq!(limits.handshake_timeout(), Some(Duration::from_secs(1)));
    }
}
