//! What clients did to keys and what they saw, in an order that is real time's.

use std::sync::Arc;

use parking_lot::Mutex;

/// What a client asked for. Values are numbers, and no two writes have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// To see the value.
    Read,
    /// To set the value.
    Set(u64),
    /// To set the value if it still is the one seen before.
    Cas {
        /// The value seen; none: there was no such key.
        expected: Option<u64>,
        /// The new one.
        new: u64,
    },
    /// To remove the key.
    Delete,
}

/// What it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The value it read.
    Saw(Option<u64>),
    /// It is done, or, for [`Action::Cas`], done or not.
    Wrote(bool),
    /// No answer, or one that leaves it open: done at any time after it was asked for, or never.
    Unknown,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// The client.
    pub client: usize,
    /// The key.
    pub key: usize,
    /// What was asked for.
    pub action: Action,
    /// What it was answered.
    pub outcome: Outcome,
    /// Its place among all requests and answers.
    pub asked: u64,
    /// The same of the answer; [`u64::MAX`] if there was none.
    pub answered: u64,
}

/// A record of requests; clones are the same one.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    now: u64,
    last_value: u64,
    ops: Vec<Op>,
    /// Requests that had no effect.
    withdrawn: u64,
}

impl History {
    /// A value that nobody has written.
    pub fn fresh_value(&self) -> u64 {
        let record = &mut *self.0.lock();
        record.last_value += 1;
        record.last_value
    }

    /// Notes a request, before it is made.
    pub fn ask(&self, client: usize, key: usize, action: Action) -> Op {
        let record = &mut *self.0.lock();
        record.now += 1;
        Op { client, key, action, outcome: Outcome::Unknown, asked: record.now, answered: u64::MAX }
    }

    /// Notes how it ended, at once when it did.
    pub fn answer(&self, op: Op, outcome: Outcome) {
        let record = &mut *self.0.lock();
        record.now += 1;
        let is_open = outcome == Outcome::Unknown;
        if is_open && op.action == Action::Read {
            record.withdrawn += 1;
            return;
        }
        let answered = if is_open { u64::MAX } else { record.now };
        record.ops.push(Op { outcome, answered, ..op });
    }

    /// Forgets a request that had no effect.
    pub fn withdraw(&self, _op: Op) {
        let record = &mut *self.0.lock();
        record.now += 1;
        record.withdrawn += 1;
    }

    /// All requests of a key, in the order they were made.
    pub fn of(&self, key: usize) -> Vec<Op> {
        let mut ops: Vec<Op> = self.0.lock().ops.iter().filter(|op| op.key == key).copied().collect();
        ops.sort_by_key(|op| op.asked);
        ops
    }

    /// How many requests were answered, and how many had no effect or no answer.
    pub fn counts(&self) -> (u64, u64) {
        let record = self.0.lock();
        let open = record.ops.iter().filter(|op| op.outcome == Outcome::Unknown).count() as u64;
        (record.ops.len() as u64 - open, open + record.withdrawn)
    }

    /// A number that two different histories do not share, all but certainly (FNV-1a).
    pub fn digest(&self) -> u64 {
        let text = format!("{:?}", self.0.lock().ops);
        text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
    }
}
