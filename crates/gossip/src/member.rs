//! What a pool tells about its members, and what those who use it are told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

/// Versions a node understands and speaks: `[pmin, pmax, pcur, dmin, dmax, dcur]` (`docs/spec/gossip.md` §1).
pub(crate) type Versions = [u8; 6];

/// A node of the pool, as far as this one knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name; unique within the pool, compared case-sensitively.
    pub name: String,
    /// Address it is reached at.
    pub address: IpAddr,
    /// Port of its gossip, TCP and UDP.
    pub port: u16,
    /// What it says about itself.
    pub tags: BTreeMap<String, String>,
    /// How it is.
    pub status: Status,
    /// Versions of both layers.
    pub vsn: Versions,
}

/// How a member is; the numbers are those of the wire and of the HTTP API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Not a member.
    #[default]
    None = 0,
    /// Taking part.
    Alive = 1,
    /// Said that it is about to go.
    Leaving = 2,
    /// Went after saying so, or was declared gone by an operator.
    Left = 3,
    /// Went without a word.
    Failed = 4,
}

impl Status {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::None => "none",
            Status::Alive => "alive",
            Status::Leaving => "leaving",
            Status::Left => "left",
            Status::Failed => "failed",
        }
    }
}

/// Something that happened in the pool. Events of one pool keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member changed.
    Member {
        /// How.
        kind: MemberEvent,
        /// What it is after the change.
        member: Arc<Member>,
    },
    /// Someone fired an event.
    User {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Bytes,
        /// Lamport time of its firing.
        ltime: u64,
        /// Whether the latest of several may stand for all.
        coalesce: bool,
    },
    /// So many events were not delivered, because whoever listens did not keep up.
    Lagged(u64),
}

/// How a member changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberEvent {
    /// It is alive, for the first time or again.
    Joined,
    /// It left gracefully, or was declared gone.
    Left,
    /// It stopped answering.
    Failed,
    /// Its tags or its address changed.
    Updated,
    /// It was forgotten.
    Reaped,
}

impl MemberEvent {
    /// The reference's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberEvent::Joined => "member-join",
            MemberEvent::Left => "member-leave",
            MemberEvent::Failed => "member-failed",
            MemberEvent::Updated => "member-update",
            MemberEvent::Reaped => "member-reap",
        }
    }
}

/// Who may become a member (`docs/spec/gossip.md` §18.4).
pub trait Admission: Send + Sync {
    /// Judges members: all of a remote pool when it is joined (`join`), otherwise the one that announces itself. Those
    /// that have left carry [`Status::Left`].
    ///
    /// # Errors
    /// Why these may not be members, in words for the log and for whoever asked to join.
    fn admit(&self, candidates: &[Member], join: bool) -> Result<(), String>;
}
