//! The agent itself: who it is, and its way to a server.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use server::{Handle, Server};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::method::{EventFire, EventFireRequest};
use types::rpc::RpcMethod;
use types::{RpcError, UserEvent, event};

use crate::events::{Events, Filter};
use crate::kept::{Kept, KeptSettings};
use crate::local::{self, Local, LocalSettings, Shared};
use crate::pools::Pools;
use crate::servers::Servers;
use crate::{coordinates, gossip_events};

/// Who this agent is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Name of the node.
    pub node_name: String,
    /// UUID of the node.
    pub node_id: String,
    /// Datacenter, lower case.
    pub datacenter: String,
    /// Metadata of the node.
    pub node_meta: BTreeMap<String, String>,
    /// Address other nodes use.
    pub advertise: IpAddr,
    /// Whether this agent is a server.
    pub server: bool,
    /// Whether the configuration asks for a cluster of one.
    pub bootstrap: bool,
    /// Whether others may not run commands here.
    pub disable_remote_exec: bool,
    /// Whether the servers are not told where this node is.
    pub disable_coordinates: bool,
}

/// The agent could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentError {
    /// The new configuration is not usable; nothing was changed.
    #[error("{0}")]
    Reload(String),
    /// A service or a check of a configuration file cannot be registered; nothing was changed.
    #[error("{0}")]
    Definition(String),
}

/// What the composition root lends the agent: things that reach beyond it.
pub trait Host: Send + Sync {
    /// Reads the configuration again and applies what may change while running.
    ///
    /// # Errors
    /// What is wrong with the new configuration.
    fn reload(&self) -> Result<(), AgentError>;
    /// The configuration as operators see it, without secrets.
    fn debug_config(&self) -> serde_json::Value;
}

/// A running agent. Doors ask it and nothing else.
pub struct Agent {
    identity: Identity,
    servers: Servers,
    pub(crate) pools: Pools,
    kept: Option<Kept>,
    events: Events,
    local: Local,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    host: RwLock<Option<Arc<dyn Host>>>,
    leaving: CancellationToken,
    stopping: CancellationToken,
}

impl Agent {
    /// An agent of these pools that asks these servers. Everything that files define and earlier runs left is registered
    /// when this returns; `stopping` ends everything that waits. Must be called in the runtime.
    ///
    /// # Errors
    /// [`AgentError::Definition`].
    pub fn start(
        identity: Identity,
        servers: Servers,
        pools: Pools,
        settings: LocalSettings,
        kept: KeptSettings,
        stopping: CancellationToken,
    ) -> Result<Arc<Agent>, AgentError> {
        let (shared, tickets) = Shared::new(&identity, &settings, stopping.clone());
        shared.load(settings.services, settings.check_definitions)?;
        let events = pools.lan.subscribe();
        let kept = Kept::new(&servers, kept, &stopping);
        let agent = Arc::new(Agent {
            identity,
            servers,
            pools,
            kept,
            events: Events::default(),
            local: Local { shared: shared.clone() },
            tasks: Mutex::default(),
            host: RwLock::default(),
            leaving: CancellationToken::new(),
            stopping: stopping.clone(),
        });
        shared.begin(Arc::downgrade(&agent));
        tracing::info!(target: "agent", "started state syncer");
        let mut tasks = vec![
            tokio::spawn(local::keep_in_sync(agent.clone(), tickets)),
            tokio::spawn(local::expire(shared, stopping)),
            tokio::spawn(local::reap(agent.clone())),
            tokio::spawn(gossip_events::follow(agent.clone(), events)),
        ];
        if !agent.identity.disable_coordinates {
            tasks.push(tokio::spawn(coordinates::send(agent.clone())));
        }
        *agent.tasks.lock() = tasks;
        Ok(agent)
    }

