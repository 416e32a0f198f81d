//! What servers say to each other, as bodies of frames. Integers are little-endian; terms and indexes are ours.
//!
//! ```text
//! vote      term u64 | candidate [16] | committed u8
//! log id    0 u8, or 1 u8 | term u64 | index u64
//! append    vote | previous log id | committed log id | count u32 | entries
//! entry     kind u8 | term u64 | index u64 | length u32 | payload
//! ```

use std::collections::BTreeSet;

use bytes::{Buf, Bytes};
use openraft::EntryPayload;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};

use super::{
    Command, EngineEntry, EngineLogId, EngineVote, Types, from_engine_id, from_engine_membership, from_engine_vote,
    to_engine_id, to_engine_membership, to_engine_vote,
};
use crate::ServerId;
use crate::log::{LogId, Membership, Vote};
use crate::peer::frame::{self, Kind};

const ENTRY_NOOP: u8 = 1;
const ENTRY_COMMAND: u8 = 2;
const ENTRY_MEMBERSHIP: u8 = 3;

const APPEND_SUCCESS: u8 = 0;
const APPEND_PARTIAL: u8 = 1;
const APPEND_CONFLICT: u8 = 2;
const APPEND_HIGHER_VOTE: u8 = 3;

const TRANSFER_ACCEPTED: u8 = 0;
const TRANSFER_VOTE_CHANGED: u8 = 1;
const TRANSFER_NOT_FLUSHED: u8 = 2;

const VOTE_BYTES: usize = 8 + 16 + 1;
const LOG_ID_BYTES: usize = 1 + 8 + 8;
const ENTRY_HEAD_BYTES: usize = 1 + 8 + 8 + 4;

/// A request that was read.
pub(super) enum Request<R: Send + Sync + 'static> {
    Append(AppendEntriesRequest<Types<R>>),
    Vote(VoteRequest<Types<R>>),
    PreVote(VoteRequest<Types<R>>),
    Transfer(TransferLeaderRequest<Types<R>>),
}

impl<R: Send + Sync + 'static> Request<R> {
    pub(super) fn decode(kind: Kind, body: Bytes) -> Result<Request<R>, String> {
        let mut input = Input(body);
        Ok(match kind {
            Kind::Append => Request::Append(append(&mut input)?),
            Kind::Vote => Request::Vote(vote_request(&mut input)?),
            Kind::PreVote => Request::PreVote(vote_request(&mut input)?),
            Kind::Transfer => Request::Transfer(transfer(&mut input)?),
            other => return Err(format!("unexpected {other:?} among requests")),
        })
    }
}

/// An append as a frame. Commands are copied once, into it.
pub(super) fn encode_append<R: Send + Sync + 'static>(request: &AppendEntriesRequest<Types<R>>) -> Vec<u8> {
    let commands: usize = request.entries.iter().map(|entry| ENTRY_HEAD_BYTES + command_len(entry)).sum();
    let mut out = frame::begin(Kind::Append, VOTE_BYTES + 2 * LOG_ID_BYTES + 4 + commands);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.prev_log_id.as_ref());
    put_log_id(&mut out, request.leader_commit.as_ref());
    put_u32(&mut out, request.entries.len());
    request.entries.iter().for_each(|entry| put_entry(&mut out, entry));
    out
}

fn command_len(entry: &EngineEntry) -> usize {
    if let EntryPayload::Normal(Command(command)) = &entry.payload { command.len() } else { 0 }
}

fn put_entry(out: &mut Vec<u8>, entry: &EngineEntry) {
    let LogId { term, index } = from_engine_id(&entry.log_id);
    let kind = match &entry.payload {
        EntryPayload::Blank => ENTRY_NOOP,
        EntryPayload::Normal(_) => ENTRY_COMMAND,
        EntryPayload::Membership(_) => ENTRY_MEMBERSHIP,
    };
    out.push(kind);
    put_u64(out, term);
    put_u64(out, index);
    match &entry.payload {
        EntryPayload::Blank => put_u32(out, 0),
        EntryPayload::Normal(Command(command)) => {
            put_u32(out, command.len());
            out.extend_from_slice(command);
        }
        EntryPayload::Membership(membership) => put_membership(out, &from_engine_membership(membership)),
    }
}

fn append<R: Send + Sync + 'static>(input: &mut Input) -> Result<AppendEntriesRequest<Types<R>>, String> {
    let vote = input.vote()?;
    let previous = input.log_id()?;
    let leader_commit = input.log_id()?;
    let count = input.u32()?;
    let mut entries = Vec::new();
    // The engine relies on this order; a peer that breaks it must not break us.
    let mut last = previous.unwrap_or(LogId { term: 0, index: 0 });
    for _ in 0..count {
        let entry = input.entry()?;
        let id = from_engine_id(&entry.log_id);
        if last.index.checked_add(1) != Some(id.index) || id.term < last.term || id.term > vote.term {
            return Err(format!("entry {id:?} after {last:?} under a vote of term {}", vote.term));
        }
        last = id;
        entries.push(entry);
    }
    Ok(AppendEntriesRequest {
        vote: to_engine_vote(&vote),
        prev_log_id: previous.map(to_engine_id),
        entries,
        leader_commit: leader_commit.map(to_engine_id),
    })
}

