//! The process's source of randomness: from a seed in the thread that asks for that, the machine's in all others.
//!
//! Hash tables, UUIDs, `select!` and the Raft engine's election timeouts all draw from the C library's `getrandom` in
//! the end. This program has one of its own, which the linker prefers.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;

thread_local! {
    static STREAM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Largest number of bytes read from the machine at a time.
const CHUNK_BYTES: usize = 256;

/// From now on everything random in this thread follows from the seed.
pub(crate) fn seed(seed: u64) {
    STREAM.set(Some(seed));
}

/// The C library's function of this name.
///
/// # Safety
/// As there: `buffer` points to `length` bytes that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    let mut written = 0;
    while written < length {
        let mut chunk = [0_u8; CHUNK_BYTES];
        let count = chunk.len().min(length - written);
        if !fill(&mut chunk[..count]) {
            return -1;
        }
        // SAFETY: the caller's promise covers `length` bytes, and `written + count` is not more. `chunk` is ours alone.
        unsafe { std::ptr::copy_nonoverlapping(chunk.as_ptr(), buffer.add(written), count) };
        written += count;
    }
    isize::try_from(written).unwrap_or(isize::MAX)
}

fn fill(bytes: &mut [u8]) -> bool {
    let Some(mut state) = STREAM.get() else {
        return File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes)).is_ok();
    };
    for byte in bytes {
        // SplitMix64, of which a byte is taken each time.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        *byte = (z ^ (z >> 31)) as u8;
    }
    STREAM.set(Some(state));
    true
}

/// Draws from all kinds of sources, in a thread with this seed.
fn draw(number: u64) -> (u64, u128) {
    use std::hash::{BuildHasher, RandomState};
    let drawing = std::thread::spawn(move || {
        seed(number);
        (RandomState::new().hash_one(0_u8), uuid::Uuid::new_v4().as_u128())
    });
    drawing.join().unwrap()
}

#[test]
fn randomness_follows_from_the_seed() {
    assert_eq!(draw(1), draw(1));
    let (one, other) = (draw(1), draw(2));
    assert!(one.0 != other.0 && one.1 != other.1);
    assert_ne!(uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), "other threads have the machine's");
}
