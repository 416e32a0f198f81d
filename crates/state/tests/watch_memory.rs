//! What a parked waiter costs in memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use state::{Topic, Watch, Writer};

/// Counts the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WAITERS: usize = 10_000;
/// Far below the 4 KiB of a page; measured values are printed.
const LIMIT_BYTES: usize = 1024;

/// Bytes per waiter when each waits for these topics.
fn cost(topics: impl Fn(usize) -> Vec<Topic>) -> usize {
    let (writer, store) = Writer::new();
    let mut watches: Vec<Watch> = Vec::with_capacity(WAITERS);
    let before = IN_USE.load(Ordering::Relaxed);
    for n in 0..WAITERS {
        let mut watch = store.watch(topics(n));
        assert!(Pin::new(&mut watch).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        watches.push(watch);
    }
    let in_use = IN_USE.load(Ordering::Relaxed) - before;
    drop((watches, writer));
    in_use / WAITERS + size_of::<Watch>()
}

#[test]
fn a_parked_waiter_is_small() {
    let same = cost(|_| vec![Topic::service("", "web")]);
    let own = cost(|n| vec![Topic::key(format!("service/{n}/leader").as_bytes())]);
    let three = cost(|n| vec![Topic::service("", "web"), Topic::nodes(""), Topic::key(format!("k/{n}").as_bytes())]);
    println!("bytes per waiter: {same} on a shared topic, {own} on its own key, {three} on three topics");
    for bytes in [same, own, three] {
        assert!(bytes < LIMIT_BYTES, "{bytes}");
    }
}
