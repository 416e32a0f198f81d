//! One view: what is shown, who asks, what belongs in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use filter::Filter;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use types::method::Indexed;
use types::{Backend, CheckServiceNode, QueryMeta, RpcError, Version, Want};

use super::ViewError;
use crate::generations::new_generation;
use crate::usage::Usage;

/// How long a view stays that nobody asks for.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(20 * 60);

/// How long somebody waits for a view that has nothing to show: a server may know more.
pub(super) const NOTHING_SHOWN_LIMIT: Duration = Duration::from_secs(2);

/// A view: it shows the state its follower gives it.
pub(super) struct View {
    shown: watch::Sender<Shown>,
    pub(super) usage: Usage,
}

/// What a view shows.
#[derive(Debug)]
struct Shown {
    /// 0 while there is nothing to show.
    index: u64,
    generation: u64,
    instances: Arc<Vec<CheckServiceNode>>,
    /// Counts how often the index went back: what those who wait know of it is worth nothing then.
    rewinds: u64,
    /// Counts failures worth telling.
    failures: u64,
    /// The last failure, until there is news.
    failure: Option<Failure>,
}

/// Why a subscription does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server has no subscriptions.
    Unsupported,
    /// Anything else.
    Broken(RpcError),
}

/// What somebody saw who asked.
#[derive(Debug)]
pub(super) struct Seen {
    index: u64,
    generation: u64,
    instances: Arc<Vec<CheckServiceNode>>,
    waited: bool,
}

impl Seen {
    pub(super) fn into_answer(self, want: Want) -> Indexed<Vec<CheckServiceNode>> {
        let value = if want == Want::Version { Vec::new() } else { Vec::clone(&self.instances) };
        let meta = QueryMeta {
            index: self.index,
            backend: Backend::Streaming,
            version: Some(Version { index: self.index, generation: self.generation }),
            waited: self.waited,
            ..QueryMeta::default()
        };
        Indexed { value, meta }
    }
}

/// A change of one instance.
#[derive(Debug)]
pub(super) enum Update {
    Register(CheckServiceNode),
    Deregister(CheckServiceNode),
}

impl View {
    pub(super) fn new() -> View {
        let shown = Shown {
            index: 0,
            generation: new_generation(),
            instances: Arc::default(),
            rewinds: 0,
            failures: 0,
            failure: None,
        };
        View { shown: watch::channel(shown).0, usage: Usage::default() }
    }

    /// What is shown once its index is above `min_index`, or when the wait is over. An index that goes back ends every
    /// wait. While there is nothing to show, the wait is short.
    pub(super) async fn wait(
        &self,
        min_index: u64,
        wait: Duration,
        stopping: &CancellationToken,
    ) -> Result<Seen, ViewError> {
        let mut shown = self.shown.subscribe();
        let began = Instant::now();
        let known = {
            let shown = shown.borrow();
            Known { min_index, rewinds: shown.rewinds, failures: shown.failures }
        };
        let mut waited = false;
        loop {
            let patience = {
                let shown = shown.borrow_and_update();
                if let Some(answer) = shown.answer(known, waited) {
                    return answer;
                }
                shown.patience(wait)
            };
            waited = true;
            let over = tokio::select! {
                changed = shown.changed() => changed.is_err(),
                // A first state that came at the same time may be waited for longer.
                () = sleep_until(began + patience) => shown.borrow().patience(wait) <= patience,
                () = stopping.cancelled() => true,
            };
            if over {
                let shown = shown.borrow();
                return if shown.index > 0 { Ok(shown.seen(true)) } else { Err(ViewError::Fallback) };
            }
        }
    }

    /// Shows a whole new state. `before` is the last index that was shown, if any.
    pub(super) fn show(&self, index: u64, instances: Vec<CheckServiceNode>, before: u64) {
        self.shown.send_modify(|shown| {
            if index < before {
                shown.rewinds += 1;
            }
            shown.index = index;
            shown.instances = Arc::new(instances);
            shown.failure = None;
        });
    }

    /// Changes what is shown.
    pub(super) fn change(&self, index: u64, updates: Vec<Update>, chooser: &Chooser) {
        self.shown.send_modify(|shown| {
            if !updates.is_empty() {
                let instances = Arc::make_mut(&mut shown.instances);
                updates.into_iter().for_each(|update| apply(instances, update, chooser));
            }
            if index <= shown.index {
                // The index does not tell the change.
                shown.generation = new_generation();
            }
            shown.index = index;
            shown.failure = None;
        });
    }

