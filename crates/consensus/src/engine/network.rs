//! How the engine calls other servers.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::{EngineCommittedLeaderId, EngineLogId, EngineVote, Types, snapshot_transfer, wire};
use crate::ServerId;
use crate::peer::frame::Kind;
use crate::peer::{CallError, Due, Lane, Link, Peers};
use crate::snapshots::Stored;

type SnapshotOf = openraft::Snapshot<EngineCommittedLeaderId, ServerId, BasicNode, Stored>;

/// Requests with entries under way to one server, and bound of their bytes: enough to keep its disk busy while the
/// answers travel.
const PIPELINE_REQUESTS: usize = 16;
const PIPELINE_BYTES: usize = 4 * 1024 * 1024;

/// Makes the engine's clients.
pub(crate) struct Network(pub(crate) Arc<Peers>);

/// Calls one server.
pub(crate) struct PeerClient {
    peers: Arc<Peers>,
    target: ServerId,
    control: Arc<Link>,
    /// Where appends go: heartbeats are appends, too, and must not wait behind entries.
    appends: Arc<Link>,
}

impl Network {
    fn client(&self, target: ServerId, node: &BasicNode, appends: Lane) -> PeerClient {
        PeerClient {
            peers: self.0.clone(),
            target,
            control: self.0.link(target, &node.addr, Lane::Control),
            appends: self.0.link(target, &node.addr, appends),
        }
    }
}

impl<R: Send + Sync + 'static> RaftNetworkFactory<Types<R>> for Network {
    type Network = PeerClient;

    async fn new_client(&mut self, target: ServerId, node: &BasicNode) -> PeerClient {
        self.client(target, node, Lane::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: ServerId, node: &BasicNode) -> PeerClient {
        self.client(target, node, Lane::Control)
    }
}

impl PeerClient {
    /// A request that is small, urgent, and of no use after its time.
    async fn ask<R: Send + Sync + 'static>(
        &self,
        action: RPCTypes,
        frame: Vec<u8>,
        option: RPCOption,
    ) -> Result<Bytes, RPCError<Types<R>>> {
        let timeout = option.hard_ttl();
        let asking = async { self.control.send(frame, true).await.get().await };
        match tokio::time::timeout(timeout, asking).await {
            Ok(answer) => answer.map_err(|error| failed(self.target, error)),
            Err(_) => Err(RPCError::Timeout(Timeout { action, id: self.peers.me(), target: self.target, timeout })),
        }
    }
}

/// Makes the engine pause before it tries again.
fn failed<R: Send + Sync + 'static>(target: ServerId, error: CallError) -> RPCError<Types<R>> {
    RPCError::Unreachable(Unreachable::from_string(format!("server {target}: {error}")))
}

fn garbled<R: Send + Sync + 'static>(reason: String) -> RPCError<Types<R>> {
    RPCError::Network(NetworkError::from_string(reason))
}

impl<R: Send + Sync + 'static> RaftNetworkV2<Types<R>> for PeerClient {
    type SnapshotData = Stored;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types<R>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<R>>, RPCError<Types<R>>> {
        // How long it may take is the link's to say: it knows whether the server shows signs of life.
        let answer = self.appends.send(wire::encode_append(&rpc), false).await.get().await;
        let answer = answer.map_err(|error| failed::<R>(self.target, error))?;
        wire::decode_append_answer(answer).map_err(garbled)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Appended<R>>, RPCError<Types<R>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types<R>>> + OptionalSend + Unpin + 'static,
    {
        let pipeline = Pipeline {
            target: self.target,
            link: self.appends.clone(),
            input,
            input_ended: false,
            under_way: VecDeque::new(),
            bytes: 0,
        };
        let answers: BoxStream<'s, _> = Box::pin(stream::unfold(Some(pipeline), |pipeline| async move {
            match pipeline {
                Some(pipeline) => pipeline.next().await,
                None => None,
            }
        }));
        Box::pin(async move { Ok(answers) })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        let answer = self.ask::<R>(RPCTypes::Vote, wire::encode_vote(Kind::Vote, &rpc), option).await?;
        wire::decode_vote_answer(answer).map_err(garbled)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        let answer = self.ask::<R>(RPCTypes::Vote, wire::encode_vote(Kind::PreVote, &rpc), option).await?;
        wire::decode_vote_answer(answer).map_err(garbled)
    }

    async fn full_snapshot(
        &mut self,
        vote: EngineVote,
        snapshot: SnapshotOf,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<R>>, StreamingError<Types<R>>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            () = self.peers.stopped() => Err(StreamingError::Closed(ReplicationClosed::new("server stops"))),
            sent = snapshot_transfer::send(&self.peers, self.target, &vote, &snapshot.snapshot) => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(error) => {
                    tracing::error!(target: "agent.server.raft", peer = %self.target, error = %error,
                        "failed to send snapshot");
                    Err(StreamingError::Unreachable(Unreachable::from_string(error)))
                }
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<R>>, RPCError<Types<R>>> {
        let answer = self.ask::<R>(RPCTypes::TransferLeader, wire::encode_transfer(&rpc), option).await?;
        wire::decode_transfer_answer(answer).map_err(garbled)
    }
}