    /// Ends the agent's own tasks, then its way to servers, then its pools; returns when all have ended.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.detach();
        self.local.shared.end();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(target: "agent", error = %error, "a task of the agent ended abnormally");
            }
        }
        self.servers.stop().await;
        if let Some(wan) = &self.pools.wan {
            wan.stop().await;
        }
        self.pools.lan.stop().await;
    }

    /// Services and checks registered with this agent.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Lets the agent reach what surrounds it. Until then a reload is refused.
    pub fn attach(&self, host: Arc<dyn Host>) {
        *self.host.write() = Some(host);
    }

    /// Takes the surroundings away again, so that they can end.
    fn detach(&self) {
        *self.host.write() = None;
    }

    /// Who this agent is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Asks a server: the one in this process, or one over the network.
    ///
    /// # Errors
    /// Whatever the method refuses, in the words clients match on.
    pub async fn call<M: RpcMethod>(&self, request: M::Request) -> Result<M::Reply, RpcError>
    where
        Server: Handle<M>,
    {
        self.servers.call::<M>(self.addressed::<M>(request)).await
    }

    /// A request as it may leave this agent: it names its datacenter, for older servers know no other way to their own.
    pub(crate) fn addressed<M: RpcMethod>(&self, mut request: M::Request) -> M::Request {
        if let Servers::Away(_) = &self.servers
            && let Some(datacenter) = M::datacenter_mut(&mut request)
            && datacenter.is_empty()
        {
            datacenter.clone_from(&self.identity.datacenter);
        }
        request
    }

    /// The server in this process, if there is one.
    pub fn server(&self) -> Option<&Server> {
        self.servers.here()
    }

    /// What this agent keeps of servers' answers; nothing on a server.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// The way to servers.
    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Applies new limits to what is asked of servers over the network.
    pub fn set_rpc_limits(&self, rate: f64, burst: usize, client_timeout: Duration) {
        match &self.servers {
            Servers::Here(server) => server.set_client_timeout(client_timeout),
            Servers::Away(client) => client.set_limits(rate, burst, client_timeout),
        }
    }

    /// User events this agent has seen.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Spreads a user event; gives it its ID.
    ///
    /// # Errors
    /// A filter that does not parse, a tag filter without a service filter, an event that is too large, an unknown datacenter.
    pub async fn fire_event(&self, mut event: UserEvent, datacenter: &str, token: &str) -> Result<UserEvent, RpcError> {
        Filter::compile(&event).map_err(|e| RpcError::other(e.to_string()))?;
        event.id = uuid::Uuid::new_v4().to_string();
        event.version = event::EVENT_VERSION;
        event.ltime = 0;
        let request =
            EventFireRequest { datacenter: datacenter.to_owned(), event: event.clone(), token: token.to_owned() };
        // It comes back to this agent by gossip, as to every other.
        self.call::<EventFire>(request).await?;
        Ok(event)
    }

    /// Reads the configuration again.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn reload(&self) -> Result<(), AgentError> {
        let host = self.host.read().clone();
        let Some(host) = host else {
            return Err(AgentError::Reload("cannot reload before agent started".to_owned()));
        };
        tokio::task::spawn_blocking(move || host.reload())
            .await
            .unwrap_or_else(|_| Err(AgentError::Reload("the agent is stopping".to_owned())))
    }

    /// The configuration as operators see it; null before the agent has started.
    pub(crate) fn debug_config(&self) -> serde_json::Value {
        self.host.read().as_ref().map_or(serde_json::Value::Null, |host| host.debug_config())
    }

    /// Asks for a graceful leave and a stop; returns at once.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// Resolves once the agent has left and begins to stop.
    pub async fn left(&self) {
        self.stopping.cancelled().await;
    }

    /// Leaves the pools, and on a server the cluster, in the order that disturbs others least.
    ///
    /// # Errors
    /// What kept the others from hearing of it.
    pub async fn leave_cluster(&self) -> Result<(), String> {
        match &self.servers {
            Servers::Here(server) => {
                server.leave().await;
                Ok(())
            }
            Servers::Away(_) => {
                tracing::info!(target: "agent.client", "client starting leave");
                self.pools.lan.leave().await
            }
        }
    }

    /// Resolves once somebody asked the agent to leave.
    pub fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// Cancelled when the agent stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }
}
