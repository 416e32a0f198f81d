//! Membership, failure detection and events between agents, byte-compatible with the reference (`docs/spec/gossip.md`).
//!
//! Two layers in a core without I/O ([`Core`]): it is told what happened and what time it is, and says what is to be
//! done. `membership` is the lower layer: packets, probes, suspicions, dissemination, exchanges of full state. `events`
//! is the upper one, carried inside the lower one's messages: who joined, left and failed, user events, queries, keys.
//!
//! [`Gossip`] is a running pool for async code: it drives a core over a [`net::Network`] and keeps its files. The tests
//! drive the same core over a simulated network (`tests/simulation`).

#![forbid(unsafe_code)]

mod coordinate;
mod core;
mod driver;
mod events;
mod keyring;
mod log;
mod measures;
mod member;
mod membership;
mod queue;
mod random;
mod snapshot;
mod wire;

// `self`, because crates of these names exist as well.
pub use self::core::{
    Command, CommandId, Core, CoreSettings, Effect, Input, JoinTarget, KeyOperation, KeyReply, Outcome, QueryParams,
    QueryResult, SaveId,
};
pub use self::wire::{MAX_ENCRYPTED_STREAM_BYTES, StreamDecoder};
pub use driver::{Gossip, KeysError, Settings, StartError};
pub use keyring::{Keyring, KeyringError, SharedKeyring};
pub use member::{Admission, Event, Member, MemberEvent, Status};
pub use membership::{ExchangeId, Profile, StreamId, Time};
pub use snapshot::{Ledger, Recovered, SnapshotRecord};
