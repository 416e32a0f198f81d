//! What a command prints, in pieces.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// A piece is sent when it is as large as this,
const CHUNK_BYTES: usize = 4096;
/// or when nothing more was printed for as long as this.
const IDLE: Duration = Duration::from_millis(500);

/// Gathers pieces and numbers them.
pub(super) struct Output {
    /// Silence after which an empty piece tells that the command still runs.
    wait: Duration,
    gathered: Vec<u8>,
    ready: VecDeque<Bytes>,
    next_number: u64,
    last: Instant,
}

impl Output {
    pub(super) fn new(wait: Duration) -> Output {
        Output { wait, gathered: Vec::new(), ready: VecDeque::new(), next_number: 0, last: Instant::now() }
    }

    /// Takes what was read; false at the end of the stream.
    pub(super) fn take(&mut self, buffer: &[u8], read: &io::Result<usize>) -> bool {
        let Ok(length @ 1..) = *read else { return false };
        self.last = Instant::now();
        self.gathered.extend_from_slice(&buffer[..length.min(buffer.len())]);
        while self.gathered.len() >= CHUNK_BYTES {
            let rest = self.gathered.split_off(CHUNK_BYTES);
            self.ready.push_back(Bytes::from(std::mem::replace(&mut self.gathered, rest)));
        }
        true
    }

    /// Resolves when something is to be sent although nothing is printed.
    pub(super) async fn due(&self) {
        let silence = if self.gathered.is_empty() { self.wait } else { IDLE };
        tokio::time::sleep_until(self.last + silence).await;
    }

    /// Sends what there is, or a sign of life.
    pub(super) fn flush(&mut self) {
        self.last = Instant::now();
        self.ready.push_back(Bytes::from(std::mem::take(&mut self.gathered)));
    }

    /// Sends what is left.
    pub(super) fn end(&mut self) {
        if !self.gathered.is_empty() {
            self.flush();
        }
    }

    /// The next piece with its number.
    pub(super) fn next_chunk(&mut self) -> Option<(u64, Bytes)> {
        let chunk = self.ready.pop_front()?;
        let number = self.next_number;
        self.next_number += 1;
        Some((number, chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pieces_are_full_late_or_empty() {
        let mut output = Output::new(Duration::from_secs(2));
        assert!(output.take(&[b'a'; 5000], &Ok(5000)));
        assert_eq!(output.next_chunk().map(|(number, chunk)| (number, chunk.len())), Some((0, 4096)));
        assert_eq!(output.next_chunk(), None);
        let begin = Instant::now();
        output.due().await;
        assert_eq!(begin.elapsed(), IDLE);
        output.flush();
        assert_eq!(output.next_chunk().map(|(number, chunk)| (number, chunk.len())), Some((1, 904)));
        output.due().await;
        output.flush();
        assert_eq!(output.next_chunk(), Some((2, Bytes::new())));
        assert!(!output.take(&[0; 1], &Ok(0)));
        output.end();
        assert_eq!(output.next_chunk(), None);
    }
}
