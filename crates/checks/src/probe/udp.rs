//! UDP checks: nobody refuses an empty datagram.
//!
//! Silence within the timeout passes: few services answer an empty datagram (`docs/spec/server-operations.md` §13.2).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::link::Ends;
use super::{Outcome, Run, cause, dial};

pub(super) async fn run(run: &Run<'_>, address: &str) -> Outcome {
    match timeout_at(run.deadline, ask(address)).await {
        Ok(Ok(())) | Err(_) => Outcome::passing(format!("UDP connect {address}: Success")),
        Ok(Err(error)) => {
            let check = run.check;
            tracing::warn!(target: "agent", check, error = error.as_str(), "Check socket connection failed");
            Outcome::critical(error)
        }
    }
}

/// Sends and waits for any reply.
async fn ask(address: &str) -> Result<(), String> {
    let peer = dial::resolve("udp", address)
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| format!("dial udp: lookup {address}: no such host"))?;
    let socket =
        open(peer).await.map_err(|error| format!("dial udp {peer}: connect: {}", cause::system_text(&error)))?;
    let ends = match socket.local_addr() {
        Ok(local) => Ends::Net { network: "udp", local, peer },
        Err(error) => return Err(format!("dial udp {peer}: {}", cause::system_text(&error))),
    };
    // A refusal of an earlier datagram can show up here already.
    socket.send(&[]).await.map_err(|error| cause::io_text(&error, &ends))?;
    let mut reply = [0_u8; 1];
    socket.recv(&mut reply).await.map_err(|error| cause::io_text(&error, &ends))?;
    Ok(())
}

async fn open(peer: SocketAddr) -> io::Result<UdpSocket> {
    let any = match peer {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Probe;
    use crate::probe::test_support::{SHORT, passed, probe};

    #[tokio::test]
    async fn a_reply_passes() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let answer = async {
            let mut datagram = [0_u8; 16];
            let (length, from) = server.recv_from(&mut datagram).await.unwrap();
            server.send_to(b"pong", from).await.unwrap();
            length
        };
        let asked = probe(Probe::Udp { address: address.clone() }, Duration::from_secs(600));
        let (outcome, length) = tokio::join!(asked, answer);
        assert_eq!(outcome, passed(&format!("UDP connect {address}: Success")));
        assert_eq!(length, 0, "the datagram is empty");
    }

    #[tokio::test]
    async fn silence_passes() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let outcome = probe(Probe::Udp { address: address.clone() }, SHORT).await;
        assert_eq!(outcome, passed(&format!("UDP connect {address}: Success")));
    }

    #[tokio::test]
    async fn a_refusal_is_critical() {
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let outcome = probe(Probe::Udp { address: peer.to_string() }, Duration::from_secs(600)).await;
        assert!(!outcome.past_thresholds);
        assert!(outcome.output.starts_with("read udp 127.0.0.1:"), "{}", outcome.output);
        assert!(outcome.output.ends_with(&format!("->{peer}: read: connection refused")), "{}", outcome.output);
    }

    #[tokio::test]
    async fn an_address_needs_a_port() {
        let outcome = probe(Probe::Udp { address: "127.0.0.1".to_owned() }, SHORT).await;
        assert_eq!(outcome, Outcome::critical("dial udp: address 127.0.0.1: missing port in address".to_owned()));
    }
}