pub(super) fn encode_append_answer<R: Send + Sync + 'static>(answer: &AppendEntriesResponse<Types<R>>) -> Vec<u8> {
    let mut out = frame::begin(Kind::Answer, 1 + VOTE_BYTES);
    match answer {
        AppendEntriesResponse::Success => out.push(APPEND_SUCCESS),
        AppendEntriesResponse::PartialSuccess(last) => {
            out.push(APPEND_PARTIAL);
            put_log_id(&mut out, last.as_ref());
        }
        AppendEntriesResponse::Conflict => out.push(APPEND_CONFLICT),
        AppendEntriesResponse::HigherVote(vote) => {
            out.push(APPEND_HIGHER_VOTE);
            put_vote(&mut out, vote);
        }
    }
    out
}

pub(super) fn decode_append_answer<R>(body: Bytes) -> Result<AppendEntriesResponse<Types<R>>, String>
where
    R: Send + Sync + 'static,
{
    let mut input = Input(body);
    Ok(match input.u8()? {
        APPEND_SUCCESS => AppendEntriesResponse::Success,
        APPEND_PARTIAL => AppendEntriesResponse::PartialSuccess(input.engine_log_id()?),
        APPEND_CONFLICT => AppendEntriesResponse::Conflict,
        APPEND_HIGHER_VOTE => AppendEntriesResponse::HigherVote(input.engine_vote()?),
        other => return Err(format!("unknown answer {other} to an append")),
    })
}

pub(super) fn encode_vote<R: Send + Sync + 'static>(kind: Kind, request: &VoteRequest<Types<R>>) -> Vec<u8> {
    let mut out = frame::begin(kind, VOTE_BYTES + LOG_ID_BYTES + 1);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.last_log_id.as_ref());
    out.push(request.leadership_transfer.into());
    out
}

fn vote_request<R: Send + Sync + 'static>(input: &mut Input) -> Result<VoteRequest<Types<R>>, String> {
    let (vote, last_log_id) = (input.engine_vote()?, input.engine_log_id()?);
    Ok(VoteRequest { vote, last_log_id, leadership_transfer: input.flag()? })
}

pub(super) fn encode_vote_answer<R: Send + Sync + 'static>(answer: &VoteResponse<Types<R>>) -> Vec<u8> {
    let mut out = frame::begin(Kind::Answer, VOTE_BYTES + 1 + LOG_ID_BYTES);
    put_vote(&mut out, &answer.vote);
    out.push(answer.vote_granted.into());
    put_log_id(&mut out, answer.last_log_id.as_ref());
    out
}

pub(super) fn decode_vote_answer<R: Send + Sync + 'static>(body: Bytes) -> Result<VoteResponse<Types<R>>, String> {
    let mut input = Input(body);
    let (vote, vote_granted) = (input.engine_vote()?, input.flag()?);
    Ok(VoteResponse { vote, vote_granted, last_log_id: input.engine_log_id()? })
}

pub(super) fn encode_transfer<R: Send + Sync + 'static>(request: &TransferLeaderRequest<Types<R>>) -> Vec<u8> {
    let mut out = frame::begin(Kind::Transfer, VOTE_BYTES + 16 + LOG_ID_BYTES);
    put_vote(&mut out, request.from_leader());
    out.extend_from_slice(request.to_node_id().as_bytes());
    put_log_id(&mut out, request.last_log_id());
    out
}

fn transfer<R: Send + Sync + 'static>(input: &mut Input) -> Result<TransferLeaderRequest<Types<R>>, String> {
    let (from, to) = (input.engine_vote()?, input.server_id()?);
    Ok(TransferLeaderRequest::new(from, to, input.engine_log_id()?))
}

pub(super) fn encode_transfer_answer<R>(answer: &TransferLeaderResponse<Types<R>>) -> Vec<u8>
where
    R: Send + Sync + 'static,
{
    let mut out = frame::begin(Kind::Answer, 1 + 2 * VOTE_BYTES);
    match answer {
        Ok(()) => out.push(TRANSFER_ACCEPTED),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            out.push(TRANSFER_VOTE_CHANGED);
            put_vote(&mut out, expected);
            put_vote(&mut out, actual);
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            out.push(TRANSFER_NOT_FLUSHED);
            put_log_id(&mut out, expected.as_ref());
            put_log_id(&mut out, actual.as_ref());
        }
    }
    out
}

