//! Questions for recursors (`docs/spec/dns.md` §8, §17).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::codec::{self, CLASS_IN, Kind, Name, Question, Rcode, Request, Writer, flag};
use crate::message::Record;
use crate::random;
use crate::server::Transport;
use crate::settings::{Live, RecursorStrategy};

/// A UDP reply to a request without EDNS has at most this many bytes.
const UDP_BYTES: usize = 512;

/// Asks recursors what the client asked, over its own transport; the reply of the first that knows, as it came.
pub(crate) async fn forward(live: &Live, request: &Request, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let message = packet.get(..request.end).unwrap_or(packet);
    let udp_size = request.edns.map_or(0, |edns| usize::from(edns.udp_size)).max(UDP_BYTES);
    let question = request.question.as_ref().map(shown).unwrap_or_default();
    for recursor in order(live) {
        let started = Instant::now();
        let reply = match exchange(recursor, transport, message, udp_size, live.recursor_timeout).await {
            Ok(reply) => reply,
            Err(error) => {
                tracing::error!(target: "agent.dns", error = %error, "recurse failed");
                continue;
            }
        };
        let rtt = started.elapsed();
        if reply.rcode == Rcode::NoError.bits() || reply.rcode == Rcode::NxDomain.bits() {
            tracing::debug!(target: "agent.dns", question, rtt = ?rtt, recursor = %recursor,
                "recurse succeeded for question");
            return Some(reply.bytes);
        }
        tracing::debug!(target: "agent.dns", question, rtt = ?rtt, recursor = %recursor, rcode = reply.rcode,
            "recurse failed for question");
    }
    None
}

/// Asks recursors for the addresses of a name; the answers of the first that replies, whatever it says.
pub(crate) async fn addresses_of(live: &Live, name: &Name) -> Vec<Record> {
    if live.recursors.is_empty() {
        return Vec::new();
    }
    let Some(query) = query(name) else { return Vec::new() };
    for recursor in order(live) {
        let started = Instant::now();
        match exchange(recursor, Transport::Udp, &query, UDP_BYTES, live.recursor_timeout).await {
            Ok(reply) => {
                let rtt = started.elapsed();
                tracing::debug!(target: "agent.dns", name = %name, rtt = ?rtt, "cname recurse RTT for name");
                return reply.answer;
            }
            Err(error) => {
                tracing::error!(target: "agent.dns", name = %name, error = %error, "cname recurse failed for name");
            }
        }
    }
    tracing::error!(target: "agent.dns", name = %name, "all resolvers failed for name");
    Vec::new()
}

/// A question as log lines show it.
pub(crate) fn shown(question: &Question) -> String {
    format!("{{{} {} {}}}", question.name, question.kind.0, question.class)
}

fn query(name: &Name) -> Option<Vec<u8>> {
    let mut query = Vec::new();
    let mut writer = Writer::new(&mut query, false);
    // The ID is half of what protects against forged replies; the port is the other half.
    let id = (random::unpredictable() & 0xffff) as u16;
    writer.header(id, flag::RD, [1, 0, 0, 0]).ok()?;
    writer.question(name, Kind::A, CLASS_IN).ok()?;
    Some(query)
}

fn order(live: &Live) -> Vec<SocketAddr> {
    let mut recursors = live.recursors.clone();
    if live.settings.recursor_strategy == RecursorStrategy::Random {
        random::shuffle(&mut recursors);
    }
    recursors
}

struct Exchanged {
    bytes: Vec<u8>,
    rcode: u16,
    answer: Vec<Record>,
}

/// Sends a message and waits for the reply with its ID. A reply that is not well-formed is an error.
async fn exchange(
    server: SocketAddr,
    transport: Transport,
    message: &[u8],
    udp_size: usize,
    limit: Duration,
) -> io::Result<Exchanged> {
    let bytes = match transport {
        Transport::Udp => over_udp(server, message, udp_size, limit).await?,
        Transport::Tcp => over_tcp(server, message, limit).await?,
    };
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "dns: malformed reply");
    let response = codec::response(&bytes).ok_or_else(malformed)?;
    if message.get(..2) != Some(response.id.to_be_bytes().as_slice()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "dns: id mismatch"));
    }
    Ok(Exchanged { rcode: response.rcode, answer: response.answer, bytes })
}

async fn over_udp(server: SocketAddr, message: &[u8], size: usize, limit: Duration) -> io::Result<Vec<u8>> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    within(limit, socket.send(message)).await?;
    let mut buffer = vec![0; size];
    let received = within(limit, async {
        loop {
            let received = socket.recv(&mut buffer).await?;
            // An answer to something older is not ours.
            if received >= 2 && buffer.get(..2) == message.get(..2) {
                return Ok(received);
            }
        }
    });
    let received = received.await?;
    buffer.truncate(received);
    Ok(buffer)
}

async fn over_tcp(server: SocketAddr, message: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
    let mut stream = within(limit, TcpStream::connect(server)).await?;
    within(limit, stream.write_all(&framed(message)?)).await?;
    within(limit, async {
        let mut reply = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut reply).await?;
        Ok(reply)
    })
    .await
}

/// A message with its length before it, as TCP carries it.
pub(crate) fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let too_large = |_| io::Error::new(io::ErrorKind::InvalidInput, "dns: message too large");
    let length = u16::try_from(message.len()).map_err(too_large)?;
    let mut frame = Vec::with_capacity(2 + message.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    Ok(frame)
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")))
}

#[cfg(test)]
#[path = "recurse_tests.rs"]
mod tests;
