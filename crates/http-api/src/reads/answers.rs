//! Encoded answers, kept as long as nothing they show has changed.
//!
//! A service that ten thousand clients watch changes once and is put together and encoded once: who finds the answer of
//! its version here sends the same bytes, who does not waits for the one that is making it.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;

use bytes::Bytes;
use parking_lot::Mutex;
use types::Version;

use super::Key;
use super::lru::Lru;

/// Most answers kept.
const MOST_ANSWERS: usize = 4096;
/// Most bytes kept, all answers and their keys together.
const MOST_BYTES: usize = 64 << 20;
/// A larger answer is not kept: it would push out too much.
const LARGEST_ANSWER_BYTES: usize = MOST_BYTES / 4;
/// How many answers may be made at the same time. Two reads of different things may have to wait for each other.
const TURNS: usize = 64;

/// The answers of one door.
pub(crate) struct Answers {
    kept: Mutex<Kept>,
    turns: [tokio::sync::Mutex<()>; TURNS],
    hasher: RandomState,
}

#[derive(Default)]
struct Kept {
    answers: Lru<Answer>,
    bytes: usize,
}

/// One answer.
struct Answer {
    version: Version,
    body: Bytes,
    bytes: usize,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers {
            kept: Mutex::default(),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Answers {
    /// The answer of this version or, of the same generation, a later one; with the version it has.
    pub(super) fn get(&self, key: &Key, version: Version) -> Option<(Version, Bytes)> {
        let mut kept = self.kept.lock();
        let answer = kept.answers.get(key.bytes())?;
        let serves = answer.version.generation == version.generation && answer.version.index >= version.index;
        serves.then(|| (answer.version, answer.body.clone()))
    }

    /// Keeps an answer, and gives up those that were not asked for for longest if it takes more than is allowed.
    pub(super) fn keep(&self, key: &Key, version: Version, body: Bytes) {
        let bytes = key.bytes().len() + body.len();
        if bytes > LARGEST_ANSWER_BYTES {
            return;
        }
        let mut kept = self.kept.lock();
        kept.bytes += bytes;
        if let Some(before) = kept.answers.insert(key.bytes(), Answer { version, body, bytes }) {
            kept.bytes -= before.bytes;
        }
        while kept.bytes > MOST_BYTES || kept.answers.len() > MOST_ANSWERS {
            let Some(oldest) = kept.answers.pop_oldest() else { return };
            kept.bytes -= oldest.bytes;
        }
    }

    /// Makes an answer when nobody else is making the same one.
    pub(super) async fn one_at_a_time<T>(&self, key: &Key, make: impl Future<Output = T>) -> T {
        let hash = self.hasher.hash_one(key.bytes());
        let turn = usize::try_from(hash % TURNS as u64).unwrap_or(0);
        let _turn = match self.turns.get(turn) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        make.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("test").with(name.as_bytes())
    }

    fn version(index: u64, generation: u64) -> Version {
        Version { index, generation }
    }

    #[test]
    fn an_answer_serves_its_version_and_earlier_ones_of_its_generation() {
        let answers = Answers::default();
        answers.keep(&key("a"), version(5, 1), Bytes::from_static(b"five"));
        for (asked, served) in [((5, 1), true), ((4, 1), true), ((6, 1), false), ((5, 2), false), ((4, 0), false)] {
            let found = answers.get(&key("a"), version(asked.0, asked.1));
            assert_eq!(found, served.then(|| (version(5, 1), Bytes::from_static(b"five"))), "{asked:?}");
        }
        assert_eq!(answers.get(&key("b"), version(5, 1)), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let answers = Answers::default();
        for n in 0..MOST_ANSWERS + 10 {
            answers.keep(&key(&n.to_string()), version(1, 1), Bytes::from_static(b"x"));
        }
        assert_eq!(answers.kept.lock().answers.len(), MOST_ANSWERS);
        assert_eq!(answers.get(&key("0"), version(1, 1)), None, "the oldest is gone");
        let large = Bytes::from(vec![0; LARGEST_ANSWER_BYTES / 2]);
        for n in 0..20 {
            answers.keep(&key(&format!("large {n}")), version(1, 1), large.clone());
        }
        assert!(answers.kept.lock().bytes <= MOST_BYTES);
        answers.keep(&key("huge"), version(1, 1), Bytes::from(vec![0; LARGEST_ANSWER_BYTES]));
        assert_eq!(answers.get(&key("huge"), version(1, 1)), None);
    }

    #[tokio::test]
    async fn the_same_answer_is_made_once() {
        let answers = Answers::default();
        let made = std::sync::atomic::AtomicUsize::new(0);
        let key = key("a");
        let read = || {
            answers.one_at_a_time(&key, async {
                if let Some((_, body)) = answers.get(&key, version(1, 1)) {
                    return body;
                }
                made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
                let body = Bytes::from_static(b"made");
                answers.keep(&key, version(1, 1), body.clone());
                body
            })
        };
        let (a, b, c) = tokio::join!(read(), read(), read());
        assert_eq!([a, b, c], ["made", "made", "made"]);
        assert_eq!(made.into_inner(), 1);
    }
}
