//! Which reads an agent's cache would have (`docs/spec/http-api.md` §1.7, `docs/spec/connect.md` §6.1).
//!
//! A server needs no copy of what it holds itself: cached reads are answered from its state, which is as new as a cache
//! could ever be. What is kept is which of them were made before, so that `X-Cache` and `Age` tell clients what they expect.

use std::time::Duration;

use ::agent::cache::CacheOptions;
use http::header::{CACHE_CONTROL, HeaderMap};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Key;
use super::lru::Lru;
use crate::meta::CacheStatus;

/// Most reads remembered.
const MOST_READS: usize = 16_384;
/// A read that was not made for so long is forgotten.
const CACHE_TTL: Duration = Duration::from_secs(72 * 3600);
/// The same for reads answered from a subscription.
const SUBSCRIPTION_TTL: Duration = Duration::from_secs(20 * 60);

/// How the reference keeps a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheKind {
    /// In its cache, which follows every change.
    Followed,
    /// In a subscription.
    Subscription,
}

impl CacheKind {
    const fn ttl(self) -> Duration {
        match self {
            CacheKind::Followed => CACHE_TTL,
            CacheKind::Subscription => SUBSCRIPTION_TTL,
        }
    }
}

/// The cached reads of one door.
#[derive(Default)]
pub(crate) struct CachedReads {
    reads: Mutex<Lru<Read>>,
}

struct Read {
    fetched: Instant,
    used: Instant,
}

impl CachedReads {
    /// Whether a read was made before.
    pub(super) fn knows(&self, key: &Key, kind: CacheKind) -> bool {
        self.fetched(key, kind.ttl()).is_some()
    }

    /// Notes that a read was made.
    pub(super) fn note(&self, key: &Key) {
        let now = Instant::now();
        let mut reads = self.reads.lock();
        reads.insert(key.bytes(), Read { fetched: now, used: now });
        while reads.len() > MOST_READS {
            reads.pop_oldest();
        }
    }

    /// Notes a read that does not follow changes: it is made again when it is older than the client allows.
    pub(crate) fn note_polled(&self, key: &Key, control: CacheControl) -> CacheStatus {
        let age = self.fetched(key, CACHE_TTL).map(|fetched| fetched.elapsed());
        match age.filter(|age| control.allows(*age)) {
            Some(age) => CacheStatus::Hit { age },
            None => {
                self.note(key);
                CacheStatus::Miss
            }
        }
    }

    /// When a read was first made, if it was used since `ttl`; now counts as a use.
    fn fetched(&self, key: &Key, ttl: Duration) -> Option<Instant> {
        let now = Instant::now();
        let mut reads = self.reads.lock();
        let read = reads.get(key.bytes())?;
        if now.duration_since(read.used) > ttl {
            return None;
        }
        read.used = now;
        Some(read.fetched)
    }
}

/// What a client allows of reads that do not follow changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    max_age: Option<Duration>,
    must_revalidate: bool,
    stale_if_error: Duration,
}

impl CacheControl {
    /// Reads `Cache-Control`; what is not understood is ignored.
    pub(crate) fn of(headers: &HeaderMap) -> CacheControl {
        let mut control = CacheControl::default();
        let Some(value) = headers.get(CACHE_CONTROL) else { return control };
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for directive in value.split(',').map(str::trim) {
            match directive.split_once('=') {
                None if directive == "must-revalidate" => control.must_revalidate = true,
                Some(("max-age", seconds)) => control.max_age = seconds.parse().ok().map(Duration::from_secs),
                Some(("stale-if-error", seconds)) => {
                    control.stale_if_error = seconds.parse().map(Duration::from_secs).unwrap_or_default();
                }
                _ => {}
            }
        }
        control
    }

    /// The same for the agent's cache.
    pub(crate) fn options(self) -> CacheOptions {
        CacheOptions {
            max_age: self.max_age,
            must_revalidate: self.must_revalidate,
            stale_if_error: self.stale_if_error,
        }
    }

    fn allows(self, age: Duration) -> bool {
        let young_enough = self.max_age.is_none_or(|most| !most.is_zero() && age <= most);
        young_enough && !self.must_revalidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(text: &'static str) -> CacheControl {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static(text));
        CacheControl::of(&headers)
    }

    #[test]
    fn an_age_is_allowed_by_what_the_client_says() {
        let cases = [
            ("", 9, true),
            ("no-cache", 9, true),
            ("max-age=8", 9, false),
            ("no-cache, MAX-AGE=9", 9, true),
            ("max-age=0", 0, false),
            ("must-revalidate", 0, false),
            ("max-age=x", 9, true),
        ];
        for (text, age, allowed) in cases {
            assert_eq!(control(text).allows(Duration::from_secs(age)), allowed, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_are_forgotten_when_nobody_makes_them() {
        let reads = CachedReads::default();
        let (cached, streamed) = (Key::new("cached"), Key::new("streamed"));
        assert!(!reads.knows(&cached, CacheKind::Followed));
        reads.note(&cached);
        reads.note(&streamed);
        for _ in 0..3 {
            tokio::time::advance(SUBSCRIPTION_TTL).await;
            assert!(reads.knows(&streamed, CacheKind::Subscription), "each use keeps it");
        }
        tokio::time::advance(SUBSCRIPTION_TTL + Duration::from_secs(1)).await;
        assert!(!reads.knows(&streamed, CacheKind::Subscription));
        assert!(reads.knows(&cached, CacheKind::Followed));
        tokio::time::advance(CACHE_TTL + Duration::from_secs(1)).await;
        assert!(!reads.knows(&cached, CacheKind::Followed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_polled_read_ages_until_it_is_made_again() {
        let reads = CachedReads::default();
        let key = Key::new("datacenters");
        assert_eq!(reads.note_polled(&key, CacheControl::default()), CacheStatus::Miss);
        tokio::time::advance(Duration::from_secs(7)).await;
        let hit = |age| CacheStatus::Hit { age: Duration::from_secs(age) };
        assert_eq!(reads.note_polled(&key, CacheControl::default()), hit(7));
        assert_eq!(reads.note_polled(&key, control("max-age=5")), CacheStatus::Miss);
        assert_eq!(reads.note_polled(&key, control("max-age=5")), hit(0));
        assert_eq!(reads.note_polled(&key, control("must-revalidate")), CacheStatus::Miss);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let reads = CachedReads::default();
        for n in 0..MOST_READS + 3 {
            reads.note(&Key::new("read").with(n.to_string().as_bytes()));
        }
        assert_eq!(reads.reads.lock().len(), MOST_READS);
    }
}
