//! A network in memory and servers on it, for tests.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use net::{BoxConn, BoxFuture, Datagrams, Listener, Network};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::dispatch::{Dispatch, DispatchError, Doors, Streams};
use crate::door::{Door, ListenerSettings};
use crate::pool::{Pool, PoolSettings, Target};

const PIPE_BYTES: usize = 64 * 1024;
/// The system's number of `connection refused`.
const REFUSED: i32 = 111;

type Arrivals = mpsc::UnboundedSender<(BoxConn, SocketAddr)>;

/// The network. Dialling takes `delay`.
#[derive(Default)]
pub(crate) struct Wires {
    listeners: Arc<Mutex<HashMap<SocketAddr, Arrivals>>>,
    pub(crate) dials: AtomicUsize,
    pub(crate) delay: Mutex<Duration>,
}

impl Wires {
    pub(crate) fn dial_count(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// Listens at once.
    pub(crate) fn listener(&self, at: SocketAddr) -> Box<dyn Listener> {
        let (arrivals, queue) = mpsc::unbounded_channel();
        self.listeners.lock().insert(at, arrivals);
        Box::new(Ear { queue, address: at })
    }

    /// A raw connection from an address.
    pub(crate) fn dial(&self, from: SocketAddr, to: SocketAddr) -> io::Result<BoxConn> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        enter(&self.listeners, from, to)
    }
}

fn enter(listeners: &Mutex<HashMap<SocketAddr, Arrivals>>, from: SocketAddr, to: SocketAddr) -> io::Result<BoxConn> {
    let refused = || io::Error::from_raw_os_error(REFUSED);
    let arrivals = listeners.lock().get(&to).cloned().ok_or_else(refused)?;
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    arrivals.send((Box::new(far), from)).map_err(|_| refused())?;
    Ok(Box::new(near))
}

impl Network for Wires {
    fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> BoxFuture<'static, io::Result<BoxConn>> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        let from = SocketAddr::new(from.unwrap_or(IpAddr::from([127, 0, 0, 1])), 40_000);
        let (listeners, delay) = (Arc::clone(&self.listeners), *self.delay.lock());
        Box::pin(async move {
            if !delay.is_zero() {
                time::sleep(delay).await;
            }
            enter(&listeners, from, to)
        })
    }

    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let listener = self.listener(at);
        Box::pin(async move { Ok(listener) })
    }

    fn datagrams(&self, _at: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn Datagrams>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

struct Ear {
    queue: mpsc::UnboundedReceiver<(BoxConn, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for Ear {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxConn, SocketAddr)>> {
        Box::pin(async move { self.queue.recv().await.ok_or_else(|| io::ErrorKind::NotConnected.into()) })
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// Methods of a server in tests: pings, echoes, failures, and a call that is never answered.
pub(crate) struct Methods {
    /// What `Test.Fail` fails with; nothing: it succeeds.
    pub(crate) failure: Mutex<Option<String>>,
    /// Calls so far.
    pub(crate) calls: AtomicUsize,
    /// Calls of `Test.Wait` that are under way.
    waiting: watch::Sender<usize>,
}

impl Methods {
    pub(crate) fn new() -> Arc<Methods> {
        Arc::new(Methods { failure: Mutex::new(None), calls: AtomicUsize::new(0), waiting: watch::Sender::new(0) })
    }

    pub(crate) fn call_count(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until so many calls of `Test.Wait` are under way.
    pub(crate) async fn waiting(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting == count).await.unwrap();
    }
}

struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Dispatch for Methods {
    fn call<'a>(
        &'a self,
        method: &'a str,
        body: Bytes,
        _from: SocketAddr,
    ) -> BoxFuture<'a, Result<Vec<u8>, DispatchError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            match method {
                "Status.Ping" => Ok(vec![0x80]),
                "Test.Echo" => Ok(body.to_vec()),
                "Test.Wait" => {
                    self.waiting.send_modify(|waiting| *waiting += 1);
                    let _waiting = Waiting(&self.waiting);
                    std::future::pending().await
                }
                _ if method.starts_with("Test.") => Err(DispatchError::UnknownMethod),
                // Any other method, so that those of the table of methods can fail or succeed too.
                _ => match self.failure.lock().clone() {
                    Some(text) => Err(DispatchError::Failed(text)),
                    None => Ok(body.to_vec()),
                },
            }
        })
    }
}

/// Answers every connection with its name, and echoes what comes.
struct Named(&'static str);

impl Streams for Named {
    fn serve(&self, mut conn: BoxConn, _from: SocketAddr) -> BoxFuture<'static, ()> {
        let name = self.0;
        Box::pin(async move {
            let mut said = [0; 4];
            if conn.read_exact(&mut said).await.is_ok() {
                let _ = conn.write_all(&[said.as_slice(), name.as_bytes()].concat()).await;
                let _ = conn.shutdown().await;
            }
        })
    }
}

pub(crate) fn doors(methods: &Arc<Methods>) -> Doors {
    Doors {
        dispatch: Arc::clone(methods) as Arc<dyn Dispatch>,
        raft: Arc::new(Named("raft")),
        snapshot: Arc::new(Named("snapshot")),
        grpc: Arc::new(Named("grpc")),
    }
}

pub(crate) fn listener_settings() -> ListenerSettings {
    ListenerSettings {
        handshake_timeout: Duration::from_secs(5),
        max_conns_per_client: 100,
        tls: None,
        verify_incoming: false,
    }
}

/// A server with these methods.
pub(crate) fn server(wires: &Wires, at: SocketAddr, methods: &Arc<Methods>) -> Door {
    Door::open(wires.listener(at), listener_settings(), doors(methods), CancellationToken::new())
}

pub(crate) fn pool_settings(wires: &Arc<Wires>) -> PoolSettings {
    PoolSettings {
        network: Arc::clone(wires) as Arc<dyn Network>,
        source: None,
        client_timeout: Duration::from_secs(60),
        rpc_hold_timeout: Duration::from_secs(7),
        default_query_time: Duration::from_secs(300),
        max_query_time: Duration::from_secs(600),
        max_idle_streams: 32,
        max_idle: Duration::from_secs(127),
        tls: None,
    }
}

pub(crate) fn pool(wires: &Arc<Wires>) -> Pool {
    Pool::new(pool_settings(wires), CancellationToken::new())
}

pub(crate) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 8300))
}

pub(crate) fn target(last: u8) -> Target {
    Target { name: format!("server{last}"), address: address(last), use_tls: false }
}
