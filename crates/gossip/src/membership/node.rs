use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Time;

/// A node as the membership layer knows it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its name, which is its identity; upper and lower case differ.
    pub(crate) name: Arc<str>,
    /// Where it says it is reached.
    pub(crate) address: SocketAddr,
    /// What it says about itself, as it encoded it; at most 512 bytes.
    pub(crate) meta: Bytes,
    /// Protocol versions: lowest, highest and spoken, of the membership layer, then of the event layer.
    pub(crate) vsn: [u8; 6],
    /// What we believe of it.
    pub(crate) state: NodeState,
    /// The incarnation that belief is about.
    pub(crate) incarnation: u32,
    /// Since when it is in this state.
    pub(crate) changed: Time,
}

impl Node {
    /// The highest version of the membership protocol it understands.
    pub(crate) fn newest_protocol(&self) -> u8 {
        let [_, newest, ..] = self.vsn;
        newest
    }
}

/// What is believed of a node; the numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// It answers.
    Alive = 0,
    /// It did not answer someone and has not said otherwise yet.
    Suspect = 1,
    /// It was suspected for too long.
    Dead = 2,
    /// It said it leaves.
    Left = 3,
}

impl NodeState {
    /// Neither alive nor suspected.
    pub(crate) fn is_gone(self) -> bool {
        matches!(self, NodeState::Dead | NodeState::Left)
    }
}

/// A node someone claims to exist, to be admitted or not (`docs/spec/gossip.md` §18.4).
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its address.
    pub(crate) address: IpAddr,
    /// Its metadata, as it encoded it; at most 512 bytes.
    pub(crate) meta: Bytes,
    /// Whether it is said to have left.
    pub(crate) left: bool,
}

/// The layer above. It must not call back: what it wants done it notes in its own outbox.
pub(crate) trait Upper {
    /// Whether these nodes may be members; `join` when they are all the nodes of a pool being joined, else it is one
    /// node. The error aborts the whole join, or drops that node's message.
    fn admit(&mut self, candidates: &[Candidate], join: bool) -> Result<(), String>;
    /// A node is alive that was unknown, dead or left; our own too.
    fn joined(&mut self, node: &Node, now: Time);
    /// A node is dead or left.
    fn left(&mut self, node: &Node, now: Time);
    /// A node's metadata changed.
    fn updated(&mut self, node: &Node, now: Time);
    /// Another address claims a node's name.
    fn conflict(&mut self, known: &Node, claimed: SocketAddr, now: Time);
    /// A message of the upper layer, without the membership layer's type byte.
    fn user_message(&mut self, message: &[u8], now: Time);
    /// The upper layer's part of a full exchange of state.
    fn local_state(&mut self, join: bool) -> Vec<u8>;
    /// The same of another node.
    fn merge_remote_state(&mut self, state: &[u8], join: bool, now: Time);
    /// Messages to send along with others: at most `limit` bytes, where each costs its length and `overhead`, which
    /// counts the type byte that is put in front of it. `nodes` is how many nodes the membership layer knows.
    fn broadcasts(&mut self, overhead: usize, limit: usize, nodes: usize) -> Vec<Bytes>;
    /// What to send with the answer to a probe.
    fn ack_payload(&mut self) -> Vec<u8>;
    /// A direct probe was answered in time, after `rtt`, with this payload.
    fn ping_completed(&mut self, node: &Node, rtt: Duration, payload: &[u8]);
}
