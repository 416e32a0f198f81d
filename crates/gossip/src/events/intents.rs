//! What is known about the coming and going of nodes that are no members yet (`docs/spec/gossip.md` §12).

use std::collections::HashMap;
use std::time::Duration;

use crate::membership::Time;

/// Unknown nodes remembered at once; word of more is not kept.
const INTENTS_MAX: usize = 16_384;

/// What someone means to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Join,
    Leave,
}

#[derive(Debug)]
struct Remembered {
    intent: Intent,
    ltime: u64,
    at: Time,
}

/// The newest intent of each unknown node.
#[derive(Debug, Default)]
pub(super) struct Intents {
    by_name: HashMap<String, Remembered>,
}

impl Intents {
    /// Remembers an intent; false if a newer one is known, or if there is no room.
    pub(super) fn remember(&mut self, name: &str, intent: Intent, ltime: u64, now: Time) -> bool {
        if let Some(known) = self.by_name.get_mut(name) {
            if ltime <= known.ltime {
                return false;
            }
            *known = Remembered { intent, ltime, at: now };
            return true;
        }
        if self.by_name.len() >= INTENTS_MAX {
            return false;
        }
        self.by_name.insert(name.to_owned(), Remembered { intent, ltime, at: now });
        true
    }

    /// What a node that appears now meant to do, and when.
    pub(super) fn of(&self, name: &str) -> Option<(Intent, u64)> {
        self.by_name.get(name).map(|known| (known.intent, known.ltime))
    }

    /// Forgets those older than `timeout`.
    pub(super) fn expire(&mut self, now: Time, timeout: Duration) {
        self.by_name.retain(|_, known| now.saturating_sub(known.at) <= timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_intent_counts_until_it_expires() {
        let second = Duration::from_secs(1);
        let mut intents = Intents::default();
        assert!(intents.remember("a", Intent::Leave, 5, second));
        assert!(!intents.remember("a", Intent::Join, 5, second));
        assert!(intents.remember("a", Intent::Join, 6, 2 * second));
        assert_eq!(intents.of("a"), Some((Intent::Join, 6)));
        intents.expire(4 * second, 2 * second);
        assert_eq!(intents.of("a"), Some((Intent::Join, 6)));
        intents.expire(5 * second, 2 * second);
        assert_eq!(intents.of("a"), None);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut intents = Intents::default();
        let known = (0..INTENTS_MAX + 10).filter(|n| intents.remember(&n.to_string(), Intent::Join, 1, Time::ZERO));
        assert_eq!(known.count(), INTENTS_MAX);
        assert!(intents.remember("0", Intent::Leave, 2, Time::ZERO));
    }
}
