//! After this process stood still: suspended, or on a machine that did not get to it.
//!
//! Answers and refutations that came meanwhile wait to be read, or were lost, while the time for them ran out. Whoever
//! wakes up must not accuse the others of that, so what runs gets the time back that it lost.

use super::{Membership, Time};

impl Membership {
    /// To be called before anything is done at this time. Rounds of gossip are always due within one interval, so one
    /// that is late tells for how long nothing was done.
    pub(super) fn wake_up(&mut self, now: Time) {
        let last = std::mem::replace(&mut self.awake, now);
        let Some(schedule) = self.schedule else { return };
        let pause = now.saturating_sub(last.max(schedule.gossip));
        if pause <= self.settings.profile.pause_threshold {
            return;
        }
        self.log.debug(format_args!("memberlist: nothing could be done for {pause:?}, waiting so much longer"));
        if let Some(probe) = &mut self.probing {
            probe.resume(pause, now);
        }
        self.roster.resume_suspicions(pause, now);
    }
}
