//! Follows a subscription for one view: takes what it tells, and subscribes again when it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use streaming::proto::{CatalogOp, Event, NamedSubject, Payload, Subject, SubscribeRequest, Topic};
use streaming::{Channel, Code, Status};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use types::method::ServiceRequest;
use types::{CheckServiceNode, RpcError};

use super::link::Link;
use super::view::{Chooser, Failure, IDLE_LIMIT, Update, View, sorted};
use super::{Key, Owner, Shared};
use crate::random::random_below;

/// Pause after the second failure in a row; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps one view up to date.
pub(super) struct Follower {
    key: Key,
    request: SubscribeRequest,
    view: Arc<View>,
    chooser: Chooser,
    link: Arc<Link>,
    stopping: CancellationToken,
    progress: Progress,
}

/// How a subscription ended.
enum Ended {
    /// It is to begin again on another server: that is no failure.
    Moved,
    Failed(Status),
}

/// How far a subscription has got.
#[derive(Debug, Default)]
struct Progress {
    /// Index to go on from, 0 to begin anew.
    index: u64,
    /// Last index shown.
    shown: u64,
    /// Failures since there was news.
    failures: u32,
}

impl Follower {
    pub(super) fn new(
        key: Key,
        request: &ServiceRequest,
        view: Arc<View>,
        chooser: Chooser,
        views: &Shared,
    ) -> Follower {
        Follower {
            key,
            request: subscription(request),
            view,
            chooser,
            link: views.link.clone(),
            stopping: views.stopping.clone(),
            progress: Progress::default(),
        }
    }

    /// Runs until nobody has asked for the view for long, or the agent stops.
    pub(super) async fn run(mut self, owner: Owner) {
        let (view, key, stopping) = (self.view.clone(), self.key.clone(), self.stopping.clone());
        tokio::select! {
            () = stopping.cancelled() => {}
            () = idle(&view, &key, &owner) => {}
            () = self.follow() => {}
        }
    }

    /// Subscribes again and again.
    async fn follow(&mut self) {
        loop {
            let Err(ended) = self.subscribe().await;
            let Ended::Failed(ended) = ended else { continue };
            self.progress.failures = self.progress.failures.saturating_add(1);
            let failures = self.progress.failures;
            tracing::debug!(
                target: "agent.rpcclient.health", error = %ended, key = %self.key.service, failure_count = failures,
                "subscribe call failed"
            );
            if ended.code == Code::Aborted {
                self.reset();
            }
            if ended.code == Code::Unimplemented {
                self.view.fail(Failure::Unsupported);
            } else if failures > self.unnoticed() {
                self.view.fail(Failure::Broken(rpc_error(&ended)));
            }
            sleep(pause(failures, random_below)).await;
        }
    }

    /// Failures in a row that nobody is told: with something to show, a server may stop and another take over.
    fn unnoticed(&self) -> u32 {
        if self.progress.shown == 0 { 1 } else { 2 }
    }

    /// One subscription, to its end.
    async fn subscribe(&mut self) -> Result<Infallible, Ended> {
        self.request.index = self.progress.index;
        let line = self.link.line().await.map_err(Ended::Failed)?;
        let Err(ended) = self.receive(&line.channel).await;
        // A server may have said just before that what it told is worth nothing.
        if line.was_left() && ended.code != Code::Aborted {
            return Err(Ended::Moved);
        }
        if !is_of_request(ended.code) {
            self.link.give_up(&line).await;
        }
        Err(Ended::Failed(ended))
    }

    async fn receive(&mut self, channel: &Channel) -> Result<Infallible, Status> {
        let mut subscription = channel.subscribe(&self.request).await?;
        let mut snapshot = (self.progress.index == 0).then(Vec::new);
        loop {
            let Some(event) = subscription.next().await else {
                return Err(Status::new(Code::Unavailable, "the server ended the subscription"));
            };
            self.take(event?, &mut snapshot)?;
        }
    }

