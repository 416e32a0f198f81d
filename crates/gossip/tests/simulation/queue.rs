//! What is going to happen in the world, and when.

use std::cmp::Ordering;
use std::net::SocketAddr;

use bytes::Bytes;
use gossip::{ExchangeId, Input, Time};

/// Who waits for the end of an exchange.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) node: usize,
    pub(crate) life: u32,
    pub(crate) exchange: ExchangeId,
}

pub(crate) struct Scheduled {
    pub(crate) at: Time,
    pub(crate) number: u64,
    pub(crate) action: Action,
}

pub(crate) enum Action {
    Timer { node: usize, life: u32 },
    Packet { from: usize, sender: SocketAddr, to: SocketAddr, data: Bytes },
    Request { origin: Origin, sender: SocketAddr, to: SocketAddr, frame: Bytes, wants_reply: bool },
    Reply { origin: Origin, reply: Result<Bytes, String> },
    Input { node: usize, life: u32, input: Input },
    Pause { node: usize, life: u32 },
    Wake { node: usize, life: u32 },
}

/// The earliest is the greatest, as the heap wants it.
impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}
