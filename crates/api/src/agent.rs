//! The agent itself (`docs/spec/http-api.md §3`).

mod metrics;
mod registration;
mod report;

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::{
    metrics::{Metric, MetricSample, Metrics},
    registration::{AgentCheckRegistration, AgentServiceRegistration, ConnectRegistration},
    report::{AgentCheck, AgentMember, AgentSelf, LocalHealth, MemberStatus},
};
use crate::{AgentService, Client, LineStream, QueryMeta, QueryOptions, Request, Result, Watch, WriteOptions};

/// The agent; [`Client::agent`] makes one.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(crate) client: Client,
}

/// Which members [`Agent::members`] lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MembersOptions {
    /// The pool between datacenters instead of the local one.
    pub wan: bool,
    /// Network segment; `_all` or empty in the open-source reference.
    pub segment: String,
}

impl MembersOptions {
    /// The local pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pool between datacenters.
    pub fn wan(mut self) -> Self {
        self.wan = true;
        self
    }

    /// Sets [`segment`](Self::segment).
    pub fn segment(mut self, segment: impl Into<String>) -> Self {
        self.segment = segment.into();
        self
    }
}

/// Which of the agent's tokens [`Agent::set_token`] replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Of requests without a token.
    Default,
    /// Of the agent's own work.
    Agent,
    /// Of operators while the servers are unreachable.
    AgentRecovery,
    /// Of replication from the primary datacenter.
    Replication,
}

impl TokenKind {
    fn path(self) -> &'static str {
        match self {
            TokenKind::Default => "default",
            TokenKind::Agent => "agent",
            TokenKind::AgentRecovery => "agent_recovery",
            TokenKind::Replication => "replication",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewToken<'a> {
    token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CheckUpdate<'a> {
    status: &'a str,
    output: &'a str,
}

impl Agent {
    /// Configuration, statistics and membership of the agent.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse),
    /// [`Error::Decode`](crate::Error::Decode).
    pub async fn self_info(&self, options: &QueryOptions) -> Result<AgentSelf> {
        self.read("/v1/agent/self", options).await
    }

    /// Memory, processors, disk and operating system of the agent's host, as the agent's libraries report them.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn host(&self, options: &QueryOptions) -> Result<BTreeMap<String, Value>> {
        self.read("/v1/agent/host", options).await
    }

