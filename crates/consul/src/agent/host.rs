//! What surrounds a running agent: its configuration, and everything a reload may change.

use std::sync::{Arc, Weak};

use agent::{Agent, AgentError, Host};
use config::{BuildInfo, Environment, Flags, Loaded, RuntimeConfig};
use http_api::HttpServer;
use parking_lot::Mutex;
use telemetry::Logs;
use tokio::runtime::Handle;

use super::Prepared;
use super::settings;
use super::signals::Asked;
use super::start_error::StartError;
use super::watches::Watches;

/// The configuration an agent runs with, and the parts that follow it.
pub(super) struct ConfigHost {
    flags: Flags,
    node_id: String,
    /// As loaded last.
    current: Mutex<Loaded>,
    /// As loaded at the start: what operators see does not change with reloads.
    started: RuntimeConfig,
    logs: Logs,
    agent: Weak<Agent>,
    http: Weak<HttpServer>,
    runtime: Handle,
    watches: Mutex<Option<Watches>>,
}

impl ConfigHost {
    /// Takes over the configuration and starts its watches.
    pub(super) fn start(
        prepared: &Prepared,
        agent: &Arc<Agent>,
        http: &Arc<HttpServer>,
    ) -> Result<Arc<ConfigHost>, StartError> {
        let watches = Watches::start(&prepared.loaded.runtime)?;
        Ok(Arc::new(ConfigHost {
            flags: prepared.flags.clone(),
            node_id: prepared.node_id.clone(),
            started: prepared.loaded.runtime.clone(),
            current: Mutex::new(prepared.loaded.clone()),
            logs: prepared.logs.clone(),
            agent: Arc::downgrade(agent),
            http: Arc::downgrade(http),
            runtime: Handle::current(),
            watches: Mutex::new(Some(watches)),
        }))
    }

    /// Whether this signal makes the agent leave before it stops.
    pub(super) fn leaves_on(&self, asked: Asked) -> bool {
        let leave = &self.started.leave;
        match asked {
            Asked::Interrupt => !leave.skip_on_interrupt,
            Asked::Terminate => leave.on_terminate,
            Asked::Reload => false,
        }
    }

    /// Ends the watches and waits for their handlers' end.
    pub(super) async fn stop(&self) {
        let watches = self.watches.lock().take();
        if let Some(watches) = watches {
            watches.stop().await;
        }
    }

    fn load(&self) -> Result<Loaded, AgentError> {
        let loaded = config::load(&self.flags, &Environment::system()).map_err(|e| refused(&e))?;
        let missing = config::unavailable(&loaded);
        if missing.is_empty() {
            return Ok(loaded);
        }
        let missing = missing.iter().map(ToString::to_string).collect();
        Err(refused(&StartError::Unavailable(missing)))
    }

    /// Applies what may change while running, and says what may not.
    fn apply(&self, loaded: &Loaded) -> Result<(), AgentError> {
        let new = &loaded.runtime;
        settings::warn(loaded);
        for change in config::reload_diff(&self.current.lock(), loaded).needs_restart {
            tracing::warn!(target: "agent", key = change.key, "this change takes effect only after a restart");
        }
        // The watches first: they are the only part that can still refuse.
        let _entered = self.runtime.enter();
        let watches = Watches::start(new).map_err(|e| refused(&e))?;
        let before = self.watches.lock().replace(watches);
        if let Some(before) = before {
            self.runtime.block_on(before.stop());
        }
        if let Err(error) = self.logs.set_level(&new.log.level) {
            tracing::warn!(target: "agent", error = %error, "log level unchanged");
        }
        if let Some(http) = self.http.upgrade() {
            http.set_max_conns_per_client(settings::max_conns(new));
        }
        if let Some(agent) = self.agent.upgrade() {
            agent.server().set_snapshot_policy(settings::snapshot_policy(new));
            agent.server().set_node_meta(settings::node_meta(new));
        }
        Ok(())
    }
}

impl Host for ConfigHost {
    fn reload(&self) -> Result<(), AgentError> {
        tracing::info!(target: "agent", "Reloading configuration...");
        let loaded = self.load()?;
        self.apply(&loaded)?;
        *self.current.lock() = loaded;
        Ok(())
    }

    fn debug_config(&self) -> serde_json::Value {
        let build = BuildInfo {
            version: types::COMPATIBLE_VERSION,
            build_date: "2022-11-30 16:24:29 +0000 UTC",
            ..BuildInfo::default()
        };
        self.started.debug_json(&self.node_id, &build)
    }
}

fn refused(error: &dyn std::fmt::Display) -> AgentError {
    AgentError::Reload(error.to_string())
}
