//! Commands that end when the others were told, or when that took too long.

use std::collections::VecDeque;

use super::{CommandId, Outcome, SHUT_DOWN};
use crate::events::Ticket;
use crate::membership::Time;

#[derive(Debug)]
struct Removal {
    id: CommandId,
    ticket: Ticket,
    until: Time,
}

/// The commands and how long each waits at most.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    removals: Vec<Removal>,
    /// New tags; what they replace counts as sent, so they end in order.
    tags: VecDeque<(CommandId, Time)>,
}

impl Waiting {
    pub(super) fn for_removal(&mut self, id: CommandId, ticket: Ticket, until: Time) {
        self.removals.push(Removal { id, ticket, until });
    }

    pub(super) fn for_tags(&mut self, id: CommandId, until: Time) {
        self.tags.push_back((id, until));
    }

    /// An intent is out; the command that waited for it.
    pub(super) fn removal_sent(&mut self, ticket: Ticket) -> Option<CommandId> {
        let position = self.removals.iter().position(|removal| removal.ticket == ticket)?;
        Some(self.removals.swap_remove(position).id)
    }

    /// New tags are out; the command that waited for them.
    pub(super) fn tags_sent(&mut self) -> Option<CommandId> {
        self.tags.pop_front().map(|(id, _)| id)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let removals = self.removals.iter().map(|removal| removal.until);
        removals.chain(self.tags.iter().map(|(_, until)| *until)).min()
    }

    /// The commands that waited too long.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(CommandId, Outcome)> {
        let late = self.removals.extract_if(.., |removal| removal.until <= now);
        let late = late.map(|removal| (removal.id, "timed out broadcasting node removal"));
        let mut ended: Vec<(CommandId, Outcome)> =
            late.map(|(id, error)| (id, Outcome::Removed(Err(error.to_owned())))).collect();
        while let Some((id, _)) = self.tags.pop_front_if(|(_, until)| *until <= now) {
            ended.push((id, Outcome::Tagged(Err("timeout waiting for update broadcast".to_owned()))));
        }
        ended
    }

    /// The commands that will not end any more.
    pub(super) fn abandon(&mut self) -> Vec<(CommandId, Outcome)> {
        let removals = self.removals.drain(..).map(|removal| (removal.id, Outcome::Removed(Err(SHUT_DOWN.to_owned()))));
        let tags = self.tags.drain(..).map(|(id, _)| (id, Outcome::Tagged(Err(SHUT_DOWN.to_owned()))));
        removals.chain(tags).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_end_late_when_nobody_is_told() {
        let (soon, later) = (Time::from_secs(5), Time::from_secs(9));
        let mut waiting = Waiting::default();
        waiting.for_tags(CommandId(1), soon);
        waiting.for_tags(CommandId(2), later);
        assert_eq!(waiting.deadline(), Some(soon));
        assert!(waiting.expire(Time::from_secs(4)).is_empty());
        let late = Outcome::Tagged(Err("timeout waiting for update broadcast".to_owned()));
        assert_eq!(waiting.expire(soon), [(CommandId(1), late)]);
        assert_eq!(waiting.tags_sent(), Some(CommandId(2)));
        assert_eq!((waiting.tags_sent(), waiting.deadline()), (None, None));
    }
}
