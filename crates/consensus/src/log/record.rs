//! Log entries in memory and on disk.
//!
//! A stored record is `checksum u64 | kind u8 | term u64 | payload`, integers little-endian. The checksum is XXH3-64 of
//! everything after it, seeded with the index, so that a record under a wrong index is noticed as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::ServerId;

/// Position of an entry. Both count from 1, so the first entry of a cluster is term 1, index 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogId {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

/// A Raft configuration: the voter sets (two while a change is under way) and every server's address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Membership {
    pub(crate) voters: Vec<BTreeSet<ServerId>>,
    pub(crate) servers: BTreeMap<ServerId, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Noop,
    Command(Bytes),
    Membership(Arc<Membership>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: LogId,
    pub(crate) body: Body,
}

/// Who this server voted for, and whether that server is known to have won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) term: u64,
    pub(crate) candidate: ServerId,
    pub(crate) committed: bool,
}

const KIND_NOOP: u8 = 1;
const KIND_COMMAND: u8 = 2;
const KIND_MEMBERSHIP: u8 = 3;

const CHECKSUM_BYTES: usize = 8;
const HEADER_BYTES: usize = CHECKSUM_BYTES + 1 + 8;
const ID_BYTES: usize = 16;

impl Record {
    /// Bytes this record weighs in memory and about weighs on disk.
    pub(crate) fn weight(&self) -> usize {
        HEADER_BYTES + if let Body::Command(command) = &self.body { command.len() } else { 0 }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.weight());
        out.extend_from_slice(&[0; CHECKSUM_BYTES]);
        let (kind, payload): (u8, &[u8]) = match &self.body {
            Body::Noop => (KIND_NOOP, &[]),
            Body::Command(command) => (KIND_COMMAND, command),
            Body::Membership(_) => (KIND_MEMBERSHIP, &[]),
        };
        out.push(kind);
        out.extend_from_slice(&self.id.term.to_le_bytes());
        out.extend_from_slice(payload);
        if let Body::Membership(membership) = &self.body {
            membership.encode_into(&mut out);
        }
        seal(self.id.index, &mut out);
        out
    }

    pub(crate) fn decode(index: u64, stored: &[u8]) -> Result<Record, String> {
        let mut input = Input(unseal(index, stored)?);
        let kind = input.u8()?;
        let id = LogId { term: input.u64()?, index };
        let body = match kind {
            KIND_NOOP => Body::Noop,
            KIND_COMMAND => Body::Command(Bytes::copy_from_slice(input.0)),
            KIND_MEMBERSHIP => Body::Membership(Arc::new(Membership::decode(&mut input)?)),
            other => return Err(format!("unknown record kind {other}")),
        };
        Ok(Record { id, body })
    }
}

impl Membership {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Membership, String> {
        Membership::decode(&mut Input(bytes))
    }

    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        put_len(out, self.voters.len());
        for set in &self.voters {
            put_len(out, set.len());
            set.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
        }
        put_len(out, self.servers.len());
        for (id, address) in &self.servers {
            out.extend_from_slice(id.as_bytes());
            put_len(out, address.len());
            out.extend_from_slice(address.as_bytes());
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Membership, String> {
        let mut membership = Membership::default();
        for _ in 0..input.len()? {
            let mut set = BTreeSet::new();
            for _ in 0..input.len()? {
                set.insert(input.server_id()?);
            }
            membership.voters.push(set);
        }
        for _ in 0..input.len()? {
            let id = input.server_id()?;
            let len = input.len()?;
            let address = std::str::from_utf8(input.take(len)?).map_err(|e| e.to_string())?;
            membership.servers.insert(id, address.to_owned());
        }
        Ok(membership)
    }
}

/// Seeds of the checksums of values that are not log entries; no index reaches them.
const SEED_VOTE: u64 = u64::MAX;
const SEED_LOG_ID: u64 = u64::MAX - 1;

impl Vote {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; CHECKSUM_BYTES];
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(self.candidate.as_bytes());
        out.push(self.committed.into());
        seal(SEED_VOTE, &mut out);
        out
    }

    pub(crate) fn decode(stored: &[u8]) -> Result<Vote, String> {
        let mut input = Input(unseal(SEED_VOTE, stored)?);
        Ok(Vote { term: input.u64()?, candidate: input.server_id()?, committed: input.u8()? != 0 })
    }
}

