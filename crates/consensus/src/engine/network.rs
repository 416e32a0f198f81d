//! Remote procedure calls to other servers: there are none yet.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::{EngineCommittedLeaderId, EngineVote, Types};
use crate::ServerId;
use crate::snapshots::Stored;

type SnapshotOf = openraft::Snapshot<EngineCommittedLeaderId, ServerId, BasicNode, Stored>;

/// Makes clients that refuse every call with an error that says why.
pub(crate) struct NoPeers;

pub(crate) struct NoPeer {
    target: ServerId,
}

impl NoPeer {
    fn unreachable<R: Send + Sync + 'static>(&self) -> Unreachable<Types<R>> {
        let target = self.target;
        Unreachable::from_string(format!(
            "cannot reach server {target}: raft clusters of several servers are not supported yet"
        ))
    }
}

impl<R: Send + Sync + 'static> RaftNetworkFactory<Types<R>> for NoPeers {
    type Network = NoPeer;

    async fn new_client(&mut self, target: ServerId, _node: &BasicNode) -> NoPeer {
        NoPeer { target }
    }
}

impl<R: Send + Sync + 'static> RaftNetworkV2<Types<R>> for NoPeer {
    type SnapshotData = Stored;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types<R>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<R>>, RPCError<Types<R>>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types<R>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn pre_vote(
        &mut self,
        _rpc: VoteRequest<Types<R>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: EngineVote,
        _snapshot: SnapshotOf,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<R>>, StreamingError<Types<R>>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }
}
