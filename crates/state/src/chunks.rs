//! Parts of a large command that have been applied but are not complete yet (`docs/spec/rpc-and-state.md` §5.3).
//!
//! They are state: a snapshot between two parts carries them (record 29), so that every server completes the command.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use types::command::RestoreChunk;

/// Complete data of one command.
pub(crate) struct Parts(Vec<Bytes>);

impl Parts {
    /// The parts' bytes one after the other, without joining them.
    pub(crate) fn reader(&self) -> PartsReader<'_> {
        PartsReader { parts: &self.0, offset: 0 }
    }
}

pub(crate) struct PartsReader<'a> {
    parts: &'a [Bytes],
    offset: usize,
}

impl Read for PartsReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some((first, rest)) = self.parts.split_first() {
            let left = &first[self.offset..];
            if left.is_empty() {
                (self.parts, self.offset) = (rest, 0);
                continue;
            }
            let n = left.len().min(out.len());
            out[..n].copy_from_slice(&left[..n]);
            self.offset += n;
            return Ok(n);
        }
        Ok(0)
    }
}

/// The incomplete commands. Our own log has at most one at a time: the first part of a new restore drops what an
/// abandoned one left behind, which bounds the memory. A reference's snapshot may hold more; they are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    by_id: Arc<BTreeMap<u64, Vec<Option<Chunk>>>>,
}

/// One part, as record 29 spells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Chunk {
    #[serde(with = "wire::msgpack::bytes")]
    data: Bytes,
    num_chunks: u32,
    op_num: u64,
    sequence_num: u32,
    term: u64,
}

/// Record 29.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ChunkState {
    chunk_map: BTreeMap<u64, Vec<Option<Chunk>>>,
}

impl From<ChunkState> for Chunks {
    fn from(state: ChunkState) -> Self {
        Chunks { by_id: Arc::new(state.chunk_map) }
    }
}

impl From<&Chunks> for ChunkState {
    fn from(chunks: &Chunks) -> Self {
        ChunkState { chunk_map: BTreeMap::clone(&chunks.by_id) }
    }
}

impl Chunks {
    /// Keeps a part; gives all of them back when it is the last. Parts come in order.
    pub(crate) fn accept(&mut self, part: RestoreChunk) -> Result<Option<Parts>, String> {
        if part.sequence >= part.chunks {
            return Err(format!("restore part {} of {} does not exist", part.sequence, part.chunks));
        }
        let by_id = Arc::make_mut(&mut self.by_id);
        if part.sequence == 0 {
            by_id.clear();
        }
        let have = by_id.entry(part.id).or_default();
        let fits = have.len() == part.sequence as usize && have.iter().flatten().all(|c| c.num_chunks == part.chunks);
        if !fits {
            by_id.remove(&part.id);
            return Err(format!("restore part {} of {} came without the parts before it", part.sequence, part.chunks));
        }
        have.push(Some(Chunk {
            data: part.data,
            num_chunks: part.chunks,
            op_num: part.id,
            sequence_num: part.sequence,
            term: 0,
        }));
        if have.len() < part.chunks as usize {
            return Ok(None);
        }
        let complete = by_id.remove(&part.id).unwrap_or_default();
        Ok(Some(Parts(complete.into_iter().flatten().map(|c| c.data).collect())))
    }
}
