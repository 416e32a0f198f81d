//! Hands a job to the nodes and prints what they write.

use std::time::{Duration, Instant};

use api::{Client, FireRequest, KvPair, QueryOptions, ServiceQuery, SessionBehavior, SessionRequest};
use serde::Serialize;
use wire::json::base64_bytes;

use super::progress::{News, Progress};
use crate::client::{read_options, write_options};
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::signal::Signals;

/// Event that makes agents look for the job.
const EVENT: &str = "_rexec";
/// A job lives as long as its session, which is renewed meanwhile.
const SESSION_TTL: Duration = Duration::from_secs(15);
/// The exit code when a node reported failure or did not finish.
const NODES_FAILED_EXIT: i32 = 2;

/// What the nodes are to run.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Job {
    #[serde(skip_serializing_if = "String::is_empty")]
    command: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    script: String,
    /// Nanoseconds.
    wait: i64,
}

impl Job {
    /// The job that arguments and standard input describe.
    pub(super) fn of(invocation: &Invocation<'_>) -> Result<Job, Error> {
        let (args, values) = (&invocation.args, &invocation.values);
        let mut job =
            Job { command: String::new(), args: Vec::new(), script: String::new(), wait: values.duration("wait").0 };
        if args.as_slice() == ["-"] {
            let read = invocation.terminal.read_input();
            let script = read.map_err(|e| Error::failed(format!("Failed to read stdin: {e}")))?;
            job.script = base64_bytes::encode(&script);
        } else if values.bool("shell") {
            job.command = args.join(" ");
        } else {
            job.args.clone_from(args);
        }
        Ok(job)
    }
}

/// Where a job's event tells that it is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Announcement<'a> {
    prefix: &'a str,
    session: &'a str,
}

pub(super) async fn run(invocation: &Invocation<'_>, client: Client, job: Job) -> Outcome {
    let mut signals = Signals::listen()?;
    let begin = Instant::now();
    let session = session(invocation, &client).await?;
    let failed = |what: &str, e: &dyn std::fmt::Display| Error::failed(format!("Failed to {what}: {e}"));
    let heartbeat = client.session().create_renewed(&session, SESSION_TTL, &write_options()).await;
    let heartbeat = heartbeat.map_err(|e| failed("create session", &e))?;
    let run = Run { invocation, client: &client, session: heartbeat.id().to_string() };
    run.explain(|| format!("Created remote execution session: {}", run.session));
    let outcome = tokio::select! {
        outcome = run.to_the_end(&job) => outcome,
        _ = signals.next() => Err(Error::Exit(1)),
    };
    run.explain(|| format!("Completed in {:.2} seconds", begin.elapsed().as_secs_f64()));
    let cleared = client.kv().delete_tree(&run.directory(), &write_options()).await;
    if let Err(error) = cleared {
        invocation.terminal.complain(format!("Failed to cleanup job data: {error}"));
    }
    if let Err(error) = heartbeat.stop().await {
        invocation.terminal.complain(format!("Failed to destroy session: {error}"));
    }
    outcome
}

/// The session the job lives in. In another datacenter it is bound to a server there, without checks.
async fn session(invocation: &Invocation<'_>, client: &Client) -> Result<SessionRequest, Error> {
    let failed = |e| Error::failed(format!("Error querying Consul agent: {e}"));
    let agent = client.agent().self_info(&read_options(invocation)).await.map_err(failed)?;
    let own = |name| agent.config_text(name).unwrap_or_default();
    let (own_datacenter, own_node) = (own("Datacenter"), own("NodeName"));
    let wanted = invocation.values.text("datacenter");
    if wanted.is_empty() || wanted == own_datacenter {
        return Ok(SessionRequest::new().name("Remote Exec").behavior(SessionBehavior::Delete).ttl(SESSION_TTL));
    }
    let query = ServiceQuery::new("consul").passing();
    let found = client.health().service(query, &QueryOptions::new()).await;
    let (found, _) =
        found.map_err(|e| Error::failed(format!("Failed to find Consul server in remote datacenter: {e}")))?;
    let server = found.first().ok_or_else(|| Error::failed("Failed to find Consul server in remote datacenter"))?;
    Ok(SessionRequest::new()
        .name(format!("Remote Exec via {own_node}@{own_datacenter}"))
        .node(server.node.node.clone())
        .node_checks(Vec::<String>::new())
        .behavior(SessionBehavior::Delete)
        .ttl(SESSION_TTL))
}

struct Run<'a> {
    invocation: &'a Invocation<'a>,
    client: &'a Client,
    session: String,
}

