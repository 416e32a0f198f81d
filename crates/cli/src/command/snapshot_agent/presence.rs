//! The snapshot agent among the services: registered with the local agent, with a check that says it is alive, and on
//! the leader one that says whether snapshots are saved.

use std::cell::RefCell;
use std::time::Duration;

use api::{Agent, AgentCheckRegistration, AgentServiceRegistration, Client, WriteOptions, format_duration};
use tokio::time::{sleep, timeout};

use super::log::Log;

/// A process that does not report for this long is in trouble.
const TTL: Duration = Duration::from_secs(30);
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long the local agent may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const UNKNOWN_CHECK_STATUS: u16 = 404;

const PASSING: &str = "passing";
const CRITICAL: &str = "critical";
const ALIVE_NAME: &str = "Consul Snapshot Agent Alive";
const SAVING_NAME: &str = "Consul Snapshot Agent Saving Snapshots";

pub(super) struct Presence<'a> {
    agent: Agent,
    log: &'a Log<'a>,
    service: String,
    id: String,
    deregister_after: Duration,
    /// How the last snapshot went; `None` unless this one leads.
    saving: RefCell<Option<Saving>>,
}

#[derive(Clone)]
struct Saving {
    status: &'static str,
    output: String,
}

/// Whether the last report arrived, so that a trouble is told once.
#[derive(PartialEq)]
enum Heard {
    Yes,
    No,
}

impl<'a> Presence<'a> {
    /// The service of this process. Its ID tells it from others of its name on the same agent.
    pub(super) fn new(client: &Client, log: &'a Log<'a>, service: &str, deregister_after: Duration) -> Presence<'a> {
        let uname = rustix::system::uname();
        let id = format!("{service}:{}:{}", uname.nodename().to_string_lossy(), std::process::id());
        let (agent, service) = (client.agent(), service.to_string());
        Presence { agent, log, service, id, deregister_after, saving: RefCell::new(None) }
    }

    /// Registers the service, alive.
    pub(super) async fn register(&self) -> Result<(), String> {
        let after = Some(self.deregister_after).filter(|after| !after.is_zero());
        let alive = AgentCheckRegistration {
            check_id: self.alive_id(),
            name: ALIVE_NAME.to_string(),
            status: PASSING.to_string(),
            deregister_critical_service_after: after.map(format_duration).unwrap_or_default(),
            ..AgentCheckRegistration::ttl(format_duration(TTL))
        };
        let service = AgentServiceRegistration {
            id: self.id.clone(),
            checks: vec![alive],
            ..AgentServiceRegistration::new(self.service.as_str())
        };
        in_time(self.agent.register_service(&service, &WriteOptions::new())).await.map_err(|e| e.text)
    }

    /// Reports, and never ends. An agent that has forgotten the service is told of it again.
    pub(super) async fn keep(&self) {
        let mut heard = Heard::Yes;
        loop {
            sleep(REPORT_INTERVAL).await;
            heard = match self.report().await {
                Ok(()) => Heard::Yes,
                Err(cause) => {
                    if heard == Heard::Yes {
                        self.log.warn(format!("The agent does not take reports of health: {cause}"));
                    }
                    Heard::No
                }
            };
        }
    }

    /// Adds the check of the leader.
    pub(super) async fn lead(&self) {
        self.set_saving(PASSING, "Leading, no snapshot saved yet.".to_string()).await;
    }

    /// Tells that a snapshot was saved.
    pub(super) async fn saved(&self, text: String) {
        self.set_saving(PASSING, text).await;
    }

    /// Tells that a snapshot failed.
    pub(super) async fn failed(&self, text: String) {
        self.set_saving(CRITICAL, text).await;
    }

    /// Removes the check of the leader.
    pub(super) async fn step_down(&self) {
        *self.saving.borrow_mut() = None;
        self.tolerate(self.agent.deregister_check(&self.saving_id(), &WriteOptions::new())).await;
    }

    /// Removes the service.
    pub(super) async fn deregister(&self) {
        self.tolerate(self.agent.deregister_service(&self.id, &WriteOptions::new())).await;
    }

    async fn set_saving(&self, status: &'static str, output: String) {
        let saving = Saving { status, output };
        *self.saving.borrow_mut() = Some(saving.clone());
        if let Err(cause) = self.report_saving(&saving).await {
            self.log.warn(format!("The agent does not take reports of health: {cause}"));
        }
    }

    async fn report(&self) -> Result<(), String> {
        match self.update(&self.alive_id(), PASSING, "").await {
            Ok(()) => {}
            Err(failure) if failure.is_unknown => self.register().await?,
            Err(failure) => return Err(failure.text),
        }
        let saving = self.saving.borrow().clone();
        match saving {
            Some(saving) => self.report_saving(&saving).await,
            None => Ok(()),
        }
    }

    async fn report_saving(&self, saving: &Saving) -> Result<(), String> {
        let id = self.saving_id();
        match self.update(&id, saving.status, &saving.output).await {
            Ok(()) => return Ok(()),
            Err(failure) if failure.is_unknown => {}
            Err(failure) => return Err(failure.text),
        }
        // Another report may have stepped down meanwhile.
        if self.saving.borrow().is_none() {
            return Ok(());
        }
        let check = AgentCheckRegistration {
            id: id.clone(),
            name: SAVING_NAME.to_string(),
            status: saving.status.to_string(),
            service_id: self.id.clone(),
            ..AgentCheckRegistration::ttl(format_duration(TTL))
        };
        in_time(self.agent.register_check(&check, &WriteOptions::new())).await.map_err(|e| e.text)?;
        self.update(&id, saving.status, &saving.output).await.map_err(|e| e.text)
    }

    async fn update(&self, id: &str, status: &str, output: &str) -> Result<(), Failure> {
        in_time(self.agent.update_ttl(id, status, output, &WriteOptions::new())).await
    }

    /// What cannot be removed is removed by the agent, when it has been critical for long enough.
    async fn tolerate(&self, removal: impl Future<Output = api::Result<()>>) {
        match in_time(removal).await {
            Ok(()) => {}
            Err(failure) if failure.is_unknown => {}
            Err(failure) => self.log.warn(format!("The agent does not take a deregistration: {}", failure.text)),
        }
    }

    fn alive_id(&self) -> String {
        format!("{}:alive", self.id)
    }

    fn saving_id(&self) -> String {
        format!("{}:saving", self.id)
    }
}

struct Failure {
    text: String,
    /// The agent does not know what the call is about.
    is_unknown: bool,
}

async fn in_time(call: impl Future<Output = api::Result<()>>) -> Result<(), Failure> {
    match timeout(ANSWER_TIMEOUT, call).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            Err(Failure { text: error.to_string(), is_unknown: error.status() == Some(UNKNOWN_CHECK_STATUS) })
        }
        Err(_) => {
            let text = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
            Err(Failure { text, is_unknown: false })
        }
    }
}
