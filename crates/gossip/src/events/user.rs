//! User events (`docs/spec/gossip.md` §13).

use bytes::Bytes;

use super::Events;
use super::broadcasts::Lane;
use super::coming::unreadable;
use super::message::{self, BareEvent, Kind, Raw, UserEvent};
use super::window::{Item, Verdict};
use crate::core::Effect;
use crate::member::Event;

/// Largest event that is sent, bytes.
const EVENT_MAX_BYTES: usize = 512;
/// Largest event that is taken from others, whose limits may be set higher, bytes.
const RECEIVED_MAX_BYTES: usize = 9 * 1024;
/// Memory of one remembered event, its name and payload apart, bytes.
const SEEN_OVERHEAD_BYTES: usize = 64;

/// An event that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenEvent {
    name: String,
    payload: Bytes,
}

impl SeenEvent {
    pub(super) fn to_message(&self) -> BareEvent {
        BareEvent { name: self.name.clone(), payload: Raw(self.payload.to_vec()) }
    }
}

impl Item for SeenEvent {
    fn size(&self) -> usize {
        self.name.len() + self.payload.len() + SEEN_OVERHEAD_BYTES
    }
}

impl Events {
    /// Fires an event; the number is its Lamport time.
    ///
    /// # Errors
    /// It is too large.
    pub(crate) fn user_event(&mut self, name: String, payload: Bytes, coalesce: bool) -> Result<u64, String> {
        if name.len() + payload.len() > EVENT_MAX_BYTES {
            return Err(format!("user event exceeds configured limit of {EVENT_MAX_BYTES} bytes before encoding"));
        }
        let ltime = self.clocks.event.time();
        let event = UserEvent { coalesce, ltime, name, payload: Raw(payload.to_vec()) };
        let message = message::encode(Kind::UserEvent, &event);
        if message.len() > EVENT_MAX_BYTES {
            return Err(format!(
                "encoded user event exceeds configured limit of {EVENT_MAX_BYTES} bytes after encoding"
            ));
        }
        self.clocks.event.increment();
        self.handle_user_event(event);
        self.broadcasts.push(Lane::Events, message, self.members.len());
        Ok(ltime)
    }

    /// An event came in; whether to pass it on.
    pub(super) fn take_user_event(&mut self, body: &[u8]) -> bool {
        match message::decode(body) {
            Ok(event) => self.handle_user_event(event),
            Err(error) => unreadable(self.log, "user event message", &error),
        }
    }

    pub(super) fn handle_user_event(&mut self, event: UserEvent) -> bool {
        let UserEvent { coalesce, ltime, name, payload } = event;
        self.clocks.event.witness(ltime);
        if name.len() + payload.0.len() > RECEIVED_MAX_BYTES {
            self.log
                .warn(format_args!("serf: received an event that is too large bytes={bytes}", bytes = payload.0.len()));
            return false;
        }
        let payload = Bytes::from(payload.0);
        let clock = self.clocks.event.time();
        let seen = SeenEvent { name: name.clone(), payload: payload.clone() };
        match self.events_seen.admit(ltime, clock, seen) {
            Verdict::New => {}
            Verdict::Known => return false,
            Verdict::Old => {
                self.log.warn(format_args!("serf: received old event {name} from time {ltime} (current: {clock})"));
                return false;
            }
            Verdict::Full => {
                self.log.warn(format_args!("serf: too many events, dropping {name} from time {ltime}"));
                return false;
            }
        }
        self.wish(Effect::Event(Event::User { name, payload, ltime, coalesce }));
        let record = self.recorder.as_mut().and_then(|recorder| recorder.event(ltime));
        if let Some(record) = record {
            self.wish(Effect::Record(record));
        }
        true
    }
}
