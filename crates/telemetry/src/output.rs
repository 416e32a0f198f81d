//! A queue of lines and the thread that writes them, so that a slow disk or terminal never holds an agent's task.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::notes::Notes;

/// Bytes of lines that may wait for one output; those that come on top are dropped and counted.
const QUEUE_LIMIT_BYTES: usize = 16 << 20;
/// How long a flush waits for an output that does not take its lines.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// Takes lines, in order, each with its line end. Failing is its own business: a lost line is lost.
pub(crate) trait LineWriter: Send {
    /// Writes the lines.
    fn write_lines(&mut self, lines: &VecDeque<Arc<str>>);
}

/// Standard output, or what stands for it.
pub(crate) struct Terminal<W>(pub(crate) W);

impl<W: Write + Send> LineWriter for Terminal<W> {
    fn write_lines(&mut self, lines: &VecDeque<Arc<str>>) {
        let mut batch = String::with_capacity(lines.iter().map(|line| line.len()).sum());
        lines.iter().for_each(|line| batch.push_str(line));
        // A closed pipe or full disk behind standard output has no other place to be reported to.
        let _ = self.0.write_all(batch.as_bytes()).and_then(|()| self.0.flush());
    }
}

/// One output of the agent's own log.
pub(crate) struct Output {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    dropped: u64,
    released: bool,
    writing: bool,
    closing: bool,
}

impl Output {
    /// Starts the writing thread. With `released` false nothing is written before [`Output::release`]. Dropped lines
    /// are reported in their place, in the words of `notes`.
    pub(crate) fn start(
        name: &str,
        released: bool,
        notes: Notes,
        writer: impl LineWriter + 'static,
    ) -> io::Result<Self> {
        let queue = Queue { released, ..Queue::default() };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() });
        let thread = {
            let shared = shared.clone();
            thread::Builder::new().name(name.to_owned()).spawn(move || write_until_closed(&shared, &notes, writer))?
        };
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Queues a line. Never waits: at the bound the line is dropped and counted.
    pub(crate) fn push(&self, line: Arc<str>) {
        let mut queue = self.shared.queue.lock();
        if queue.bytes + line.len() > QUEUE_LIMIT_BYTES {
            queue.dropped += 1;
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        let idle = queue.released && !queue.writing;
        drop(queue);
        if idle {
            self.shared.changed.notify_all();
        }
    }

    /// Lets waiting and later lines through.
    pub(crate) fn release(&self) {
        self.shared.queue.lock().released = true;
        self.shared.changed.notify_all();
    }

    /// Waits until every line queued so far is written, for five seconds at most. Lines that are not released stay.
    /// Returns whether nothing is left to write.
    pub(crate) fn flush(&self) -> bool {
        let give_up = Instant::now() + FLUSH_PATIENCE;
        let mut queue = self.shared.queue.lock();
        while queue.released && (queue.writing || !queue.lines.is_empty()) {
            if self.shared.changed.wait_until(&mut queue, give_up).timed_out() {
                return false;
            }
        }
        true
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let written = self.flush();
        self.shared.queue.lock().closing = true;
        self.shared.changed.notify_all();
        // A thread that hangs in a write is left to the end of the process: waiting for it would hang the agent too.
        if let (true, Some(thread)) = (written, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn write_until_closed(shared: &Shared, notes: &Notes, mut writer: impl LineWriter) {
    let mut queue = shared.queue.lock();
    loop {
        while !queue.closing && (!queue.released || queue.lines.is_empty()) {
            shared.changed.wait(&mut queue);
        }
        if queue.closing {
            return;
        }
        let mut lines = std::mem::take(&mut queue.lines);
        let dropped = std::mem::take(&mut queue.dropped);
        queue.bytes = 0;
        queue.writing = true;
        drop(queue);

        if dropped > 0 {
            lines.push_back(notes.dropped(dropped));
        }
        writer.write_lines(&lines);

        queue = shared.queue.lock();
        queue.writing = false;
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands each batch to the test and then waits for its word.
    struct Held {
        batches: mpsc::Sender<Vec<Arc<str>>>,
        go_on: mpsc::Receiver<()>,
    }

    impl LineWriter for Held {
        fn write_lines(&mut self, lines: &VecDeque<Arc<str>>) {
            let _ = self.batches.send(lines.iter().cloned().collect());
            let _ = self.go_on.recv();
        }
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_and_never_time() {
        let (batches, written) = mpsc::channel();
        let (go, go_on) = mpsc::channel();
        let output = Output::start("log-test", true, Notes::for_tests(), Held { batches, go_on }).unwrap();
        output.push("first\n".into());
        assert_eq!(written.recv().unwrap().len(), 1);

        let big: Arc<str> = "x".repeat(QUEUE_LIMIT_BYTES / 2).into();
        for _ in 0..4 {
            output.push(big.clone());
        }
        go.send(()).unwrap();
        let batch = written.recv().unwrap();
        assert_eq!(batch.len(), 3, "two lines fit, the note stands for the others");
        assert!(batch[2].ends_with("[WARN]  agent: Log lines dropped: count=2\n"), "{}", batch[2]);
        drop(go);
    }

    #[test]
    fn nothing_is_written_before_the_release() {
        let (batches, written) = mpsc::channel();
        let (go, go_on) = mpsc::channel();
        drop(go);
        let output = Output::start("log-test", false, Notes::for_tests(), Held { batches, go_on }).unwrap();
        output.push("early\n".into());
        assert!(output.flush(), "lines that are held back are not waited for");
        assert!(written.try_recv().is_err());
        output.release();
        assert!(output.flush());
        assert_eq!(written.recv().unwrap(), ["early\n".into()]);
    }
}
