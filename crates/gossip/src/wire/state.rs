//! The bodies of stream requests that are more than one map (`docs/spec/gossip.md` §4).

use ::wire::msgpack;

use super::message::{NodeStateRecord, StateHeader, UserHeader, append};
use super::{Kind, WireError};

/// The full state of a node: what it believes of every node, and its upper layer's part.
#[derive(Debug, PartialEq)]
pub(crate) struct FullState<'a> {
    /// Whether it is sent to join.
    pub(crate) join: bool,
    /// What it believes, in its order.
    pub(crate) nodes: Vec<NodeStateRecord<'a>>,
    /// The upper layer's part; may be empty.
    pub(crate) user: &'a [u8],
}

/// A push/pull message of these node states and the upper layer's part.
pub(crate) fn write_state<'a>(
    join: bool,
    nodes: impl Iterator<Item = NodeStateRecord<'a>>,
    count: usize,
    user: &[u8],
) -> Vec<u8> {
    // A node of an agent takes about 300 bytes.
    let mut out = Vec::with_capacity(64 + 320 * count + user.len());
    out.push(Kind::PushPull as u8);
    append(&mut out, &StateHeader { join, nodes: count as i64, user_state_len: user.len() as i64 });
    for node in nodes.take(count) {
        append(&mut out, &node);
    }
    out.extend_from_slice(user);
    out
}

/// Nodes in one state: more than any pool has, few enough that a small message of empty ones cannot fill the memory.
const MAX_STATE_NODES: usize = 262_144;

/// Reads a push/pull message, without its type byte.
pub(crate) fn read_state(body: &[u8]) -> Result<FullState<'_>, WireError> {
    let (header, mut at) = msgpack::from_slice_prefix::<StateHeader>(body)?;
    let count = length(header.nodes)?;
    if count > MAX_STATE_NODES {
        return Err(WireError::Field(format!("{count} nodes are more than {MAX_STATE_NODES}")));
    }
    // Every node takes at least a byte.
    let mut nodes = Vec::with_capacity(count.min(body.len() / 64));
    for _ in 0..count {
        let (node, used) = msgpack::from_slice_prefix(body.get(at..).unwrap_or_default())?;
        nodes.push(node);
        at += used;
    }
    let user = body.get(at..).and_then(|rest| rest.get(..length(header.user_state_len).ok()?));
    Ok(FullState { join: header.join, nodes, user: user.ok_or(WireError::Truncated)? })
}

/// Reads a user message from a stream, without its type byte.
pub(crate) fn read_user_message(body: &[u8]) -> Result<&[u8], WireError> {
    let (header, at) = msgpack::from_slice_prefix::<UserHeader>(body)?;
    let message = body.get(at..).unwrap_or_default();
    message.get(..length(header.user_msg_len)?).ok_or(WireError::Truncated)
}

/// A length as it stands on the wire.
pub(super) fn length(number: i64) -> Result<usize, WireError> {
    usize::try_from(number).map_err(|_| WireError::Field(format!("{number} is no length")))
}