impl Run<'_> {
    fn prefix(&self) -> &str {
        self.invocation.values.text("prefix")
    }

    /// Everything of this job is below it.
    fn directory(&self) -> String {
        format!("{}/{}/", self.prefix(), self.session)
    }

    fn explain(&self, text: impl FnOnce() -> String) {
        if self.invocation.values.bool("verbose") {
            self.invocation.terminal.say(text());
        }
    }

    async fn to_the_end(&self, job: &Job) -> Outcome {
        self.upload(job).await?;
        self.announce().await?;
        let (progress, bad_exit) = self.follow().await?;
        self.invocation
            .terminal
            .say(format!("{} / {} node(s) completed / acknowledged", progress.finished, progress.acknowledged));
        if bad_exit || progress.is_waited_for() { Err(Error::Exit(NODES_FAILED_EXIT)) } else { Ok(()) }
    }

    async fn upload(&self, job: &Job) -> Outcome {
        let failed = |cause: &dyn std::fmt::Display| Error::failed(format!("Failed to create job file: {cause}"));
        let body = serde_json::to_vec(job).map_err(|e| failed(&e))?;
        let mut pair = KvPair::new(format!("{}job", self.directory()), body);
        pair.session.clone_from(&self.session);
        if !self.client.kv().acquire(&pair, &write_options()).await.map_err(|e| failed(&e))? {
            return Err(failed(&"the session is gone"));
        }
        self.explain(|| "Uploaded remote execution spec".to_string());
        Ok(())
    }

    async fn announce(&self) -> Outcome {
        let values = &self.invocation.values;
        tokio::time::sleep(Duration::from_nanos(u64::try_from(values.duration("wait-repl").0).unwrap_or_default()))
            .await;
        let failed = |cause: &dyn std::fmt::Display| Error::failed(format!("Failed to fire event: {cause}"));
        let announcement = Announcement { prefix: self.prefix(), session: &self.session };
        let payload = serde_json::to_vec(&announcement).map_err(|e| failed(&e))?;
        let request = FireRequest::new(EVENT)
            .payload(payload)
            .node_filter(values.text("node"))
            .service_filter(values.text("service"))
            .tag_filter(values.text("tag"));
        let id = self.client.event().fire(&request, &write_options()).await.map_err(|e| failed(&e))?;
        self.explain(|| format!("Fired remote execution event: {id}"));
        Ok(())
    }

    /// Prints what comes until all is quiet; answers who took part, and whether a node failed.
    async fn follow(&self) -> Result<(Progress, bool), Error> {
        let wait = Duration::from_nanos(u64::try_from(self.invocation.values.duration("wait").0).unwrap_or_default());
        let (mut progress, mut bad_exit, mut index) = (Progress::default(), false, 0);
        let mut last_news = Instant::now();
        let directory = self.directory();
        loop {
            let options = QueryOptions::new().index(index).wait(wait);
            let listed = self.client.kv().keys(&directory, "", &options).await;
            let (keys, meta) = listed.map_err(|e| Error::failed(format!("Failed to list keys: {e}")))?;
            index = meta.last_index;
            for news in progress.news(&directory, keys) {
                last_news = Instant::now();
                bad_exit |= self.tell(news).await?;
            }
            let quiet = if progress.is_waited_for() { wait * 2 } else { wait };
            if last_news.elapsed() >= quiet {
                return Ok((progress, bad_exit));
            }
        }
    }

    /// Prints one piece of news; answers whether it is a failure.
    async fn tell(&self, news: News) -> Result<bool, Error> {
        let terminal = self.invocation.terminal;
        match news {
            News::Acknowledged { node } => {
                self.explain(|| format!("==> {node}: acknowledged"));
                Ok(false)
            }
            News::Printed { node, key } => {
                let value = self.value(&key).await?;
                if value.is_empty() {
                    self.explain(|| format!("==> {node}: heartbeat received"));
                } else {
                    for line in String::from_utf8_lossy(&value).trim_end_matches('\n').split('\n') {
                        terminal.say(format!("    {node}: {line}"));
                    }
                }
                Ok(false)
            }
            News::Finished { node, key } => {
                let value = self.value(&key).await?;
                let code = String::from_utf8_lossy(&value).into_owned();
                terminal.say(format!("==> {node}: finished with exit code {code}"));
                Ok(code != "0")
            }
        }
    }

    async fn value(&self, key: &str) -> Result<Vec<u8>, Error> {
        let found = self.client.kv().get(key, &QueryOptions::new()).await;
        let (pair, _) = found.map_err(|e| Error::failed(format!("Failed to read key: {e}")))?;
        Ok(pair.map(|pair| pair.value).unwrap_or_default())
    }
}
