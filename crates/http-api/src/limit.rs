//! The bound on connections of one client (`docs/spec/http-api.md` §1.1).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Open connections by client, over all listeners.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    most: AtomicUsize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl ConnectionLimit {
    /// At most `most` connections of one client; 0 for no bound.
    pub(crate) fn new(most: usize) -> ConnectionLimit {
        ConnectionLimit { most: AtomicUsize::new(most), open: Mutex::default() }
    }

    /// Changes the bound for connections to come.
    pub(crate) fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Counts a connection in until the admission is dropped, or refuses it.
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Admission> {
        let most = self.most.load(Ordering::Relaxed);
        let mut open = self.open.lock();
        let count = open.entry(client).or_insert(0);
        if most > 0 && *count >= most {
            return None;
        }
        *count += 1;
        Some(Admission { limit: self.clone(), client })
    }
}

/// One counted connection.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: Arc<ConnectionLimit>,
    client: IpAddr,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    #[test]
    fn each_client_has_its_own_count() {
        let limit = Arc::new(ConnectionLimit::new(1));
        let first = limit.admit(A);
        assert!(first.is_some() && limit.admit(A).is_none());
        assert!(limit.admit(B).is_some());
        drop(first);
        assert!(limit.admit(A).is_some());
        assert!(limit.open.lock().is_empty(), "nothing is remembered of clients that are gone");
    }

    #[test]
    fn zero_is_no_bound_and_the_bound_can_change() {
        let limit = Arc::new(ConnectionLimit::new(0));
        let _held: Vec<_> = (0..5).map(|_| limit.admit(A)).collect();
        limit.set(3);
        assert!(limit.admit(A).is_none());
        limit.set(6);
        assert!(limit.admit(A).is_some());
    }
}
