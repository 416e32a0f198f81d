//! The other side of a connection: what other servers ask of this one.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use net::{BoxConn, BoxFuture};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::wire::{self, Request};
use super::{EngineLogId, Raft, Types, from_engine_id, metrics, snapshot_transfer};
use crate::contact::Contact;
use crate::log::LogId;
use crate::peer::frame::{self, Frame, FrameReader, Kind, invalid};
use crate::peer::{WORKING_INTERVAL, hello};
use crate::snapshots::SnapshotStore;
use crate::{ServerId, StateMachine};

/// Requests under way on one connection (`docs/spec/rpc-and-state.md` §9.7); more wait in the connection.
const MAX_UNDER_WAY: usize = 128;

/// Takes connections of other servers.
pub(crate) struct Door<S: StateMachine> {
    pub(crate) raft: Raft<S>,
    pub(crate) me: ServerId,
    pub(crate) contact: Arc<Contact>,
    pub(crate) snapshots: Arc<SnapshotStore>,
    pub(crate) stop: CancellationToken,
}

impl<S: StateMachine> Door<S> {
    /// Serves a connection until it ends or this server stops.
    pub(crate) async fn serve(self: Arc<Self>, conn: BoxConn) {
        let stop = self.stop.clone();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = self.converse(conn) => ended,
        };
        match ended {
            Ok(()) => {}
            // The first line of defence against servers that cannot be in one cluster with this one.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(target: "agent.server.raft", error = %error, "refused raft connection");
            }
            Err(error) => tracing::debug!(target: "agent.server.raft", error = %error, "raft connection broke"),
        }
    }

    async fn converse(self: Arc<Self>, mut conn: BoxConn) -> io::Result<()> {
        hello::receive(&mut conn, self.me).await?;
        let (read, write) = tokio::io::split(conn);
        let mut frames = FrameReader::new(read);
        let Some(first) = frames.next().await? else { return Ok(()) };
        match first.kind {
            Kind::Snapshot => snapshot_transfer::receive(&self, frames, write, first).await,
            _ => self.answer_requests(frames, write, first).await,
        }
    }

    async fn answer_requests(
        self: Arc<Self>,
        mut frames: FrameReader<impl AsyncRead + Unpin>,
        mut write: impl AsyncWrite + Unpin,
        first: Frame,
    ) -> io::Result<()> {
        let mut under_way: FuturesUnordered<BoxFuture<'static, Vec<u8>>> = FuturesUnordered::new();
        let mut working = tokio::time::interval(WORKING_INTERVAL);
        working.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = Some(first);
        loop {
            if let Some(frame) = next.take() {
                let mut answer = self.clone().start(frame)?;
                // The first poll hands the request to the engine, so that requests reach it in the order they came.
                match poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await {
                    Poll::Ready(answer) => put(&mut write, &answer).await?,
                    Poll::Pending => {
                        if under_way.is_empty() {
                            working.reset();
                        }
                        under_way.push(answer);
                    }
                }
            }
            tokio::select! {
                biased;
                Some(answer) = under_way.next(), if !under_way.is_empty() => put(&mut write, &answer).await?,
                frame = frames.next(), if under_way.len() < MAX_UNDER_WAY => match frame? {
                    Some(frame) => next = Some(frame),
                    None => return Ok(()),
                },
                _ = working.tick(), if !under_way.is_empty() => {
                    put(&mut write, &frame::sealed(Kind::Working, 0, &[])).await?;
                }
            }
        }
    }

    fn start(self: Arc<Self>, frame: Frame) -> io::Result<BoxFuture<'static, Vec<u8>>> {
        let number = frame.number;
        let request = Request::decode(frame.kind, frame.body).map_err(invalid)?;
        Ok(Box::pin(async move {
            let mut answer = self.answer(request).await.unwrap_or_else(|reason| {
                let mut refusal = frame::begin(Kind::Refused, reason.len());
                refusal.extend_from_slice(reason.as_bytes());
                refusal
            });
            frame::seal(&mut answer, number);
            answer
        }))
    }

    /// The frame with the answer, without its number, or why there is none.
    async fn answer(&self, request: Request<S::Reply>) -> Result<Vec<u8>, String> {
        let refused = |error: &dyn std::fmt::Display| error.to_string();
        match request {
            Request::Append(request) => self.append(request).await,
            Request::Vote(request) => match self.raft.vote(request).await {
                Ok(answer) => Ok(wire::encode_vote_answer(&answer)),
                Err(error) => Err(refused(&error)),
            },
            Request::PreVote(request) => match self.raft.pre_vote(request).await {
                Ok(answer) => Ok(wire::encode_vote_answer(&answer)),
                Err(error) => Err(refused(&error)),
            },
            Request::Transfer(request) => match self.raft.handle_transfer_leader(request).await {
                Ok(answer) => Ok(wire::encode_transfer_answer(&answer)),
                Err(error) => Err(refused(&error)),
            },
        }
    }

    async fn append(&self, request: AppendEntriesRequest<Types<S::Reply>>) -> Result<Vec<u8>, String> {
        let entries = request.entries.iter().map(|entry| &entry.log_id);
        if let Some(reason) = contradiction(&self.raft, request.prev_log_id.iter().chain(entries)) {
            return Err(reason);
        }
        // Known at once for a leader we follow; its answer may wait for the disk, or for a snapshot to be restored.
        let sender = request.vote;
        if metrics(&self.raft, |m| m.vote == sender) {
            self.contact.touch();
        }
        let answer = self.raft.append_entries(request).await.map_err(|error| error.to_string())?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.contact.touch();
        }
        Ok(wire::encode_append_answer(&answer))
    }
}

/// Why a leader's entries cannot be taken: they say something else of an index that is committed here. The engine takes
/// every index up to the committed one for equal. Without a broken promise it happens only after recoveries by hand that
/// were given different logs.
pub(crate) fn contradiction<'a, S: StateMachine>(
    raft: &Raft<S>,
    ids: impl IntoIterator<Item = &'a EngineLogId>,
) -> Option<String> {
    let own = metrics(raft, |m| m.local_committed.as_ref().map(from_engine_id))?;
    let differs = |id: &LogId| id.index <= own.index && id.term > own.term;
    let found = ids.into_iter().map(from_engine_id).find(differs)?;
    let text = format!(
        "this server's log contradicts its leader's at index {} (term {} here or below, {} there): stop it, remove its \
         raft directory, and start it again",
        found.index, own.term, found.term
    );
    tracing::error!(target: "agent.server.raft", "{text}");
    Some(text)
}

async fn put(write: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    write.write_all(frame).await?;
    write.flush().await
}
