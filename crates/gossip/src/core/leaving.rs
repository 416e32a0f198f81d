//! Leaving the pool gracefully, step by step (`docs/spec/gossip.md` §12).

use super::{CommandId, Core, Outcome, Phase, SHUT_DOWN};
use crate::events::Ticket;
use crate::membership::Time;

/// How far leaving is; each step ends at its time at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The others are told that we are about to leave.
    Telling { ticket: Ticket },
    /// The membership layer says good-bye.
    Departing,
    /// The good-bye spreads.
    Lingering,
}

/// A departure under way.
#[derive(Debug)]
pub(super) struct Leaving {
    id: CommandId,
    step: Step,
    until: Time,
}

impl Leaving {
    pub(super) fn deadline(&self) -> Time {
        self.until
    }

    /// How its command ends when the pool shuts down meanwhile.
    pub(super) fn abandon(self) -> (CommandId, Outcome) {
        (self.id, Outcome::Left(Err(SHUT_DOWN.to_owned())))
    }
}

impl Core {
    pub(super) fn leave(&mut self, id: CommandId, now: Time) {
        let result = match self.events.phase() {
            Phase::Alive => return self.begin_leave(id, now),
            Phase::Left => Ok(()),
            Phase::Leaving => Err("Leave already in progress".to_owned()),
            Phase::Shutdown => Err("Leave called after Shutdown".to_owned()),
        };
        self.done(id, Outcome::Left(result));
    }

    fn begin_leave(&mut self, id: CommandId, now: Time) {
        match self.events.begin_leave(now) {
            Some(ticket) => {
                let until = now + self.profile.broadcast_timeout;
                self.leaving = Some(Leaving { id, step: Step::Telling { ticket }, until });
            }
            None => self.depart(id, now),
        }
    }

    fn depart(&mut self, id: CommandId, now: Time) {
        let until = now + self.profile.broadcast_timeout;
        self.leaving = Some(Leaving { id, step: Step::Departing, until });
        self.membership.leave(now, &mut self.events);
    }

    /// The membership layer's good-bye is out.
    pub(super) fn leave_sent(&mut self, now: Time) {
        let Some(leaving) = self.leaving.as_mut().filter(|leaving| leaving.step == Step::Departing) else { return };
        leaving.step = Step::Lingering;
        leaving.until = now + self.profile.leave_propagate_delay;
    }

    /// An intent of ours is out.
    pub(super) fn told(&mut self, ticket: Ticket, now: Time) {
        if let Some(id) = self.waiting.removal_sent(ticket) {
            self.done(id, Outcome::Removed(Ok(())));
        }
        if let Some(&Leaving { id, step, .. }) = self.leaving.as_ref()
            && step == (Step::Telling { ticket })
        {
            self.depart(id, now);
        }
    }

    /// Goes on with leaving when a step has taken its time.
    pub(super) fn advance_leave(&mut self, now: Time) {
        let Some(&Leaving { id, step, .. }) = self.leaving.as_ref().filter(|leaving| leaving.until <= now) else {
            return;
        };
        match step {
            Step::Telling { .. } => {
                self.logs.serf.warn(format_args!("serf: timeout while waiting for graceful leave"));
                self.depart(id, now);
            }
            Step::Departing => {
                self.logs.serf.warn(format_args!("serf: timeout waiting for leave broadcast"));
                self.leave_sent(now);
            }
            Step::Lingering => {
                self.leaving = None;
                self.events.set_phase(Phase::Left);
                self.done(id, Outcome::Left(Ok(())));
            }
        }
    }
}