pub(super) fn decode_transfer_answer<R>(body: Bytes) -> Result<TransferLeaderResponse<Types<R>>, String>
where
    R: Send + Sync + 'static,
{
    let mut input = Input(body);
    Ok(match input.u8()? {
        TRANSFER_ACCEPTED => Ok(()),
        TRANSFER_VOTE_CHANGED => {
            let (expected, actual) = (input.engine_vote()?, input.engine_vote()?);
            Err(TransferLeaderError::VoteChanged { expected, actual })
        }
        TRANSFER_NOT_FLUSHED => {
            let (expected, actual) = (input.engine_log_id()?, input.engine_log_id()?);
            Err(TransferLeaderError::LogNotFlushed { expected, actual })
        }
        other => return Err(format!("unknown answer {other} to a transfer")),
    })
}

pub(super) fn put_vote(out: &mut Vec<u8>, vote: &EngineVote) {
    let Vote { term, candidate, committed } = from_engine_vote(vote);
    put_u64(out, term);
    out.extend_from_slice(candidate.as_bytes());
    out.push(committed.into());
}

fn put_log_id(out: &mut Vec<u8>, id: Option<&EngineLogId>) {
    put_own_log_id(out, id.map(from_engine_id));
}

pub(super) fn put_own_log_id(out: &mut Vec<u8>, id: Option<LogId>) {
    out.push(id.is_some().into());
    if let Some(LogId { term, index }) = id {
        put_u64(out, term);
        put_u64(out, index);
    }
}

pub(super) fn put_membership(out: &mut Vec<u8>, membership: &Membership) {
    let mut bytes = Vec::new();
    membership.encode_into(&mut bytes);
    put_u32(out, bytes.len());
    out.extend_from_slice(&bytes);
}

pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// For lengths, which the largest frame keeps far below the limit of the type.
fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u32).to_le_bytes());
}

/// Reads a body from its start; payloads share its memory.
pub(super) struct Input(pub(super) Bytes);

impl Input {
    fn need(&self, bytes: usize) -> Result<(), String> {
        let left = self.0.len();
        if left < bytes { Err(format!("message ends early: {bytes} bytes wanted, {left} left")) } else { Ok(()) }
    }

    fn u8(&mut self) -> Result<u8, String> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    fn flag(&mut self) -> Result<bool, String> {
        Ok(self.u8()? != 0)
    }

    fn u32(&mut self) -> Result<usize, String> {
        self.need(4)?;
        Ok(self.0.get_u32_le() as usize)
    }

    pub(super) fn u64(&mut self) -> Result<u64, String> {
        self.need(8)?;
        Ok(self.0.get_u64_le())
    }

    /// Bytes after their length.
    fn bytes(&mut self) -> Result<Bytes, String> {
        let length = self.u32()?;
        self.need(length)?;
        Ok(self.0.split_to(length))
    }

    fn server_id(&mut self) -> Result<ServerId, String> {
        self.need(16)?;
        let mut bytes = [0; 16];
        self.0.copy_to_slice(&mut bytes);
        Ok(ServerId::from_bytes(bytes))
    }

    fn vote(&mut self) -> Result<Vote, String> {
        Ok(Vote { term: self.u64()?, candidate: self.server_id()?, committed: self.flag()? })
    }

    pub(super) fn engine_vote(&mut self) -> Result<EngineVote, String> {
        self.vote().map(|vote| to_engine_vote(&vote))
    }

    pub(super) fn log_id(&mut self) -> Result<Option<LogId>, String> {
        if !self.flag()? {
            return Ok(None);
        }
        Ok(Some(LogId { term: self.u64()?, index: self.u64()? }))
    }

    fn engine_log_id(&mut self) -> Result<Option<EngineLogId>, String> {
        Ok(self.log_id()?.map(to_engine_id))
    }

    pub(super) fn membership(&mut self) -> Result<Membership, String> {
        let membership = Membership::from_bytes(&self.bytes()?)?;
        if membership.voters.is_empty() || membership.voters.iter().any(BTreeSet::is_empty) {
            return Err("a raft configuration without voters".to_owned());
        }
        Ok(membership)
    }