    /// The most recent finished interval of metrics.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn metrics(&self, options: &QueryOptions) -> Result<Metrics> {
        self.read("/v1/agent/metrics", options).await
    }

    /// Metrics in the Prometheus text format.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn metrics_prometheus(&self, options: &QueryOptions) -> Result<String> {
        let request = self.client.get("/v1/agent/metrics").param("format", "prometheus").query_options(options);
        request.send().await?.ok().await?.text().await
    }

    /// Metrics as they come, one JSON object of several lines an interval.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn metrics_stream(&self, options: &QueryOptions) -> Result<LineStream> {
        let request = self.client.get("/v1/agent/metrics/stream").query_options(options);
        Ok(request.send().await?.ok().await?.into_lines())
    }

    /// Gossip members.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn members(&self, members: &MembersOptions, options: &QueryOptions) -> Result<Vec<AgentMember>> {
        let mut request = self.client.get("/v1/agent/members");
        if !members.segment.is_empty() {
            request = request.param("segment", &members.segment);
        }
        if members.wan {
            request = request.param("wan", "1");
        }
        let members: Option<_> = request.query_options(options).send().await?.ok().await?.json().await?;
        Ok(members.unwrap_or_default())
    }

    /// Services registered with this agent, by ID; honours `filter`.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn services(&self, options: &QueryOptions) -> Result<BTreeMap<String, AgentService>> {
        self.read("/v1/agent/services", options).await
    }

    /// One service registered with this agent. Blocks with `hash`, not `index`; an unknown ID is a 404.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn service(&self, id: &str, options: &QueryOptions) -> Result<(AgentService, QueryMeta)> {
        self.client.query(&format!("/v1/agent/service/{id}"), options).await
    }

    /// Follows one service registered with this agent.
    pub fn watch_service(&self, id: impl Into<String>, options: QueryOptions) -> Watch<AgentService> {
        let (agent, id) = (self.clone(), id.into());
        Watch::new(options, move |options| {
            let (agent, id) = (agent.clone(), id.clone());
            async move { agent.service(&id, &options).await }
        })
    }

    /// Checks registered with this agent, by ID; honours `filter`.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn checks(&self, options: &QueryOptions) -> Result<BTreeMap<String, AgentCheck>> {
        self.read("/v1/agent/checks", options).await
    }

    /// Health of one local service and its checks; `None` when the agent has no such service.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn health_by_id(&self, id: &str, options: &QueryOptions) -> Result<Option<LocalHealth>> {
        let answer = self.health(&format!("id/{id}"), options).await?;
        if answer.status() == 404 {
            answer.bytes().await?;
            return Ok(None);
        }
        answer.json().await.map(Some)
    }

    /// Health of every local instance of a service and its checks; none when the agent has no such service.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn health_by_name(&self, name: &str, options: &QueryOptions) -> Result<Vec<LocalHealth>> {
        let answer = self.health(&format!("name/{name}"), options).await?;
        if answer.status() == 404 {
            answer.bytes().await?;
            return Ok(Vec::new());
        }
        answer.json().await
    }

    /// Registers a service, with its checks and proxy.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn register_service(&self, service: &AgentServiceRegistration, options: &WriteOptions) -> Result<()> {
        let mut request = self.client.put("/v1/agent/service/register");
        if service.replace_existing_checks {
            request = request.param("replace-existing-checks", "true");
        }
        request.write_options(options).json(service).send_empty().await
    }

    /// Deregisters a service and its checks; an unknown ID is a 404.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn deregister_service(&self, id: &str, options: &WriteOptions) -> Result<()> {
        self.act(&format!("/v1/agent/service/deregister/{id}"), options).await
    }

    /// Registers a check.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn register_check(&self, check: &AgentCheckRegistration, options: &WriteOptions) -> Result<()> {
        self.client.write_empty("/v1/agent/check/register", check, options).await
    }

    /// Deregisters a check; an unknown ID is a 404.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn deregister_check(&self, id: &str, options: &WriteOptions) -> Result<()> {
        self.act(&format!("/v1/agent/check/deregister/{id}"), options).await
    }

    /// Sets status (`passing`, `warning`, `critical`) and output of a TTL check.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn update_ttl(&self, id: &str, status: &str, output: &str, options: &WriteOptions) -> Result<()> {
        let path = format!("/v1/agent/check/update/{id}");
        self.client.write_empty(&path, &CheckUpdate { status, output }, options).await
    }

    /// Makes the agent join the pool of `address`, or with `wan` the pool between datacenters.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn join(&self, address: &str, wan: bool, options: &WriteOptions) -> Result<()> {
        let request = self.client.put(format!("/v1/agent/join/{address}"));
        let request = if wan { request.param("wan", "1") } else { request };
        request.write_options(options).send_empty().await
    }

    /// Makes the agent leave its pool and stop.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn leave(&self, options: &WriteOptions) -> Result<()> {
        self.act("/v1/agent/leave", options).await
    }

    /// Declares a failed member as left; `prune` also forgets it, `wan` acts on the pool between datacenters alone.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn force_leave(&self, node: &str, prune: bool, wan: bool, options: &WriteOptions) -> Result<()> {
        let mut request = self.client.put(format!("/v1/agent/force-leave/{node}"));
        for (wanted, name) in [(prune, "prune"), (wan, "wan")] {
            if wanted {
                request = request.param(name, "1");
            }
        }
        request.write_options(options).send_empty().await
    }

    /// Makes the agent read its configuration again.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn reload(&self, options: &WriteOptions) -> Result<()> {
        self.act("/v1/agent/reload", options).await
    }

    /// Takes the whole node out of service; `reason` is shown to people.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn enable_node_maintenance(&self, reason: &str, options: &WriteOptions) -> Result<()> {
        self.maintenance("/v1/agent/maintenance", Some(reason), options).await
    }

    /// Takes the node back into service.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn disable_node_maintenance(&self, options: &WriteOptions) -> Result<()> {
        self.maintenance("/v1/agent/maintenance", None, options).await
    }

    /// Takes one local service out of service; `reason` is shown to people.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn enable_service_maintenance(&self, id: &str, reason: &str, options: &WriteOptions) -> Result<()> {
        self.maintenance(&format!("/v1/agent/service/maintenance/{id}"), Some(reason), options).await
    }

    /// Takes one local service back into service.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn disable_service_maintenance(&self, id: &str, options: &WriteOptions) -> Result<()> {
        self.maintenance(&format!("/v1/agent/service/maintenance/{id}"), None, options).await
    }

    /// The agent's log as it is written, from now on. `level` is one of `trace`, `debug`, `info`, `warn`, `err`; empty
    /// means `info`.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn monitor(&self, level: &str, options: &QueryOptions) -> Result<LineStream> {
        self.follow_log(level, self.client.get("/v1/agent/monitor"), options).await
    }

    /// As [`Agent::monitor`], one JSON object a line.
    ///
    /// # Errors
    /// As [`Agent::self_info`].
    pub async fn monitor_json(&self, level: &str, options: &QueryOptions) -> Result<LineStream> {
        self.follow_log(level, self.client.get("/v1/agent/monitor").param("logjson", "true"), options).await
    }

    /// Replaces one of the agent's tokens.
    ///
    /// # Errors
    /// As [`Agent::self_info`]; 401 while ACLs are off.
    pub async fn set_token(&self, kind: TokenKind, token: &str, options: &WriteOptions) -> Result<()> {
        self.client.write_empty(&format!("/v1/agent/token/{}", kind.path()), &NewToken { token }, options).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, options: &QueryOptions) -> Result<T> {
        Ok(self.client.query(path, options).await?.0)
    }

    async fn act(&self, path: &str, options: &WriteOptions) -> Result<()> {
        self.client.put(path).write_options(options).send_empty().await
    }

    /// The status code repeats the health: 200 passing, 429 warning, 503 critical or maintenance.
    async fn health(&self, path: &str, options: &QueryOptions) -> Result<crate::Response> {
        let request = self.client.get(format!("/v1/agent/health/service/{path}")).query_options(options);
        request.send().await?.expect(&[200, 404, 429, 503]).await
    }

    async fn maintenance(&self, path: &str, enable: Option<&str>, options: &WriteOptions) -> Result<()> {
        let request = self.client.put(path);
        let request = match enable {
            Some(reason) => request.param("enable", "true").param("reason", reason),
            None => request.param("enable", "false"),
        };
        request.write_options(options).send_empty().await
    }

    async fn follow_log(&self, level: &str, request: Request, options: &QueryOptions) -> Result<LineStream> {
        let request = if level.is_empty() { request } else { request.param("loglevel", level) };
        Ok(request.query_options(options).send().await?.ok().await?.into_lines())
    }
}
