//! State that is exchanged when two nodes compare all they know (`docs/spec/gossip.md` §11.3).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Events;
use super::coming::unreadable;
use super::message::{self, EventsAt, Join, Kind, Leave, PushPull, UserEvent};
use super::user::SeenEvent;
use crate::member::Status;
use crate::membership::Time;

impl Events {
    /// What we know.
    pub(super) fn state(&self) -> Vec<u8> {
        let left = self.members.records().filter(|(_, record)| record.member.status == Status::Left);
        let events = self.events_seen.slots().map(|slot| {
            let slot = slot?;
            let events = slot.items.iter().map(SeenEvent::to_message).collect();
            Some(EventsAt { events, ltime: slot.ltime })
        });
        let state = PushPull {
            event_ltime: self.clocks.event.time(),
            events: events.collect(),
            ltime: self.clocks.member.time(),
            left_members: left.map(|(name, _)| name.clone()).collect(),
            query_ltime: self.clocks.query.time(),
            status_ltimes: self.members.records().map(|(name, record)| (name.clone(), record.status_ltime)).collect(),
        };
        message::encode(Kind::PushPull, &state)
    }

    /// Takes in what another node knows. Nothing of it is passed on: others compare with it too.
    pub(super) fn merge_state(&mut self, state: &[u8], join: bool, now: Time) {
        let Some((Kind::PushPull, body)) = message::split(state) else {
            self.log.error(format_args!("serf: Remote state has bad type prefix"));
            return;
        };
        let state: PushPull = match message::decode(body) {
            Ok(state) => state,
            Err(error) => {
                unreadable(self.log, "remote state", &error);
                return;
            }
        };
        let clocks = &mut self.clocks;
        let seen = [
            (&mut clocks.member, state.ltime),
            (&mut clocks.event, state.event_ltime),
            (&mut clocks.query, state.query_ltime),
        ];
        for (clock, shown) in seen {
            if let Some(seen) = shown.checked_sub(1) {
                clock.witness(seen);
            }
        }
        let left: BTreeSet<Arc<str>> = state.left_members.into_iter().collect();
        for name in &left {
            // The time of leaving is not told, but it was after the time that is.
            let ltime = state.status_ltimes.get(name).copied().unwrap_or_default().saturating_add(1);
            self.handle_leave(&Leave { ltime, node: name.to_string(), prune: false }, now);
        }
        for (name, ltime) in state.status_ltimes {
            if !left.contains(&name) {
                self.handle_join(&Join { ltime, node: name.to_string() }, now);
            }
        }
        if join && self.ignoring_old {
            self.events_seen.raise_floor(state.event_ltime);
        }
        for EventsAt { events, ltime } in state.events.into_iter().flatten() {
            for event in events {
                let event = UserEvent { coalesce: false, ltime, name: event.name, payload: event.payload };
                self.handle_user_event(event);
            }
        }
    }
}