    fn entry(&mut self) -> Result<EngineEntry, String> {
        let kind = self.u8()?;
        let id = LogId { term: self.u64()?, index: self.u64()? };
        let payload = match kind {
            ENTRY_NOOP => {
                self.bytes()?;
                EntryPayload::Blank
            }
            ENTRY_COMMAND => EntryPayload::Normal(Command(self.bytes()?)),
            ENTRY_MEMBERSHIP => EntryPayload::Membership(to_engine_membership(&self.membership()?)?),
            other => return Err(format!("unknown kind of entry {other}")),
        };
        Ok(EngineEntry { log_id: to_engine_id(id), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineCommittedLeaderId, EngineMembership};

    type T = Types<()>;

    fn id(index: u64) -> EngineLogId {
        EngineLogId { leader_id: EngineCommittedLeaderId::new(3), index }
    }

    fn vote() -> EngineVote {
        EngineVote::new_committed(4, ServerId::from_bytes([5; 16]))
    }

    fn membership() -> EngineMembership {
        let [a, b] = [1, 2].map(|n| ServerId::from_bytes([n; 16]));
        let membership = Membership {
            voters: vec![[a].into(), [a, b].into()],
            servers: [(a, "10.0.0.1:8300".to_owned()), (b, "10.0.0.2:8300".to_owned())].into(),
        };
        to_engine_membership(&membership).unwrap()
    }

    fn request() -> AppendEntriesRequest<T> {
        let payloads = [
            EntryPayload::Blank,
            EntryPayload::Normal(Command(Bytes::from_static(b"command"))),
            EntryPayload::Normal(Command(Bytes::new())),
            EntryPayload::Membership(membership()),
        ];
        let entries = payloads.into_iter().zip(8..).map(|(payload, index)| EngineEntry { log_id: id(index), payload });
        AppendEntriesRequest {
            vote: vote(),
            prev_log_id: Some(id(7)),
            entries: entries.collect(),
            leader_commit: Some(id(6)),
        }
    }

    /// The body of a frame that was not sealed yet.
    fn body(frame: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&frame[frame.len() - frame::body_len(frame)..])
    }

    fn decode(kind: Kind, frame: &[u8]) -> Result<Request<()>, String> {
        Request::decode(kind, body(frame))
    }

    #[test]
    fn appends_survive_the_wire() {
        let request = request();
        let Ok(Request::Append(read)) = decode(Kind::Append, &encode_append(&request)) else { panic!("no append") };
        assert_eq!((read.vote, read.prev_log_id, read.leader_commit), (vote(), Some(id(7)), Some(id(6))));
        assert_eq!(read.entries, request.entries);
    }

    #[test]
    fn a_cut_append_is_refused() {
        let whole = body(&encode_append(&request()));
        for len in 0..whole.len() {
            assert!(Request::<()>::decode(Kind::Append, whole.slice(..len)).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn entries_out_of_order_are_refused() {
        let spoil: [fn(&mut AppendEntriesRequest<T>); 4] = [
            |request| request.prev_log_id = Some(id(6)),
            |request| request.entries[1].log_id.index = 20,
            |request| request.entries[2].log_id.leader_id = EngineCommittedLeaderId::new(2),
            |request| request.entries[3].log_id.leader_id = EngineCommittedLeaderId::new(5),
        ];
        for spoil in spoil {
            let mut request = request();
            spoil(&mut request);
            assert!(decode(Kind::Append, &encode_append(&request)).is_err());
        }
    }

    #[test]
    fn votes_and_transfers_survive_the_wire() {
        let request = VoteRequest::<T> { vote: vote(), last_log_id: None, leadership_transfer: true };
        for kind in [Kind::Vote, Kind::PreVote] {
            let (Ok(Request::Vote(read)) | Ok(Request::PreVote(read))) = decode(kind, &encode_vote(kind, &request))
            else {
                panic!("no vote")
            };
            assert_eq!(read, request);
        }
        let request = TransferLeaderRequest::<T>::new(vote(), ServerId::from_bytes([9; 16]), Some(id(3)));
        let Ok(Request::Transfer(read)) = decode(Kind::Transfer, &encode_transfer(&request)) else {
            panic!("no transfer")
        };
        assert_eq!(read, request);
    }

    #[test]
    fn answers_survive_the_wire() {
        let answers = [
            AppendEntriesResponse::<T>::Success,
            AppendEntriesResponse::PartialSuccess(Some(id(4))),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(vote()),
        ];
        for answer in answers {
            assert_eq!(decode_append_answer(body(&encode_append_answer(&answer))), Ok(answer));
        }
        for granted in [true, false] {
            let answer = VoteResponse::<T>::new(vote(), Some(id(2)), granted);
            assert_eq!(decode_vote_answer(body(&encode_vote_answer(&answer))), Ok(answer));
        }
        let answers: [TransferLeaderResponse<T>; 3] = [
            Ok(()),
            Err(TransferLeaderError::VoteChanged { expected: vote(), actual: vote() }),
            Err(TransferLeaderError::LogNotFlushed { expected: Some(id(1)), actual: None }),
        ];
        for answer in answers {
            assert_eq!(decode_transfer_answer(body(&encode_transfer_answer(&answer))), Ok(answer));
        }
    }
}