    /// Shows nothing until there is a new state. Wakes nobody: there is nothing to see.
    pub(super) fn reset(&self) {
        self.shown.send_if_modified(|shown| {
            shown.index = 0;
            shown.generation = new_generation();
            shown.instances = Arc::default();
            false
        });
    }

    /// Tells those who wait that there is a failure.
    pub(super) fn fail(&self, failure: Failure) {
        self.shown.send_modify(|shown| {
            shown.failures += 1;
            shown.failure = Some(failure);
        });
    }
}

/// What somebody knows who asks.
#[derive(Clone, Copy, Debug)]
struct Known {
    min_index: u64,
    rewinds: u64,
    failures: u64,
}

impl Shown {
    fn seen(&self, waited: bool) -> Seen {
        Seen { index: self.index, generation: self.generation, instances: self.instances.clone(), waited }
    }

    /// How long to wait in all, of the wait that was asked for.
    fn patience(&self, wait: Duration) -> Duration {
        if self.index == 0 { wait.min(NOTHING_SHOWN_LIMIT) } else { wait }
    }

    /// What there is to answer now; nothing if it is to be waited.
    fn answer(&self, known: Known, waited: bool) -> Option<Result<Seen, ViewError>> {
        if self.index > 0 && (self.index > known.min_index || self.rewinds != known.rewinds) {
            return Some(Ok(self.seen(waited)));
        }
        match &self.failure {
            None => None,
            Some(Failure::Unsupported) => Some(Err(ViewError::Fallback)),
            // Servers may answer an ordinary read, or say better what is wrong.
            Some(Failure::Broken(_)) if self.index == 0 => Some(Err(ViewError::Fallback)),
            Some(Failure::Broken(error)) => {
                (self.failures != known.failures).then(|| Err(ViewError::Rpc(error.clone())))
            }
        }
    }
}

/// What belongs in a view.
pub(super) struct Chooser {
    /// In lower case.
    tags: Vec<String>,
    node_meta: BTreeMap<String, String>,
    filter: Filter<CheckServiceNode>,
}

impl Chooser {
    pub(super) fn new(
        tags: &[String],
        node_meta: &BTreeMap<String, String>,
        filter: Filter<CheckServiceNode>,
    ) -> Chooser {
        let tags = tags.iter().map(|tag| tag.to_lowercase()).collect();
        Chooser { tags, node_meta: node_meta.clone(), filter }
    }

    /// Values of metadata need only contain what is asked for (`docs/spec/http-api.md` §1.7).
    pub(super) fn keeps(&self, instance: &CheckServiceNode) -> bool {
        let has_tag = |wanted: &String| instance.service.tags.iter().any(|tag| tag.to_lowercase() == *wanted);
        let has_meta = |(key, part): (&String, &String)| {
            instance.node.meta.get(key).is_some_and(|value| value.contains(part.as_str()))
        };
        self.tags.iter().all(has_tag) && self.node_meta.iter().all(has_meta) && self.filter.matches(instance)
    }
}

/// What a list is sorted by, and an instance known by.
fn place(instance: &CheckServiceNode) -> (&str, &str) {
    (&instance.node.node, &instance.service.id)
}

/// The list of a snapshot's instances: sorted, the last of those in one place.
pub(super) fn sorted(mut instances: Vec<CheckServiceNode>) -> Vec<CheckServiceNode> {
    instances.sort_by(|a, b| place(a).cmp(&place(b)));
    instances.dedup_by(|later, earlier| {
        let same = place(later) == place(earlier);
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    instances
}

fn apply(instances: &mut Vec<CheckServiceNode>, update: Update, chooser: &Chooser) {
    let (instance, stays) = match update {
        Update::Register(instance) => {
            let stays = chooser.keeps(&instance);
            (instance, stays)
        }
        Update::Deregister(instance) => (instance, false),
    };
    match (instances.binary_search_by(|other| place(other).cmp(&place(&instance))), stays) {
        (Ok(at), true) => {
            if let Some(slot) = instances.get_mut(at) {
                *slot = instance;
            }
        }
        (Ok(at), false) => drop(instances.remove(at)),
        (Err(at), true) => instances.insert(at, instance),
        (Err(_), false) => {}
    }
}
