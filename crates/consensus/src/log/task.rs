//! The writer as a task of the runtime: under a simulated clock, where a thread would be outside of time.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::backend::Pace;
use super::writer::{End, Op, Writer};

pub(super) struct WriterTask {
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

struct Desk {
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    ops: Vec<Op>,
    /// `None` once it has ended.
    writer: Option<Writer>,
}

impl WriterTask {
    /// To be called in a runtime.
    pub(super) fn start(writer: Writer, pace: Pace) -> WriterTask {
        let state = State { ops: Vec::new(), writer: Some(writer) };
        let desk = Arc::new(Desk { state: Mutex::new(state), wake: Notify::new() });
        // What an interrupted purge left.
        desk.wake.notify_one();
        let task = tokio::spawn(serve(desk.clone(), pace));
        WriterTask { desk, task }
    }

    pub(super) fn push(&self, op: Op) {
        let mut state = self.desk.state.lock();
        if state.writer.is_some() {
            state.ops.push(op);
            drop(state);
            self.desk.wake.notify_one();
        }
    }

    /// Does not wait for the task, which may wait for a clock that stands still: what is queued is written here.
    pub(super) fn end(&self, end: End) {
        self.task.abort();
        let mut state = self.desk.state.lock();
        let ops = std::mem::take(&mut state.ops);
        let Some(mut writer) = state.writer.take() else { return };
        drop(state);
        if end == End::Orderly {
            writer.run(ops);
            writer.finish();
        }
    }
}

async fn serve(desk: Arc<Desk>, pace: Pace) {
    loop {
        desk.wake.notified().await;
        while desk.is_busy() {
            pace().await;
            desk.turn();
        }
    }
}

impl Desk {
    fn is_busy(&self) -> bool {
        let state = self.state.lock();
        !state.ops.is_empty() || state.writer.as_ref().is_some_and(Writer::is_purging)
    }

    /// Stores what has queued up, as one group.
    fn turn(&self) {
        let state = &mut *self.state.lock();
        let ops = std::mem::take(&mut state.ops);
        match &mut state.writer {
            Some(writer) if ops.is_empty() => writer.purge_step(),
            Some(writer) => writer.run(ops),
            None => {}
        }
    }
}
