//! Snapshots between servers, each on a connection of its own.
//!
//! ```text
//! sender:    Snapshot (vote | last log id | configuration's log id | configuration | size u64 | checksum u64)
//!            Chunk (bytes of the state) ...
//!            End
//! receiver:  Working ... while it stores and restores, then Answer (vote) or Refused (why)
//! ```

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::machine::to_engine_snapshot;
use super::serve::{Door, contradiction};
use super::wire::{self, Input};
use super::{EngineVote, from_engine_vote, to_engine_id};
use crate::log::{LogId, Membership};
use crate::peer::frame::{self, Frame, FrameReader, Kind, invalid};
use crate::peer::{Peers, WORKING_INTERVAL};
use crate::snapshots::{Header, Incoming, Stored};
use crate::{ServerId, StateMachine};

const CHUNK_BYTES: usize = 256 * 1024;
/// How long one chunk, or one sign of life, may take (`docs/spec/server-operations.md` §1, "Raft transport").
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// What a sender announces.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    vote: EngineVote,
    last: LogId,
    membership: Membership,
    membership_at: LogId,
    size: u64,
    crc: u64,
}

impl Offer {
    fn new(vote: EngineVote, stored: &Stored) -> Offer {
        Offer {
            vote,
            last: stored.last(),
            membership: (*stored.membership).clone(),
            membership_at: stored.membership_at,
            size: stored.info.size,
            crc: stored.crc(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = frame::begin(Kind::Snapshot, 256);
        wire::put_vote(&mut out, &self.vote);
        wire::put_own_log_id(&mut out, Some(self.last));
        wire::put_own_log_id(&mut out, Some(self.membership_at));
        wire::put_membership(&mut out, &self.membership);
        wire::put_u64(&mut out, self.size);
        wire::put_u64(&mut out, self.crc);
        out
    }

    fn decode(body: Bytes) -> Result<Offer, String> {
        let mut input = Input(body);
        let vote = input.engine_vote()?;
        let missing = || "a snapshot of nothing".to_owned();
        let last = input.log_id()?.ok_or_else(missing)?;
        let membership_at = input.log_id()?.ok_or_else(missing)?;
        let membership = input.membership()?;
        let (size, crc) = (input.u64()?, input.u64()?);
        // The engine takes these for granted.
        if last.term > from_engine_vote(&vote).term || membership_at > last {
            return Err(format!("a snapshot up to {last:?} with a configuration of {membership_at:?} under {vote}"));
        }
        Ok(Offer { vote, last, membership, membership_at, size, crc })
    }
}

/// Sends a snapshot; returns the receiver's vote once it has restored it or has no need of it.
pub(super) async fn send(peers: &Peers, peer: ServerId, vote: &EngineVote, stored: &Stored) -> io::Result<EngineVote> {
    let source = stored.clone();
    let mut source = blocking(move || source.open()).await?;
    let (read, mut write) = tokio::io::split(peers.connect(peer).await?);
    tracing::info!(target: "agent.server.raft", peer = %peer, id = stored.info.id, "sending snapshot");
    put(&mut write, Offer::new(*vote, stored).encode()).await?;
    loop {
        let (chunk, back) = blocking(move || read_chunk(source)).await?;
        source = back;
        if frame::body_len(&chunk) == 0 {
            break;
        }
        put(&mut write, chunk).await?;
    }
    put(&mut write, frame::begin(Kind::End, 0)).await?;
    await_answer(FrameReader::new(read)).await
}

type Source = Box<dyn Read + Send>;

fn read_chunk(mut source: Source) -> io::Result<(Vec<u8>, Source)> {
    let mut chunk = frame::begin(Kind::Chunk, CHUNK_BYTES);
    (&mut source).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok((chunk, source))
}

async fn put(write: &mut (impl AsyncWrite + Unpin), mut frame: Vec<u8>) -> io::Result<()> {
    frame::seal(&mut frame, 0);
    let writing = async {
        write.write_all(&frame).await?;
        write.flush().await
    };
    tokio::time::timeout(STEP_TIMEOUT, writing).await.map_err(stalled)?
}

async fn await_answer(mut frames: FrameReader<impl AsyncRead + Unpin>) -> io::Result<EngineVote> {
    loop {
        let frame = next(&mut frames).await?;
        match frame.kind {
            Kind::Working => {}
            Kind::Answer => return Input(frame.body).engine_vote().map_err(invalid),
            Kind::Refused => return Err(io::Error::other(String::from_utf8_lossy(&frame.body).into_owned())),
            other => return Err(invalid(format!("unexpected {other:?} after a snapshot"))),
        }
    }
}

async fn next(frames: &mut FrameReader<impl AsyncRead + Unpin>) -> io::Result<Frame> {
    let frame = tokio::time::timeout(STEP_TIMEOUT, frames.next()).await.map_err(stalled)??;
    frame.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn stalled(_: tokio::time::error::Elapsed) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "snapshot transfer stalled")
}

/// Takes a snapshot that `first` announces: stores it durably, then lets the engine restore it.
pub(super) async fn receive<S: StateMachine>(
    door: &Door<S>,
    mut frames: FrameReader<impl AsyncRead + Unpin>,
    mut write: impl AsyncWrite + Unpin,
    first: Frame,
) -> io::Result<()> {
    let offer = Offer::decode(first.body).map_err(invalid)?;
    if let Some(reason) = contradiction(&door.raft, [&to_engine_id(offer.last)]) {
        return Err(invalid(reason));
    }
    let (vote, LogId { term, index }) = (offer.vote, offer.last);
    tracing::info!(target: "agent.server.raft", term, index, size = offer.size, "receiving snapshot");
    let store = door.snapshots.clone();
    let mut incoming = blocking(move || {
        let membership = Arc::new(offer.membership);
        let header = Header { last: offer.last, membership, membership_at: offer.membership_at };
        store.receive(header, offer.size, offer.crc)
    })
    .await?;
    loop {
        let frame = next(&mut frames).await?;
        incoming = match frame.kind {
            Kind::Chunk => blocking(move || add(incoming, &frame.body)).await?,
            Kind::End => break,
            other => return Err(invalid(format!("unexpected {other:?} within a snapshot"))),
        };
    }

    let installing = async {
        let stored = blocking(move || incoming.finish()).await?;
        let snapshot = to_engine_snapshot(stored)?;
        Ok::<_, io::Error>(door.raft.install_full_snapshot(vote, snapshot).await)
    };
    let mut installing = std::pin::pin!(installing);
    let mut working = tokio::time::interval(WORKING_INTERVAL);
    let installed = loop {
        tokio::select! {
            biased;
            installed = &mut installing => break installed?,
            _ = working.tick() => put(&mut write, frame::begin(Kind::Working, 0)).await?,
        }
    };
    let answer = match installed {
        Ok(answer) => {
            door.contact.touch();
            tracing::info!(target: "agent.server.raft", term, index, "installed remote snapshot");
            let mut out = frame::begin(Kind::Answer, 32);
            wire::put_vote(&mut out, &answer.vote);
            out
        }
        Err(fatal) => frame::sealed(Kind::Refused, 0, fatal.to_string().as_bytes()),
    };
    put(&mut write, answer).await
}

fn add(mut incoming: Incoming, bytes: &[u8]) -> io::Result<Incoming> {
    incoming.write(bytes)?;
    Ok(incoming)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> Offer {
        let me = ServerId::from_bytes([1; 16]);
        Offer {
            vote: EngineVote::new_committed(4, me),
            last: LogId { term: 5, index: 900 },
            membership: Membership { voters: vec![[me].into()], servers: [(me, "10.0.0.1:8300".to_owned())].into() },
            membership_at: LogId { term: 1, index: 1 },
            size: 77,
            crc: u64::MAX,
        }
    }

    fn decode(offer: &Offer) -> Result<Offer, String> {
        let frame = offer.encode();
        Offer::decode(Bytes::copy_from_slice(&frame[frame.len() - frame::body_len(&frame)..]))
    }

    #[test]
    fn offers_survive_the_wire() {
        assert_eq!(decode(&offer()), Ok(offer()));
    }

    #[test]
    fn offers_that_contradict_themselves_are_refused() {
        assert!(decode(&Offer { last: LogId { term: 6, index: 900 }, ..offer() }).is_err(), "beyond its leader's term");
        assert!(decode(&Offer { membership_at: LogId { term: 5, index: 901 }, ..offer() }).is_err());
        assert!(decode(&Offer { membership: Membership::default(), ..offer() }).is_err());
    }
}
