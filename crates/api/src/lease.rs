//! Keeping a session alive (`docs/spec/server-operations.md §16`).

use std::{future::Future, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use crate::{Error, Result, Session, SessionRequest, WriteOptions, parse_duration};

/// Pause before renewing again after a failed renewal.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Renews a session at half its TTL, from a task of its own, until stopped or dropped; then the session is destroyed.
///
/// [`Session::renew_periodic`] starts one. [`SessionHeartbeat::stop`] waits for the destruction; dropping only asks for it,
/// and a process that exits at once leaves the session to its TTL.
#[derive(Debug)]
pub struct SessionHeartbeat {
    id: String,
    /// Dropping it tells the task to stop.
    stop: Option<oneshot::Sender<()>>,
    expired: watch::Receiver<bool>,
    task: Option<JoinHandle<Result<()>>>,
}

impl SessionHeartbeat {
    pub(crate) fn start(session: Session, id: String, ttl: Duration, options: WriteOptions) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (expire, expired) = watch::channel(false);
        let beat = Beat { session, id: id.clone(), ttl, options };
        let task = tokio::spawn(beat.run(stopped, expire));
        SessionHeartbeat { id, stop: Some(stop), expired, task: Some(task) }
    }

    /// Creates the session from the task that renews it, so that a caller who gives up meanwhile leaves none behind.
    pub(crate) async fn create(
        session: Session,
        request: SessionRequest,
        ttl: Duration,
        options: WriteOptions,
    ) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (expire, expired) = watch::channel(false);
        let (report, created) = oneshot::channel();
        let task = tokio::spawn(async move {
            match session.create(&request.ttl(ttl), &options).await {
                Ok(id) => {
                    // Nobody listens any more: then the heartbeat finds itself stopped and destroys the session.
                    let _ = report.send(Ok(id.clone()));
                    Beat { session, id, ttl, options }.run(stopped, expire).await
                }
                Err(error) => {
                    let _ = report.send(Err(error));
                    Ok(())
                }
            }
        });
        // The task ends without a report only when the runtime shuts down.
        let id = created.await.unwrap_or(Err(Error::SessionExpired))?;
        Ok(SessionHeartbeat { id, stop: Some(stop), expired, task: Some(task) })
    }

    /// The session kept alive.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Completes once the session is gone, or could not be renewed for its whole TTL.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut expired = self.expired.clone();
        async move {
            // A closed channel means the task was stopped: then nobody learns of an expiry any more.
            if expired.wait_for(|expired| *expired).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops renewing and destroys the session.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] when it was gone already; otherwise as [`Session::destroy`].
    pub async fn stop(mut self) -> Result<()> {
        drop(self.stop.take());
        match self.task.take() {
            Some(task) => task.await.unwrap_or(Err(Error::SessionExpired)),
            None => Ok(()),
        }
    }
}

struct Beat {
    session: Session,
    id: String,
    ttl: Duration,
    options: WriteOptions,
}

impl Beat {
    async fn run(self, stopped: oneshot::Receiver<()>, expire: watch::Sender<bool>) -> Result<()> {
        let result = self.renew_until(stopped).await;
        expire.send_replace(result.is_err());
        result
    }

    /// Ends well when stopped, with an error when the session is lost.
    async fn renew_until(mut self, mut stopped: oneshot::Receiver<()>) -> Result<()> {
        let mut renewed = Instant::now();
        let mut pause = self.ttl / 2;
        loop {
            tokio::select! {
                _ = &mut stopped => return self.session.destroy(&self.id, &self.options).await,
                () = sleep(pause) => {}
            }
            // A renewal that hangs must not outlive the session unnoticed.
            let deadline = renewed + self.ttl;
            let renewal = tokio::select! {
                _ = &mut stopped => return self.session.destroy(&self.id, &self.options).await,
                () = sleep_until(deadline) => return Err(Error::SessionExpired),
                renewal = self.session.renew(&self.id, &self.options) => renewal,
            };
            match renewal {
                Ok(None) => return Err(Error::SessionExpired),
                Ok(Some(entry)) => {
                    // The servers know the TTL better than the caller.
                    self.ttl = parse_duration(&entry.ttl).filter(|ttl| !ttl.is_zero()).unwrap_or(self.ttl);
                    renewed = Instant::now();
                    pause = self.ttl / 2;
                }
                Err(error) => {
                    tracing::warn!("could not renew session {}: {error}", self.id);
                    pause = RETRY_INTERVAL;
                }
            }
        }
    }
}
