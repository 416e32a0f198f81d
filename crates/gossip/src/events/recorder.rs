//! What goes into the snapshot file, and when (`docs/spec/gossip.md` §16).

use std::net::SocketAddr;
use std::time::Duration;

use crate::member::{Member, MemberEvent};
use crate::membership::Time;
use crate::snapshot::{Recovered, SnapshotRecord};

/// Longest time a change of the members' clock stays unrecorded.
const CLOCK_INTERVAL: Duration = Duration::from_millis(500);

/// Decides what to record. Clocks are recorded only when they moved on.
#[derive(Debug)]
pub(super) struct Recorder {
    clock: u64,
    event_clock: u64,
    query_clock: u64,
    clock_due: Option<Time>,
    left: bool,
}

impl Recorder {
    pub(super) fn new(recovered: &Recovered) -> Recorder {
        let &Recovered { clock, event_clock, query_clock, .. } = recovered;
        Recorder { clock, event_clock, query_clock, clock_due: None, left: false }
    }

    /// A member changed.
    pub(super) fn member(&mut self, kind: MemberEvent, member: &Member) -> Option<SnapshotRecord> {
        // A name with a line break would write lines of its own.
        if self.left || member.name.contains('\n') {
            return None;
        }
        let name = member.name.clone();
        match kind {
            MemberEvent::Joined => {
                Some(SnapshotRecord::Alive { name, address: SocketAddr::new(member.address, member.port) })
            }
            MemberEvent::Left | MemberEvent::Failed => Some(SnapshotRecord::NotAlive { name }),
            MemberEvent::Updated | MemberEvent::Reaped => None,
        }
    }

    /// A user event was delivered.
    pub(super) fn event(&mut self, ltime: u64) -> Option<SnapshotRecord> {
        if self.left || ltime <= self.event_clock {
            return None;
        }
        self.event_clock = ltime;
        Some(SnapshotRecord::EventClock(ltime))
    }

    /// A query was for us.
    pub(super) fn query(&mut self, ltime: u64) -> Option<SnapshotRecord> {
        if self.left || ltime <= self.query_clock {
            return None;
        }
        self.query_clock = ltime;
        Some(SnapshotRecord::QueryClock(ltime))
    }

    /// The members' clock, which shows `time`, may have moved.
    pub(super) fn watch_clock(&mut self, time: u64, now: Time) {
        if self.clock_due.is_none() && time.saturating_sub(1) > self.clock {
            self.clock_due = Some(now + CLOCK_INTERVAL);
        }
    }

    /// The members' clock, which shows `time`, if it is to be recorded now.
    pub(super) fn clock(&mut self, time: u64) -> Option<SnapshotRecord> {
        self.clock_due = None;
        let seen = time.saturating_sub(1);
        if seen <= self.clock {
            return None;
        }
        self.clock = seen;
        Some(SnapshotRecord::Clock(seen))
    }

    /// When [`Recorder::clock`] is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.clock_due
    }

    /// We leave: nothing that happens from now on is of use after a restart, clocks apart.
    pub(super) fn leave(&mut self) -> SnapshotRecord {
        self.left = true;
        SnapshotRecord::Leave
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Status;

    fn member(name: &str) -> Member {
        let address = [10, 0, 0, 1].into();
        Member { name: name.into(), address, port: 1, tags: Default::default(), status: Status::Alive, vsn: [0; 6] }
    }

    #[test]
    fn clocks_are_recorded_when_they_moved_on() {
        let mut recorder =
            Recorder::new(&Recovered { clock: 5, event_clock: 5, query_clock: 5, ..Recovered::default() });
        recorder.watch_clock(6, Time::ZERO);
        assert_eq!((recorder.deadline(), recorder.clock(6)), (None, None));
        recorder.watch_clock(8, Time::ZERO);
        recorder.watch_clock(9, CLOCK_INTERVAL / 2);
        assert_eq!(recorder.deadline(), Some(CLOCK_INTERVAL));
        assert_eq!(recorder.clock(9), Some(SnapshotRecord::Clock(8)));
        assert_eq!(recorder.deadline(), None);
        assert_eq!((recorder.event(5), recorder.event(7)), (None, Some(SnapshotRecord::EventClock(7))));
        assert_eq!((recorder.query(5), recorder.query(7)), (None, Some(SnapshotRecord::QueryClock(7))));
    }

    #[test]
    fn members_are_recorded_until_we_leave() {
        let mut recorder = Recorder::new(&Recovered::default());
        let address = "10.0.0.1:1".parse().unwrap();
        let alive = Some(SnapshotRecord::Alive { name: "a b".into(), address });
        assert_eq!(recorder.member(MemberEvent::Joined, &member("a b")), alive);
        let gone = Some(SnapshotRecord::NotAlive { name: "a".into() });
        assert_eq!(recorder.member(MemberEvent::Failed, &member("a")), gone);
        assert_eq!(recorder.member(MemberEvent::Updated, &member("a")), None);
        assert_eq!(recorder.member(MemberEvent::Joined, &member("a\nleave")), None);
        assert_eq!(recorder.leave(), SnapshotRecord::Leave);
        assert_eq!(recorder.member(MemberEvent::Left, &member("a")), None);
        assert_eq!(recorder.event(7), None);
        assert_eq!(recorder.clock(9), Some(SnapshotRecord::Clock(8)));
    }
}
