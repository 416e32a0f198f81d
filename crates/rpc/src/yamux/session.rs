//! A session as its owner holds it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use net::BoxConn;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::error::{OpenError, SessionEnd};
use super::machine::Machine;
use super::stream::Stream;
use super::{BACKLOG, Side};

/// What the driver, the owner and the streams of a session share. The lock is held for the copying of one frame.
#[derive(Debug)]
pub(super) struct Shared {
    machine: Mutex<Machine>,
    /// A permit for each stream that may still be opened before the peer accepts another one.
    opening: Semaphore,
}

impl Shared {
    /// Work of the owner or of a stream: the driver learns of it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        let result = work(&mut machine);
        let driver = machine.call_driver();
        let freed = machine.take_freed_opens();
        drop(machine);
        if let Some(driver) = driver {
            driver.wake();
        }
        self.allow_opens(freed);
        result
    }

    /// Work of the driver itself.
    pub(super) fn drive<T>(&self, work: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        let result = work(&mut machine);
        let freed = machine.take_freed_opens();
        drop(machine);
        self.allow_opens(freed);
        result
    }

    /// The session is over.
    pub(super) fn end(&self, end: &SessionEnd) {
        let mut wakes = Vec::new();
        self.drive(|machine| machine.end(end, &mut wakes));
        self.opening.close();
        for waker in wakes {
            waker.wake();
        }
    }

    fn allow_opens(&self, freed: usize) {
        if freed > 0 {
            self.opening.add_permits(freed);
        }
    }
}

/// One connection's session. Clones are the same session; it ends when it is closed, not when they are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
}

impl Session {
    /// A session over `conn`. It lives while the driver runs.
    pub(crate) fn new(conn: BoxConn, side: Side) -> (Session, Driver) {
        let machine = Machine::new(side, Instant::now());
        let deadline = machine.deadline();
        let shared = Arc::new(Shared { machine: Mutex::new(machine), opening: Semaphore::new(BACKLOG) });
        (Session { shared: Arc::clone(&shared) }, Driver::new(conn, shared, deadline))
    }

    /// Opens a stream; it can be written to at once. Waits while too many have not been accepted yet.
    pub(crate) async fn open(&self) -> Result<Stream, OpenError> {
        let permit = self.shared.opening.acquire().await.map_err(|_| OpenError::Shutdown)?;
        let id = self.shared.with(|machine| machine.open(Instant::now()))?;
        // It comes back when the peer accepts the stream, or refuses it.
        permit.forget();
        Ok(Stream::new(id, Arc::clone(&self.shared)))
    }

    /// The next stream the peer opened; none once the session is over.
    pub(crate) async fn accept(&self) -> Option<Stream> {
        let id = poll_fn(|cx| self.shared.with(|machine| machine.poll_accept(cx))).await?;
        Some(Stream::new(id, Arc::clone(&self.shared)))
    }

    /// Ends the session, and with it every stream.
    pub(crate) fn close(&self) {
        self.shared.with(Machine::request_close);
    }

    /// Whether streams can be opened, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.drive(|machine| machine.is_open())
    }

    #[cfg(test)]
    pub(super) fn stream_count(&self) -> usize {
        self.shared.drive(|machine| machine.stream_count())
    }
}

/// Runs a session until it ends or `stopping` says so.
pub(crate) async fn drive(session: Session, driver: Driver, stopping: CancellationToken) -> SessionEnd {
    let mut run = pin!(driver.run());
    tokio::select! {
        end = &mut run => return end,
        () = stopping.cancelled() => session.close(),
    }
    run.await
}
