//! What the core is told, and what it wants done.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::member::Event;
use crate::membership::{ExchangeId, StreamId};
use crate::snapshot::SnapshotRecord;

/// A command, numbered by whoever gives it; its end names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// A keyring to be saved, numbered by the core; the answer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaveId(pub u64);

/// Something that happened outside the core.
#[derive(Debug)]
pub enum Input {
    /// Time passed: what is due may be done.
    Tick,
    /// A datagram came in.
    Packet {
        /// Where from.
        from: SocketAddr,
        /// All of it.
        data: Bytes,
    },
    /// Someone opened a stream and sent a whole frame.
    StreamRequest {
        /// Its number; [`Effect::StreamReply`] names it.
        id: StreamId,
        /// Who.
        from: SocketAddr,
        /// The frame.
        frame: Bytes,
    },
    /// A stream ended before its request was answered.
    StreamBroken {
        /// Which.
        id: StreamId,
    },
    /// A stream that [`Effect::Exchange`] asked for ended.
    ExchangeReply {
        /// Which.
        id: ExchangeId,
        /// The frame that came back, or why none did.
        reply: Result<Bytes, String>,
    },
    /// Do something; [`Effect::Done`] follows.
    Command {
        /// Its number.
        id: CommandId,
        /// What to do.
        command: Command,
    },
    /// [`Effect::SaveKeyring`] was carried out.
    KeyringSaved {
        /// Which.
        id: SaveId,
        /// Why it failed. Without a file to write it succeeds.
        result: Result<(), String>,
    },
}

/// Something the agent wants of the pool.
#[derive(Clone, Debug)]
pub enum Command {
    /// Join the pool of any of these nodes. All are tried.
    Join {
        /// Whom to contact, in this order; an error stands for an entry that names no place, and is listed with the
        /// others.
        targets: Vec<Result<JoinTarget, String>>,
        /// Whether user events fired before now are none of our business.
        ignore_old: bool,
    },
    /// Leave the pool gracefully.
    Leave,
    /// Declare a node gone.
    ForceLeave {
        /// Its name, as it spells it.
        node: String,
        /// Whether to forget it at once.
        prune: bool,
    },
    /// Fire an event.
    UserEvent {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Bytes,
        /// Whether the latest of several may stand for all.
        coalesce: bool,
    },
    /// Ask every node.
    Query(QueryParams),
    /// Say something else about ourselves.
    SetTags(BTreeMap<String, String>),
    /// Manage the encryption keys of all nodes.
    Keys {
        /// How.
        operation: KeyOperation,
        /// Through how many other nodes answers come a second time.
        relay_factor: u8,
    },
}

/// A node to contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinTarget {
    /// What it was resolved from.
    pub entry: String,
    /// Its name, if it has to have a certain one.
    pub node: Option<String>,
    /// Where it is.
    pub address: SocketAddr,
}

/// A question to all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryParams {
    /// Its name.
    pub name: String,
    /// What it carries.
    pub payload: Bytes,
    /// Names of the nodes that are to answer; empty: all.
    pub nodes: Vec<String>,
    /// Regular expressions by tag, all of which must match a node that is to answer.
    pub tags: BTreeMap<String, String>,
    /// Whether nodes are to acknowledge that they got it.
    pub request_ack: bool,
    /// Through how many other nodes answers come a second time.
    pub relay_factor: u8,
    /// How long answers are waited for; `None`: as long as a pool of this size needs.
    pub timeout: Option<Duration>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryResult {
    /// Nodes that got the question.
    pub acks: Vec<String>,
    /// Answers and who gave them, in the order they came.
    pub responses: Vec<(String, Bytes)>,
}

/// What to do with the encryption keys. Debug prints no key.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyOperation {
    /// Tell which there are.
    List,
    /// Add one.
    Install(Vec<u8>),
    /// Encrypt with this one from now on.
    Use(Vec<u8>),
    /// Forget one.
    Remove(Vec<u8>),
}

impl fmt::Debug for KeyOperation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            KeyOperation::List => "List",
            KeyOperation::Install(_) => "Install",
            KeyOperation::Use(_) => "Use",
            KeyOperation::Remove(_) => "Remove",
        })
    }
}

/// What all nodes said to a [`KeyOperation`]. Debug prints no key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyReply {
    /// Nodes that are there.
    pub nodes: usize,
    /// Nodes that answered.
    pub responses: usize,
    /// Nodes that failed.
    pub errors: usize,
    /// How many nodes have each key (base64).
    pub keys: BTreeMap<String, usize>,
    /// How many nodes encrypt with each key (base64).
    pub primary_keys: BTreeMap<String, usize>,
    /// What nodes had to say, by name.
    pub messages: BTreeMap<String, String>,
    /// Why the operation as a whole did not succeed.
    pub error: Option<String>,
}

impl fmt::Debug for KeyReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("KeyReply");
        shown.field("nodes", &self.nodes).field("responses", &self.responses).field("errors", &self.errors);
        shown.field("keys", &self.keys.len()).field("messages", &self.messages).field("error", &self.error).finish()
    }
}

/// Something the core wants done. It has no `Debug`: it may hold keys.
pub enum Effect {
    /// Send one datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// All of it.
        packet: Bytes,
    },
    /// Connect, write the frame, and read one frame in reply if one is wanted. Then [`Input::ExchangeReply`].
    Exchange {
        /// Its number.
        id: ExchangeId,
        /// Whom to connect to.
        to: SocketAddr,
        /// What to write.
        frame: Bytes,
        /// Whether a frame comes back.
        wants_reply: bool,
        /// For all of it: connecting, writing, reading.
        timeout: Duration,
    },
    /// Answer a stream request and close; without a frame, just close.
    StreamReply {
        /// Which request.
        id: StreamId,
        /// What to write.
        frame: Option<Bytes>,
    },
    /// Tell whoever listens.
    Event(Event),
    /// Append to the snapshot file.
    Record(SnapshotRecord),
    /// Write the keyring file, if there is one. Then [`Input::KeyringSaved`].
    SaveKeyring {
        /// Its number.
        id: SaveId,
        /// The keys, the primary one first.
        keys: Vec<Vec<u8>>,
    },
    /// A command ended.
    Done {
        /// Which.
        id: CommandId,
        /// How.
        outcome: Outcome,
    },
    /// [`Core::members`](super::Core::members) answers something else now. Comes before the events that say why.
    MembersChanged,
    /// The pool shut itself down: nothing more is sent or answered.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// How a command ended. Errors are in the words the operator gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// How many nodes were contacted.
    Joined(Result<usize, String>),
    /// Whether the pool was left.
    Left(Result<(), String>),
    /// Whether the others know that the node is gone.
    Removed(Result<(), String>),
    /// Lamport time of the event.
    Fired(Result<u64, String>),
    /// What came back.
    Queried(Result<QueryResult, String>),
    /// Whether the others know the new tags.
    Tagged(Result<(), String>),
    /// What all nodes said.
    Keys(KeyReply),
}
