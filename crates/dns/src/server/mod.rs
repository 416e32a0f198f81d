//! Listeners and their life (`docs/spec/dns.md` §1).

mod datagram;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::Agent;
use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::context::{Context, Metrics};
use crate::settings::{Live, Settings};
use crate::views::Views;

/// How long opening all listeners may take together.
const START_TIMEOUT: Duration = Duration::from_secs(1);

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// Its name in log lines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

/// A running DNS door. Dropping it ends it; [`DnsServer::stop`] also waits for the end.
pub struct DnsServer {
    context: Arc<Context>,
    addresses: Vec<SocketAddr>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// Binds TCP and UDP on every address and serves until stopped. Port 0 takes any port, the same for both.
///
/// # Errors
/// An address that cannot be bound within a second, a recursor's address that is none.
pub async fn start(
    agent: Arc<Agent>,
    settings: Settings,
    addresses: Vec<SocketAddr>,
    stopping: CancellationToken,
) -> Result<DnsServer, Error> {
    let metrics = Metrics::new(&settings.node_name);
    // Looking up recursors that are host names blocks.
    let live = tokio::task::spawn_blocking(|| Live::new(settings)).await.map_err(|_| Error::Stopping)??;
    let listeners = tokio::time::timeout(START_TIMEOUT, bind(&addresses)).await.map_err(|_| Error::Timeout)??;
    let context = Arc::new(Context { agent, live: ArcSwap::from_pointee(live), views: Views::default(), metrics });
    let server =
        DnsServer { context, addresses: Vec::new(), tasks: TaskTracker::new(), stopping: stopping.child_token() };
    server.serve(listeners)
}

struct Listener {
    address: SocketAddr,
    tcp: TcpListener,
    udp: UdpSocket,
}

/// All TCP listeners first, then their UDP twins.
async fn bind(addresses: &[SocketAddr]) -> Result<Vec<Listener>, Error> {
    let mut streams = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let listen = |error| Error::Listen { network: Transport::Tcp.name(), address, error };
        let tcp = TcpListener::bind(address).await.map_err(listen)?;
        let bound = tcp.local_addr().map_err(listen)?;
        streams.push((bound, tcp));
    }
    let mut listeners = Vec::with_capacity(streams.len());
    for (address, tcp) in streams {
        let listen = |error| Error::Listen { network: Transport::Udp.name(), address, error };
        let udp = UdpSocket::bind(address).await.map_err(listen)?;
        listeners.push(Listener { address, tcp, udp });
    }
    Ok(listeners)
}

impl DnsServer {
    fn serve(mut self, listeners: Vec<Listener>) -> Result<DnsServer, Error> {
        for Listener { address, tcp, udp } in listeners {
            let listen = |error| Error::Listen { network: Transport::Udp.name(), address, error };
            let door =
                Door { context: self.context.clone(), tasks: self.tasks.clone(), stopping: self.stopping.clone() };
            udp::serve(&door, udp).map_err(listen)?;
            self.tasks.spawn(tcp::serve(door, tcp));
            for transport in [Transport::Tcp, Transport::Udp] {
                tracing::info!(target: "agent", address = %address, network = transport.name(), "Started DNS server");
            }
            self.addresses.push(address);
        }
        Ok(self)
    }

    /// Takes new settings over; requests under way keep those they started with. May block when recursors are host
    /// names.
    ///
    /// # Errors
    /// A recursor's address that is none; the old settings stay in force.
    pub fn set_settings(&self, settings: Settings) -> Result<(), Error> {
        let live = Live::new(settings)?;
        let before = self.context.live.swap(Arc::new(live));
        let now = self.context.live.load();
        match (before.recursors.is_empty(), now.recursors.is_empty()) {
            (true, false) => tracing::debug!(target: "agent.dns", "recursor enabled"),
            (false, true) => tracing::debug!(target: "agent.dns", "recursor disabled"),
            _ => {}
        }
        Ok(())
    }

    /// Stops serving and waits until every task has ended.
    pub async fn stop(&self) {
        if !self.stopping.is_cancelled() {
            for address in &self.addresses {
                for network in [Transport::Tcp.name(), Transport::Udp.name()] {
                    tracing::info!(target: "agent", protocol = "DNS", address = %address, network, "Stopping server");
                }
            }
        }
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Where it serves, over TCP and UDP alike.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// What a listener's tasks share.
#[derive(Clone)]
struct Door {
    context: Arc<Context>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}
