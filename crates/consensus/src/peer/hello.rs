//! The first words on a connection: who calls, whom, in which version.
//!
//! ```text
//! caller:   magic [8] | version u8 | caller's id [16] | callee's id [16]
//! callee:   magic [8] | version u8 | verdict u8
//! ```

use std::io;
use std::time::Duration;

use net::BoxConn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::invalid;
use crate::ServerId;

/// The first byte is none with which a request of the reference begins (`docs/spec/rpc-and-state.md` §9.7).
const MAGIC: [u8; 8] = *b"\x89PCRAFT\n";
const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
/// How long a caller may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

const VERDICT_WELCOME: u8 = 0;
const VERDICT_OTHER_SERVER: u8 = 1;
const VERDICT_OTHER_VERSION: u8 = 2;

/// Says hello as the caller.
pub(crate) async fn greet(conn: &mut BoxConn, me: ServerId, peer: ServerId) -> io::Result<()> {
    let mut hello = Vec::with_capacity(MAGIC.len() + 1 + 2 * ID_BYTES);
    hello.extend_from_slice(&MAGIC);
    hello.push(VERSION);
    hello.extend_from_slice(me.as_bytes());
    hello.extend_from_slice(peer.as_bytes());
    conn.write_all(&hello).await?;
    conn.flush().await?;

    let mut answer = [0; MAGIC.len() + 2];
    conn.read_exact(&mut answer).await?;
    if !answer.starts_with(&MAGIC) {
        let text = "the peer does not speak this raft protocol: all servers of a cluster must be of this kind";
        return Err(invalid(text));
    }
    let [version, verdict] = [answer[MAGIC.len()], answer[MAGIC.len() + 1]];
    match verdict {
        VERDICT_WELCOME => Ok(()),
        VERDICT_OTHER_SERVER => Err(invalid(format!("another server than {peer} answers at this address"))),
        _ => Err(invalid(format!("the peer speaks version {version} of the raft protocol, not {VERSION}"))),
    }
}

/// Takes a caller's hello and answers it; returns who calls.
pub(crate) async fn receive(conn: &mut BoxConn, me: ServerId) -> io::Result<ServerId> {
    let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the caller said no hello");
    tokio::time::timeout(HELLO_TIMEOUT, receive_hello(conn, me)).await.map_err(timed_out)?
}

async fn receive_hello(conn: &mut BoxConn, me: ServerId) -> io::Result<ServerId> {
    let mut start = [0; MAGIC.len()];
    conn.read_exact(&mut start).await?;
    if start != MAGIC {
        return Err(invalid(
            "the caller does not speak this raft protocol: servers of another implementation cannot be in one cluster \
             with this one",
        ));
    }
    let version = conn.read_u8().await?;
    if version != VERSION {
        answer(conn, VERDICT_OTHER_VERSION).await?;
        return Err(invalid(format!("the caller speaks version {version} of the raft protocol, not {VERSION}")));
    }
    let caller = read_id(conn).await?;
    let callee = read_id(conn).await?;
    if callee != me {
        answer(conn, VERDICT_OTHER_SERVER).await?;
        return Err(invalid(format!("server {caller} looks for server {callee}, which is not this one")));
    }
    answer(conn, VERDICT_WELCOME).await?;
    Ok(caller)
}

async fn read_id(conn: &mut BoxConn) -> io::Result<ServerId> {
    let mut bytes = [0; ID_BYTES];
    conn.read_exact(&mut bytes).await?;
    Ok(ServerId::from_bytes(bytes))
}

async fn answer(conn: &mut BoxConn, verdict: u8) -> io::Result<()> {
    let mut answer = MAGIC.to_vec();
    answer.extend_from_slice(&[VERSION, verdict]);
    conn.write_all(&answer).await?;
    conn.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: ServerId = ServerId::from_bytes([1; 16]);
    const PEER: ServerId = ServerId::from_bytes([2; 16]);
    const OTHER: ServerId = ServerId::from_bytes([3; 16]);

    fn pair() -> (BoxConn, BoxConn) {
        let (here, there) = tokio::io::duplex(1024);
        (Box::new(here), Box::new(there))
    }

    #[tokio::test]
    async fn two_servers_greet_each_other() {
        let (mut here, mut there) = pair();
        let (greeted, received) = tokio::join!(greet(&mut here, ME, PEER), receive(&mut there, PEER));
        greeted.unwrap();
        assert_eq!(received.unwrap(), ME);
    }

    #[tokio::test]
    async fn a_call_for_another_server_is_refused() {
        let (mut here, mut there) = pair();
        let (greeted, received) = tokio::join!(greet(&mut here, ME, PEER), receive(&mut there, OTHER));
        assert_eq!(greeted.unwrap_err().to_string(), format!("another server than {PEER} answers at this address"));
        assert!(received.is_err());
    }

    #[tokio::test]
    async fn a_raft_speaker_of_the_reference_is_refused() {
        let (mut here, mut there) = pair();
        // A request-vote: type byte 1, then a msgpack map.
        here.write_all(b"\x01\x87\xafProtocolVersion\x03").await.unwrap();
        let error = receive(&mut there, ME).await.unwrap_err();
        assert!(error.to_string().starts_with("the caller does not speak this raft protocol"), "{error}");
    }

    #[tokio::test]
    async fn another_version_is_refused_with_ours() {
        let (mut here, mut there) = pair();
        let mut hello = MAGIC.to_vec();
        hello.push(VERSION + 1);
        here.write_all(&hello).await.unwrap();
        let error = receive(&mut there, ME).await.unwrap_err();
        assert_eq!(error.to_string(), "the caller speaks version 2 of the raft protocol, not 1");
        let mut answer = [0; MAGIC.len() + 2];
        here.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[MAGIC.len()..], [VERSION, VERDICT_OTHER_VERSION]);
    }
}