impl LogId {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; CHECKSUM_BYTES];
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        seal(SEED_LOG_ID, &mut out);
        out
    }

    pub(crate) fn decode(stored: &[u8]) -> Result<LogId, String> {
        let mut input = Input(unseal(SEED_LOG_ID, stored)?);
        Ok(LogId { term: input.u64()?, index: input.u64()? })
    }
}

/// Writes the checksum into the first bytes of `out`, which the caller left free.
fn seal(seed: u64, out: &mut [u8]) {
    let (checksum, rest) = out.split_at_mut(CHECKSUM_BYTES);
    checksum.copy_from_slice(&xxh3_64_with_seed(rest, seed).to_le_bytes());
}

fn unseal(seed: u64, stored: &[u8]) -> Result<&[u8], String> {
    let Some((checksum, rest)) = stored.split_first_chunk::<CHECKSUM_BYTES>() else {
        return Err(format!("record of {} bytes is too short", stored.len()));
    };
    let (expected, actual) = (u64::from_le_bytes(*checksum), xxh3_64_with_seed(rest, seed));
    if expected != actual {
        return Err(format!("checksum mismatch: stored {expected:016x}, computed {actual:016x}"));
    }
    Ok(rest)
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u32).to_le_bytes());
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let Some((head, rest)) = self.0.split_at_checked(len) else {
            return Err(format!("record ends early: {len} bytes wanted, {} left", self.0.len()));
        };
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn len(&mut self) -> Result<usize, String> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn server_id(&mut self) -> Result<ServerId, String> {
        Ok(ServerId::from_bytes(self.array::<ID_BYTES>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership() -> Membership {
        let (a, b) = (ServerId::from_bytes([1; 16]), ServerId::from_bytes([2; 16]));
        Membership {
            voters: vec![BTreeSet::from([a]), BTreeSet::from([a, b])],
            servers: BTreeMap::from([(a, "10.0.0.1:8300".to_owned()), (b, String::new())]),
        }
    }

    fn bodies() -> [Body; 4] {
        [
            Body::Noop,
            Body::Command(Bytes::new()),
            Body::Command(Bytes::from_static(b"command")),
            Body::Membership(Arc::new(membership())),
        ]
    }

    #[test]
    fn records_survive_encoding() {
        for body in bodies() {
            let record = Record { id: LogId { term: 3, index: 9 }, body };
            assert_eq!(Record::decode(9, &record.encode()), Ok(record));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        for body in bodies() {
            let stored = Record { id: LogId { term: 3, index: 9 }, body }.encode();
            for at in 0..stored.len() {
                let mut broken = stored.clone();
                broken[at] ^= 1;
                assert!(Record::decode(9, &broken).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn any_cut_is_noticed() {
        let stored = Record { id: LogId { term: 3, index: 9 }, body: bodies()[2].clone() }.encode();
        for len in 0..stored.len() {
            assert!(Record::decode(9, &stored[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_record_of_another_index_is_noticed() {
        let stored = Record { id: LogId { term: 3, index: 9 }, body: Body::Noop }.encode();
        assert!(Record::decode(10, &stored).is_err());
    }

    #[test]
    fn votes_and_log_ids_survive_encoding() {
        let vote = Vote { term: 7, candidate: ServerId::from_bytes([9; 16]), committed: true };
        assert_eq!(Vote::decode(&vote.encode()), Ok(vote));
        let id = LogId { term: 7, index: 1 << 40 };
        assert_eq!(LogId::decode(&id.encode()), Ok(id));
    }
}
