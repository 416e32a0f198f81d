//! The other servers, as far as connections go.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use net::BoxConn;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Link, hello};
use crate::{ServerId, Transport};

/// How long opening a connection may take, hello included. Short, because the packets of a partition are sent again
/// ever more rarely: a new attempt finds the way sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Heartbeats, votes: small, and never late.
    Control,
    /// Entries.
    Entries,
}

/// The ways to all other servers.
pub(crate) struct Peers {
    me: ServerId,
    transport: Arc<dyn Transport>,
    stop: CancellationToken,
    tasks: TaskTracker,
    known: Mutex<BTreeMap<ServerId, Peer>>,
}

#[derive(Default)]
struct Peer {
    address: String,
    control: Option<Arc<Link>>,
    entries: Option<Arc<Link>>,
}

impl Peers {
    pub(crate) fn new(me: ServerId, transport: Arc<dyn Transport>, stop: CancellationToken) -> Peers {
        Peers { me, transport, stop, tasks: TaskTracker::new(), known: Mutex::default() }
    }

    pub(crate) fn me(&self) -> ServerId {
        self.me
    }

    /// The link to a server; there is one for each lane, shared by all who call it. `address` is where the Raft
    /// configuration says it is.
    pub(crate) fn link(self: &Arc<Self>, peer: ServerId, address: &str, lane: Lane) -> Arc<Link> {
        let mut known = self.known.lock();
        let entry = known.entry(peer).or_default();
        if entry.address != address {
            entry.address = address.to_owned();
        }
        let link = match lane {
            Lane::Control => &mut entry.control,
            Lane::Entries => &mut entry.entries,
        };
        let start = || {
            let (link, task) = Link::new(self.clone(), peer);
            self.tasks.spawn(task);
            Arc::new(link)
        };
        link.get_or_insert_with(start).clone()
    }

    /// Takes over the addresses of the current configuration and lets go of who is no longer in it.
    pub(crate) fn retain(&self, servers: &BTreeMap<ServerId, String>) {
        let mut known = self.known.lock();
        known.retain(|peer, _| servers.contains_key(peer));
        for (peer, address) in servers {
            if let Some(entry) = known.get_mut(peer) {
                address.clone_into(&mut entry.address);
            }
        }
    }

    /// Where the Raft configuration says this server is; empty when it is not in it.
    pub(crate) fn address(&self, peer: ServerId) -> String {
        self.known.lock().get(&peer).map(|peer| peer.address.clone()).unwrap_or_default()
    }

    /// Opens a connection on which frames can be sent.
    pub(crate) async fn connect(&self, peer: ServerId) -> io::Result<BoxConn> {
        let address = self.address(peer);
        let connecting = async {
            let mut conn = self.transport.connect(peer, &address).await?;
            hello::greet(&mut conn, self.me, peer).await?;
            Ok::<_, io::Error>(conn)
        };
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long");
        tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(timed_out)?
    }

    /// Resolves when this server stops.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until every connection is closed; the stop must have been signalled.
    pub(crate) async fn closed(&self) {
        self.known.lock().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
