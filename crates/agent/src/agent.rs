//! The agent itself: who it is, and its way to a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use server::{Handle, SavedSnapshot, Server};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::method::{EventFire, EventFireRequest, SnapshotRequest};
use types::{Method, RpcError, UserEvent, event};

use crate::events::{Events, Filter};
use crate::local::{self, Local, LocalSettings, Shared};

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
    /// Port for server RPC.
    pub server_port: u16,
    /// Port for gossip in the datacenter.
    pub serf_lan_port: u16,
    /// Whether the configuration asks for a cluster of one.
    pub bootstrap: bool,
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
    server: Server,
    events: Events,
    local: Local,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    host: RwLock<Option<Arc<dyn Host>>>,
    leaving: CancellationToken,
    stopping: CancellationToken,
}

impl Agent {
    /// An agent that is a server itself. Everything that files define and earlier runs left is registered when this
    /// returns; `stopping` ends everything that waits. Must be called in the runtime.
    ///
    /// # Errors
    /// [`AgentError::Definition`].
    pub fn start(
        identity: Identity,
        server: Server,
        settings: LocalSettings,
        stopping: CancellationToken,
    ) -> Result<Arc<Agent>, AgentError> {
        let (shared, tickets) = Shared::new(&identity, &settings, stopping.clone());
        shared.load(settings.services, settings.check_definitions)?;
        let agent = Arc::new(Agent {
            identity,
            server,
            events: Events::default(),
            local: Local { shared: shared.clone() },
            tasks: Mutex::default(),
            host: RwLock::default(),
            leaving: CancellationToken::new(),
            stopping: stopping.clone(),
        });
        shared.begin(Arc::downgrade(&agent));
        tracing::info!(target: "agent", "started state syncer");
        *agent.tasks.lock() = vec![
            tokio::spawn(local::keep_in_sync(agent.clone(), tickets)),
            tokio::spawn(local::expire(shared, stopping)),
            tokio::spawn(local::reap(agent.clone())),
        ];
        Ok(agent)
    }

    /// Ends the agent's own tasks, then its server; returns when all have ended.
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
        self.server.stop().await;
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

    /// Asks a server; on a server, itself and in process.
    ///
    /// # Errors
    /// Whatever the method refuses, in the words clients match on.
    pub async fn call<M: Method>(&self, request: M::Request) -> Result<M::Reply, RpcError>
    where
        Server: Handle<M>,
    {
        <Server as Handle<M>>::handle(&self.server, request).await
    }

    /// The server in this process.
    pub fn server(&self) -> &Server {
        &self.server
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
        let filter = Filter::compile(&event).map_err(|e| RpcError::other(e.to_string()))?;
        event.id = uuid::Uuid::new_v4().to_string();
        event.version = event::EVENT_VERSION;
        event.ltime = 0;
        let request =
            EventFireRequest { datacenter: datacenter.to_owned(), event: event.clone(), token: token.to_owned() };
        self.call::<EventFire>(request).await?;
        if filter.matches_node(&self.identity.node_name) && filter.matches_service(&self.local.services()) {
            self.events.receive(event.clone());
        }
        Ok(event)
    }

    /// The whole state as an archive.
    ///
    /// # Errors
    /// `No cluster leader`, or what kept the archive from being written.
    pub async fn snapshot_save(&self, request: SnapshotRequest) -> Result<SavedSnapshot, RpcError> {
        self.server.snapshot_save(&request).await
    }

    /// Replaces the whole state by an archive's.
    ///
    /// # Errors
    /// `No cluster leader`, or what is wrong with the archive; the state is untouched then.
    pub async fn snapshot_restore(&self, request: SnapshotRequest, archive: File) -> Result<(), RpcError> {
        self.server.snapshot_restore(&request, archive).await
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

    /// Resolves once somebody asked the agent to leave.
    pub fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// Cancelled when the agent stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }
}
