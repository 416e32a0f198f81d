//! Requests over TCP: a few on a connection, one after another (`docs/spec/dns.md` §1).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Door, Transport};
use crate::context::Context;
use crate::recurse::framed;
use crate::respond::respond;

/// Within this time the first request of a connection must be there.
const FIRST_READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Within this time every later one must be there.
const IDLE_TIMEOUT: Duration = Duration::from_secs(8);
/// Within this time a client must take a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);
/// So many requests are read from a connection.
const QUERIES_MAX: usize = 128;
/// So many connections are open at a time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// Pause after a failed accept, so that a lack of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the door closes.
pub(super) async fn serve(door: Door, listener: TcpListener) {
    let stopping = door.stopping.clone();
    stopping.run_until_cancelled(accept(door, listener)).await;
}

async fn accept(door: Door, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The semaphore is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(target: "agent.dns", error = %error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (context, stopping) = (door.context.clone(), door.stopping.clone());
        door.tasks.spawn(async move {
            // A connection that ends early is the client's affair.
            let _ = stopping.run_until_cancelled(converse(&context, stream, client)).await;
            drop(place);
        });
    }
}

async fn converse(context: &Context, mut stream: TcpStream, client: SocketAddr) -> io::Result<()> {
    let mut packet = Vec::new();
    let mut reply = Vec::new();
    let mut patience = FIRST_READ_TIMEOUT;
    for _ in 0..QUERIES_MAX {
        timeout(patience, read(&mut stream, &mut packet)).await??;
        patience = IDLE_TIMEOUT;
        if respond(context, &packet, Transport::Tcp, client, &mut reply).await {
            timeout(WRITE_TIMEOUT, stream.write_all(&framed(&reply)?)).await??;
        }
    }
    Ok(())
}

async fn read(stream: &mut TcpStream, packet: &mut Vec<u8>) -> io::Result<()> {
    let length = usize::from(stream.read_u16().await?);
    packet.clear();
    packet.resize(length, 0);
    stream.read_exact(packet).await.map(drop)
}
