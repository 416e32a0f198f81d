//! Nodes that come and go, ourselves among them (`docs/spec/gossip.md` §12).

use super::broadcasts::{Lane, Ticket};
use super::members::{LeaveIntent, Verdict};
use super::message::{self, Join, Kind, Leave};
use super::{Events, Phase};
use crate::core::Effect;
use crate::log::Log;
use crate::membership::Time;

impl Events {
    /// Says that we are here, in a pool we have just joined.
    pub(crate) fn announce_join(&mut self, now: Time) {
        let join = Join { ltime: self.clocks.member.time(), node: self.name.clone() };
        self.handle_join(&join, now);
        self.broadcasts.push(Lane::Intents, message::encode(Kind::Join, &join), self.members.len());
        self.watch_clock(now);
    }

    /// Begins to leave. The ticket comes back when the others were told; `None`: there are no others.
    pub(crate) fn begin_leave(&mut self, now: Time) -> Option<Ticket> {
        self.phase = Phase::Leaving;
        if let Some(recorder) = &mut self.recorder {
            let record = recorder.leave();
            self.wish(Effect::Record(record));
        }
        let node = self.name.clone();
        self.say_leave(node, false, now)
    }

    /// Declares a node gone. The ticket comes back when the others were told; `None`: there are no others.
    pub(crate) fn force_leave(&mut self, node: String, prune: bool, now: Time) -> Option<Ticket> {
        self.say_leave(node, prune, now)
    }

    fn say_leave(&mut self, node: String, prune: bool, now: Time) -> Option<Ticket> {
        let leave = Leave { ltime: self.clocks.member.time(), node, prune };
        self.clocks.member.increment();
        self.handle_leave(&leave, now);
        self.watch_clock(now);
        if !self.members.has_others_alive(&self.name) {
            return None;
        }
        Some(self.broadcasts.push_with_ticket(message::encode(Kind::Leave, &leave)))
    }

    /// A leave intent came in; whether to pass it on.
    pub(super) fn take_leave(&mut self, body: &[u8], now: Time) -> bool {
        match message::decode(body) {
            Ok(leave) => self.handle_leave(&leave, now),
            Err(error) => unreadable(self.log, "leave message", &error),
        }
    }

    /// A join intent came in; whether to pass it on.
    pub(super) fn take_join(&mut self, body: &[u8], now: Time) -> bool {
        match message::decode(body) {
            Ok(join) => self.handle_join(&join, now),
            Err(error) => unreadable(self.log, "join message", &error),
        }
    }

    pub(super) fn handle_leave(&mut self, leave: &Leave, now: Time) -> bool {
        self.clocks.member.witness(leave.ltime);
        let wrong = leave.node == self.name && self.phase == Phase::Alive;
        let intent = LeaveIntent { node: &leave.node, ltime: leave.ltime, prune: leave.prune, wrong };
        let verdict = self.members.leave_intent(intent, now);
        self.carry_out(verdict, now)
    }

    pub(super) fn handle_join(&mut self, join: &Join, now: Time) -> bool {
        self.clocks.member.witness(join.ltime);
        let verdict = self.members.join_intent(&join.node, join.ltime, now);
        self.carry_out(verdict, now)
    }

    fn carry_out(&mut self, verdict: Verdict, now: Time) -> bool {
        self.altered |= verdict.altered;
        self.tell_all(verdict.changes, now);
        if verdict.refute {
            self.log.debug(format_args!("serf: Refuting an older leave intent"));
            self.announce_join(now);
        }
        verdict.rebroadcast
    }
}

/// Says so in the log; there is nothing to pass on.
pub(super) fn unreadable(log: Log, what: &str, error: &wire::msgpack::Error) -> bool {
    log.error(format_args!("serf: Error decoding {what}: {error}"));
    false
}