    /// Takes one event. While a snapshot comes, its instances are gathered in `snapshot`.
    fn take(&mut self, event: Event, snapshot: &mut Option<Vec<CheckServiceNode>>) -> Result<(), Status> {
        let index = event.index.max(1);
        match event.payload {
            Some(Payload::NewSnapshotToFollow(_)) => {
                self.reset();
                *snapshot = Some(Vec::new());
            }
            Some(Payload::EndOfSnapshot(_)) => {
                if let Some(instances) = snapshot.take() {
                    self.view.show(index, sorted(instances), self.progress.shown);
                    self.news(index);
                }
            }
            Some(payload) => {
                let mut updates = Vec::new();
                collect(payload, &mut updates)?;
                match snapshot {
                    Some(instances) => instances.extend(updates.into_iter().filter_map(|update| match update {
                        Update::Register(instance) => Some(instance).filter(|instance| self.chooser.keeps(instance)),
                        Update::Deregister(_) => None,
                    })),
                    None => {
                        self.view.change(index, updates, &self.chooser);
                        self.news(index);
                    }
                }
            }
            // A kind of event that is not known here.
            None => {}
        }
        Ok(())
    }

    fn news(&mut self, index: u64) {
        self.progress = Progress { index, shown: index, failures: 0 };
    }

    /// What was received is worth nothing.
    fn reset(&mut self) {
        self.progress.index = 0;
        self.view.reset();
    }
}

/// Returns when the view has been forgotten, because nobody asked for it, or the views are gone.
async fn idle(view: &Arc<View>, key: &Key, owner: &Owner) {
    loop {
        sleep_until(view.usage.idle_at(IDLE_LIMIT)).await;
        match owner.upgrade() {
            Some(views) if !views.forget_idle(key, view) => {}
            _ => return,
        }
    }
}

/// Asks so that servers before 1.14 understand it too.
fn subscription(request: &ServiceRequest) -> SubscribeRequest {
    let topic = if request.connect { Topic::ServiceHealthConnect } else { Topic::ServiceHealth };
    let named =
        NamedSubject { key: request.service.clone(), peer_name: request.peer_name.clone(), ..NamedSubject::default() };
    SubscribeRequest {
        topic: topic.into(),
        key: request.service.clone(),
        token: request.options.token.clone(),
        datacenter: request.options.datacenter.clone(),
        peer_name: request.peer_name.clone(),
        subject: Some(Subject::NamedSubject(named)),
        ..SubscribeRequest::default()
    }
}

/// The changes an event tells, in order. Batches are not nested.
fn collect(payload: Payload, updates: &mut Vec<Update>) -> Result<(), Status> {
    let events = match payload {
        Payload::EventBatch(batch) => batch.events,
        payload => vec![Event { index: 0, payload: Some(payload) }],
    };
    for event in events {
        let Some(Payload::ServiceHealth(update)) = event.payload else { continue };
        let op = update.op();
        let Some(instance) = update.check_service_node else { continue };
        let instance = CheckServiceNode::try_from(instance)
            .map_err(|error| Status::new(Code::Internal, format!("unusable event: {error}")))?;
        updates.push(match op {
            CatalogOp::Register => Update::Register(instance),
            CatalogOp::Deregister => Update::Deregister(instance),
        });
    }
    Ok(())
}

/// Whether an end has to do with what was asked, so that another server would say the same.
fn is_of_request(code: Code) -> bool {
    matches!(code, Code::Aborted | Code::PermissionDenied | Code::InvalidArgument | Code::NotFound | Code::Canceled)
}

/// A failure in the words of an ordinary read.
fn rpc_error(status: &Status) -> RpcError {
    for known in [RpcError::NoLeader, RpcError::NoPathToDatacenter] {
        if status.message.contains(&known.to_string()) {
            return known;
        }
    }
    RpcError::other(status.to_string())
}

/// How long to wait after so many failures in a row: not at all after the first.
fn pause(failures: u32, random_below: impl Fn(Duration) -> Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(2) else { return Duration::ZERO };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    let pause = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    (pause + random_below(pause)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        for (failures, least_ms, most_ms) in
            [(0, 0, 0), (1, 0, 0), (2, 200, 400), (3, 400, 800), (9, 25_600, 51_200), (10, 51_200, 60_000)]
        {
            assert_eq!(pause(failures, |_| Duration::ZERO), Duration::from_millis(least_ms), "{failures}");
            assert_eq!(pause(failures, |limit| limit), Duration::from_millis(most_ms), "{failures}");
        }
        assert_eq!(pause(u32::MAX, |limit| limit), LONGEST_PAUSE);
    }
}