/// Appends on their way to one server: several at once, their answers in order.
struct Pipeline<S> {
    target: ServerId,
    link: Arc<Link>,
    input: S,
    input_ended: bool,
    under_way: VecDeque<UnderWay>,
    /// Bytes of all that is under way.
    bytes: usize,
}

struct UnderWay {
    previous: Option<EngineLogId>,
    last: Option<EngineLogId>,
    bytes: usize,
    due: Due,
}

/// What became of one append.
type Appended<R> = Result<StreamAppendResult<Types<R>>, RPCError<Types<R>>>;

/// That, and what is to follow it.
type Step<R, S> = Option<(Appended<R>, Option<Pipeline<S>>)>;

impl<S> Pipeline<S> {
    /// The next answer; the pipeline ends with the first that is not a success.
    async fn next<R>(mut self) -> Step<R, S>
    where
        R: Send + Sync + 'static,
        S: Stream<Item = AppendEntriesRequest<Types<R>>> + Unpin,
    {
        loop {
            let has_room = self.under_way.len() < PIPELINE_REQUESTS && self.bytes < PIPELINE_BYTES;
            tokio::select! {
                biased;
                answer = first_answer(&mut self.under_way), if !self.under_way.is_empty() => {
                    let done = self.under_way.pop_front()?;
                    self.bytes -= done.bytes;
                    let result = append_result(self.target, &done, answer);
                    let goes_on = matches!(result, Ok(Ok(_)));
                    return Some((result, goes_on.then_some(self)));
                }
                request = self.input.next(), if has_room && !self.input_ended => match request {
                    Some(request) => self.send(&request).await,
                    None => self.input_ended = true,
                },
                else => return None,
            }
        }
    }

    async fn send<R: Send + Sync + 'static>(&mut self, request: &AppendEntriesRequest<Types<R>>) {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let frame = wire::encode_append(request);
        let bytes = frame.len();
        let due = self.link.send(frame, false).await;
        self.bytes += bytes;
        self.under_way.push_back(UnderWay { previous, last, bytes, due });
    }
}

async fn first_answer(under_way: &mut VecDeque<UnderWay>) -> Result<Bytes, CallError> {
    match under_way.front_mut() {
        Some(first) => first.due.get().await,
        None => pending().await,
    }
}

fn append_result<R: Send + Sync + 'static>(
    target: ServerId,
    request: &UnderWay,
    answer: Result<Bytes, CallError>,
) -> Appended<R> {
    let answer = answer.map_err(|error| failed::<R>(target, error))?;
    match wire::decode_append_answer::<R>(answer).map_err(garbled::<R>)? {
        AppendEntriesResponse::Success => Ok(Ok(request.last)),
        AppendEntriesResponse::PartialSuccess(last) => Ok(Ok(last)),
        AppendEntriesResponse::HigherVote(vote) => Ok(Err(StreamAppendError::HigherVote(vote))),
        AppendEntriesResponse::Conflict => match request.previous {
            Some(previous) => Ok(Err(StreamAppendError::Conflict(previous))),
            None => Err(garbled(format!("server {target}: a conflict before the first entry"))),
        },
    }
}
