//! The server port: who comes in, and where it leads (`docs/spec/rpc-and-state.md` §1).

mod limits;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use net::BoxConn;
use telemetry::metrics::{self, Counter};
use tokio::io::AsyncReadExt;
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel::Channel;
use crate::dispatch::Doors;
use crate::kind::TypeByte;
use crate::serve::{Peer, serve};
use crate::yamux::{self, Session, Side};
use limits::{Limits, Place};

static ACCEPTED: LazyLock<Counter> = LazyLock::new(|| metrics::counter("rpc.accept_conn"));
static RAFT_HANDOFFS: LazyLock<Counter> = LazyLock::new(|| metrics::counter("rpc.raft_handoff"));

/// Pause after a failed accept (no file descriptors left, say), doubled each time up to the second.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How the server port behaves.
#[derive(Clone)]
pub struct ListenerSettings {
    /// How long a client may take to its first byte, and to the one inside TLS; zero for as long as it likes.
    pub handshake_timeout: Duration,
    /// Connections from one IP address; 0 for any number.
    pub max_conns_per_client: usize,
    /// What TLS connections are accepted with; none refuses them.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Refuse connections without TLS.
    pub verify_incoming: bool,
}

/// An open server port.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    limits: Arc<Limits>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    /// Serves what `listener` accepts until `stopping` says so or the door is stopped.
    pub fn open(
        listener: Box<dyn net::Listener>,
        settings: ListenerSettings,
        doors: Doors,
        stopping: CancellationToken,
    ) -> Door {
        let limits = Limits::new(settings.handshake_timeout, settings.max_conns_per_client);
        let (stopping, tasks) = (stopping.child_token(), TaskTracker::new());
        let address = listener.local_addr();
        let hall = Hall {
            limits: Arc::clone(&limits),
            tls: settings.tls.map(TlsAcceptor::from),
            verify_incoming: settings.verify_incoming,
            doors,
            stopping: stopping.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(accept(listener, Arc::new(hall)));
        Door { address, limits, stopping, tasks }
    }

    /// Where the port is.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Changes the limits for connections that come from now on; those there are stay.
    pub fn set_limits(&self, handshake_timeout: Duration, max_conns_per_client: usize) {
        self.limits.set(handshake_timeout, max_conns_per_client);
    }

    /// Closes the port and every connection, and waits until all tasks have ended.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// What every connection shares.
struct Hall {
    limits: Arc<Limits>,
    tls: Option<TlsAcceptor>,
    verify_incoming: bool,
    doors: Doors,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

async fn accept(mut listener: Box<dyn net::Listener>, hall: Arc<Hall>) {
    let mut pause = ACCEPT_PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = hall.stopping.cancelled() => return,
        };
        match accepted {
            Ok((conn, from)) => {
                pause = ACCEPT_PAUSE_MIN;
                enter(&hall, conn, from);
            }
            Err(error) => {
                tracing::error!(target: "agent.server.rpc", error = %error, "failed to accept RPC conn");
                tokio::select! {
                    () = time::sleep(pause) => {}
                    () = hall.stopping.cancelled() => return,
                }
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

fn enter(hall: &Arc<Hall>, conn: BoxConn, from: SocketAddr) {
    let Some(place) = hall.limits.admit(from) else {
        tracing::error!(
            target: "agent.server.rpc",
            conn = %Peer(from),
            "rejecting RPC conn from because rpc_max_conns_per_client exceeded"
        );
        return;
    };
    ACCEPTED.one();
    let hall = Arc::clone(hall);
    let tasks = hall.tasks.clone();
    tasks.spawn(async move {
        let stopping = hall.stopping.clone();
        tokio::select! {
            () = receive(hall, conn, from, place) => {}
            () = stopping.cancelled() => {}
        }
    });
}

/// One connection, to its end. The place is held as long.
async fn receive(hall: Arc<Hall>, mut conn: BoxConn, from: SocketAddr, _place: Place) {
    let mut secure = false;
    loop {
        let Some(kind) = type_byte(&hall, &mut conn, from).await else {
            return;
        };
        if hall.verify_incoming && !secure && !matches!(kind, TypeByte::Tls | TypeByte::TlsInsecure) {
            tracing::warn!(
                target: "agent.server.rpc",
                conn = %Peer(from),
                "Non-TLS connection attempted with VerifyIncoming set"
            );
            return;
        }
        if kind != TypeByte::Tls {
            return lead(&hall, kind, conn, from).await;
        }
        if secure {
            tracing::error!(
                target: "agent.server.rpc",
                conn = %Peer(from),
                "TLS connection attempting to establish inner TLS connection"
            );
            return;
        }
        let Some(inner) = handshake(&hall, conn, from).await else {
            return;
        };
        conn = inner;
        secure = true;
    }
}

/// The byte that says what the connection is for; none if it does not come, or says nothing known.
async fn type_byte(hall: &Hall, conn: &mut BoxConn, from: SocketAddr) -> Option<TypeByte> {
    match within(hall.limits.handshake_timeout(), conn.read_u8()).await {
        Ok(byte) => {
            let kind = TypeByte::from_byte(byte);
            if kind.is_none() {
                tracing::error!(
                    target: "agent.server.rpc",
                    byte,
                    conn = %Peer(from),
                    "unrecognized RPC byte"
                );
            }
            kind
        }
        Err(error) => {
            // Port scanners and health checks connect and leave; nothing is wrong with that.
            if error.kind() != io::ErrorKind::UnexpectedEof {
                tracing::error!(
                    target: "agent.server.rpc",
                    conn = %Peer(from),
                    error = %error,
                    "failed to read first RPC byte"
                );
            }
            None
        }
    }
}

async fn handshake(hall: &Hall, conn: BoxConn, from: SocketAddr) -> Option<BoxConn> {
    let Some(tls) = &hall.tls else {
        tracing::warn!(
            target: "agent.server.rpc",
            conn = %Peer(from),
            "TLS connection attempted, server not configured for TLS"
        );
        return None;
    };
    match within(hall.limits.handshake_timeout(), tls.accept(conn)).await {
        Ok(inner) => Some(Box::new(inner)),
        Err(error) => {
            tracing::error!(
                target: "agent.server.rpc",
                conn = %Peer(from),
                error = %error,
                "TLS handshake failed"
            );
            None
        }
    }
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let Some(limit) = limit else {
        return work.await;
    };
    match time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
    }
}

/// Where the connection leads.
async fn lead(hall: &Hall, kind: TypeByte, conn: BoxConn, from: SocketAddr) {
    match kind {
        TypeByte::Single => serve(Channel::Conn(conn), Arc::clone(&hall.doors.dispatch), from).await,
        TypeByte::Multiplex => multiplex(hall, conn, from).await,
        TypeByte::Raft => {
            RAFT_HANDOFFS.one();
            hall.doors.raft.serve(conn, from).await;
        }
        TypeByte::Snapshot => hall.doors.snapshot.serve(conn, from).await,
        TypeByte::Grpc => hall.doors.grpc.serve(conn, from).await,
        TypeByte::TlsInsecure => tracing::error!(
            target: "agent.server.rpc",
            conn = %Peer(from),
            "insecure TLS connections are not served yet"
        ),
        // Stripped before.
        TypeByte::Tls => {}
    }
}

/// A session: each of its streams carries calls and has a task of its own.
async fn multiplex(hall: &Hall, conn: BoxConn, from: SocketAddr) {
    let (session, driver) = Session::new(conn, Side::Server);
    let run = hall.tasks.spawn(yamux::drive(session.clone(), driver, hall.stopping.clone()));
    while let Some(stream) = session.accept().await {
        hall.tasks.spawn(serve(Channel::Stream(stream), Arc::clone(&hall.doors.dispatch), from));
    }
    if let Ok(end) = run.await {
        tracing::debug!(target: "agent.server.rpc", conn = %Peer(from), reason = %end, "RPC session ended");
    }
}
