//! Materialised views: the instances of services as a client agent knows them from subscriptions
//! (`docs/spec/rpc-and-state.md` §8.4).
//!
//! There is one view for everything that shapes an answer, shared by all who ask for it, and one connection for all
//! views. A view's list is changed in place by what the server tells; who asks gets it at once or waits for the next
//! change, and nothing is put together again for each of them.

mod follow;
mod link;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use filter::Filter;
use net::{BoxConn, BoxFuture};
use parking_lot::Mutex;
use rpc::Target;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::method::{Indexed, ServiceRequest};
use types::{CheckServiceNode, RpcError, Want};

use self::follow::Follower;
use self::link::Link;
use self::view::{Chooser, IDLE_LIMIT, View};

/// Views at most; then the one that was not asked for for longest is given up.
const MAX_VIEWS: usize = 8192;

/// Which server subscriptions go to, and the way there.
pub trait ServerChoice: Send + Sync {
    /// The server to go to now.
    ///
    /// # Errors
    /// There is none.
    fn first(&self) -> io::Result<Arc<Target>>;

    /// Opens a connection to a server for subscriptions, its type byte written.
    fn connect(&self, server: &Arc<Target>) -> BoxFuture<'static, io::Result<BoxConn>>;

    /// This server failed: if it is still the first, another is to be.
    fn failed(&self, server: &Target);
}

/// How long a question waits.
#[derive(Clone, Copy, Debug)]
pub struct ViewSettings {
    /// A question that names no wait.
    pub default_query_time: Duration,
    /// Any other at most.
    pub max_query_time: Duration,
}

/// A view could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// No view can answer this, or the servers do not stream: it is to be asked of a server as an ordinary read.
    #[error("cannot be answered from a subscription")]
    Fallback,
    /// What is wrong with the question, or with the subscription.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

/// The views of an agent. Dropping them ends them.
pub struct Views {
    shared: Arc<Shared>,
    settings: ViewSettings,
}

struct Shared {
    running: Mutex<HashMap<Key, Running>>,
    link: Arc<Link>,
    stopping: CancellationToken,
}

/// A view, and the task that follows its subscription.
struct Running {
    view: Arc<View>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Everything that shapes the answers of a view.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    connect: bool,
    datacenter: String,
    token: String,
    /// In lower case.
    service: String,
    peer: String,
    tags: Vec<String>,
    node_meta: BTreeMap<String, String>,
    filter: String,
}

impl Key {
    fn of(request: &ServiceRequest) -> Key {
        Key {
            connect: request.connect,
            datacenter: request.options.datacenter.clone(),
            token: request.options.token.clone(),
            service: request.service.to_lowercase(),
            peer: request.peer_name.clone(),
            tags: request.tags.clone(),
            node_meta: request.node_meta.clone(),
            filter: request.options.filter.clone(),
        }
    }
}

impl Views {
    /// No views yet. `stopping` ends what waits.
    pub fn new(servers: Arc<dyn ServerChoice>, settings: ViewSettings, stopping: CancellationToken) -> Views {
        let shared = Shared { running: Mutex::default(), link: Arc::new(Link::new(servers)), stopping };
        Views { shared: Arc::new(shared), settings }
    }

    /// The instances a service has, by node and ID, as the last subscription told: at once if their index is above the
    /// request's, else after the next change, or when the wait is over. Consistency does not matter. `meta.waited`
    /// tells whether the view had to be waited for: it is no hit of a cache then. Must be called in the runtime.
    ///
    /// # Errors
    /// [`ViewError::Fallback`], also when there is nothing to show after 2 s; a filter that does not parse; a
    /// subscription that kept failing while this waited.
    pub async fn service_nodes(&self, request: &ServiceRequest) -> Result<Indexed<Vec<CheckServiceNode>>, ViewError> {
        if request.service.is_empty() {
            return Err(RpcError::other("Must provide service name").into());
        }
        if request.ingress || request.merge_central_config || !request.source.node.is_empty() {
            return Err(ViewError::Fallback);
        }
        let seat = self.shared.sit_down(request)?;
        let options = &request.options;
        let min_index = if options.want == Want::Value { 0 } else { options.min_index };
        let wait = self.wait_of(options.max_wait);
        let seen = seat.view.wait(min_index, wait, &self.shared.stopping).await?;
        Ok(seen.into_answer(options.want))
    }

    /// Subscriptions that do not go to the first server begin again there. Views do not take that for a failure.
    pub async fn rebalance(&self) {
        self.shared.link.follow_first().await;
    }

    fn wait_of(&self, asked: Duration) -> Duration {
        let wait = if asked.is_zero() { self.settings.default_query_time } else { asked };
        wait.min(self.settings.max_query_time)
    }
}

impl Shared {
    /// The view for a request, which begins now if there is none.
    fn sit_down(self: &Arc<Self>, request: &ServiceRequest) -> Result<Seat, ViewError> {
        let key = Key::of(request);
        if let Some(running) = self.running.lock().get(&key) {
            return Ok(Seat::take(&running.view));
        }
        let filter = Filter::new(&key.filter).map_err(|error| RpcError::other(error.to_string()))?;
        let chooser = Chooser::new(&key.tags, &key.node_meta, filter);
        let mut running = self.running.lock();
        // Another may have been quicker.
        if let Some(running) = running.get(&key) {
            return Ok(Seat::take(&running.view));
        }
        if running.len() >= MAX_VIEWS && !give_up_one(&mut running) {
            return Err(ViewError::Fallback);
        }
        let view = Arc::new(View::new());
        let follower = Follower::new(key.clone(), request, view.clone(), chooser, self);
        let seat = Seat::take(&view);
        running.insert(key, Running { view, task: tokio::spawn(follower.run(Arc::downgrade(self))) });
        Ok(seat)
    }

    /// Forgets a view that nobody has asked for for long.
    fn forget_idle(&self, key: &Key, view: &Arc<View>) -> bool {
        let mut running = self.running.lock();
        let idle =
            running.get(key).is_some_and(|running| Arc::ptr_eq(&running.view, view)) && view.usage.is_idle(IDLE_LIMIT);
        if idle {
            running.remove(key);
        }
        idle
    }
}

/// Ends the view that was not asked for for longest, if there is one that nobody waits for.
fn give_up_one(running: &mut HashMap<Key, Running>) -> bool {
    let unused = running.iter().filter_map(|(key, running)| Some((running.view.usage.unused_since()?, key)));
    let Some(key) = unused.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone()) else { return false };
    running.remove(&key).is_some()
}

/// Somebody asks a view: it stays meanwhile.
struct Seat {
    view: Arc<View>,
}

impl Seat {
    fn take(view: &Arc<View>) -> Seat {
        view.usage.enter();
        Seat { view: view.clone() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.view.usage.leave();
    }
}

/// The views, if they are still there.
type Owner = Weak<Shared>;
