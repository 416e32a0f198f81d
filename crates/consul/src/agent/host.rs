//! What surrounds a running agent: its configuration, and everything a reload may change.

use std::sync::{Arc, Weak};

use agent::{Agent, AgentError, Host};
use config::{BuildInfo, Environment, Flags, Loaded, RuntimeConfig};
use dns::DnsServer;
use http_api::HttpServer;
use parking_lot::Mutex;
use rpc::Door;
use telemetry::Logs;
use tokio::runtime::Handle;

use super::Prepared;
use super::cluster;
use super::settings;
use super::signals::Asked;
use super::start_error::StartError;
use super::watches::{self, Watches};

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
    dns: Option<Weak<DnsServer>>,
    door: Option<Weak<Door>>,
    runtime: Handle,
    watches: Mutex<Option<Watches>>,
}

impl ConfigHost {
    /// Takes over the configuration and starts its watches.
    pub(super) fn start(
        prepared: &Prepared,
        agent: &Arc<Agent>,
        http: &Arc<HttpServer>,
        dns: Option<&Arc<DnsServer>>,
        door: Option<&Arc<Door>>,
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
            dns: dns.map(Arc::downgrade),
            door: door.map(Arc::downgrade),
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
        // What can still refuse comes first: then nothing has changed.
        let dns = settings::dns(new);
        dns.check().map_err(|e| refused(&e))?;
        let _entered = self.runtime.enter();
        let watches = watches::Plan::new(new).map_err(|e| refused(&e))?;
        let agent = self.agent.upgrade();
        if let Some(agent) = &agent {
            self.runtime.block_on(agent.reload_definitions(new.services.clone(), new.checks.clone()))?;
        }
        let before = self.watches.lock().replace(watches.start());
        if let Some(before) = before {
            self.runtime.block_on(before.stop());
        }
        if let Err(error) = self.logs.set_level(&new.log.level) {
            tracing::warn!(target: "agent", error = %error, "log level unchanged");
        }
        if let Some(http) = self.http.upgrade() {
            http.set_max_conns_per_client(settings::max_conns(new));
        }
        if let Some(agent) = agent {
            if let Some(server) = agent.server() {
                server.set_snapshot_policy(settings::snapshot_policy(new));
            }
            let limits = cluster::client_settings(new);
            agent.set_rpc_limits(limits.rate, limits.burst, new.limits.rpc_client_timeout);
            agent.set_cache_limits(settings::cache_limits(new));
            agent.set_node_meta(settings::node_meta(new));
            agent.set_check_settings(settings::checks(new));
        }
        if let Some(door) = self.door.as_ref().and_then(Weak::upgrade) {
            let limits = cluster::door_settings(new);
            door.set_limits(limits.handshake_timeout, limits.max_conns_per_client);
        }
        if let Some(server) = self.dns.as_ref().and_then(Weak::upgrade) {
            server.set_settings(dns).map_err(|e| refused(&e))?;
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
