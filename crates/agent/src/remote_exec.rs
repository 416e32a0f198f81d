//! Commands that `consul exec` runs on this node (`docs/spec/server-operations.md` §15.2). Off unless the configuration
//! allows it.

mod job;
mod output;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use types::method::{KeyRequest, KvApply, KvGet};
use types::{Consistency, DirEntry, Key, KvRequest, QueryOptions, RpcError};

use crate::Agent;
use job::Job;
use output::Output;

/// Exit code of a job that could not be started.
const NOT_STARTED: i32 = 255;
/// Bytes read from a command at once.
const READ_BYTES: usize = 4096;

/// Where the job is, as the event tells.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Announcement {
    prefix: String,
    session: String,
}

/// One job here: the keys it reads and writes.
struct Run {
    agent: Arc<Agent>,
    prefix: String,
    session: String,
}

/// Reads a job, runs it, and writes what it prints and how it ends.
pub(crate) async fn run(agent: Arc<Agent>, payload: Bytes) {
    let announced: Announcement = match serde_json::from_slice(&payload) {
        Ok(announced) => announced,
        Err(error) => {
            tracing::error!(target: "agent", error = %error, "failed to decode remote exec event");
            return;
        }
    };
    let run = Run { agent, prefix: announced.prefix, session: announced.session };
    if let Err(error) = run.whole().await {
        tracing::error!(target: "agent", error = %error, "remote exec failed");
    }
}

impl Run {
    async fn whole(&self) -> Result<(), RpcError> {
        let Some(job) = self.job().await? else { return Ok(()) };
        if !self.write("ack", Bytes::new()).await? {
            return Err(RpcError::other("failed to acknowledge remote exec job"));
        }
        let code = match job.command().await {
            Ok(mut prepared) => self.watched(&mut prepared.command, job.wait()).await?,
            Err(error) => {
                tracing::error!(target: "agent", error = %error, "failed to start remote exec");
                NOT_STARTED
            }
        };
        self.write("exit", Bytes::from(code.to_string())).await?;
        Ok(())
    }

    /// The job: from any server, and if that has not heard of it, from the leader.
    async fn job(&self) -> Result<Option<Job>, RpcError> {
        let key = format!("{}/{}/job", self.prefix, self.session);
        for consistency in [Consistency::Stale, Consistency::Consistent] {
            let options = QueryOptions { consistency, ..QueryOptions::default() };
            let request = KeyRequest { key: Key::from(key.as_str()), options };
            if let Some(entry) = self.agent.call::<KvGet>(request).await?.value {
                let job = serde_json::from_slice(&entry.value);
                return job
                    .map(Some)
                    .map_err(|error| RpcError::other(format!("failed to decode remote exec job: {error}")));
            }
        }
        tracing::warn!(target: "agent", key, "remote exec aborted: no such job");
        Ok(None)
    }

    /// Runs a command to its end; answers its exit code.
    async fn watched(&self, command: &mut tokio::process::Command, wait: Duration) -> Result<i32, RpcError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(target: "agent", error = %error, "failed to start remote exec");
                return Ok(NOT_STARTED);
            }
        };
        let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Ok(NOT_STARTED);
        };
        let mut output = Output::new(wait);
        let (mut from_stdout, mut from_stderr) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
        let (mut stdout_open, mut stderr_open) = (true, true);
        while stdout_open || stderr_open {
            tokio::select! {
                read = stdout.read(&mut from_stdout), if stdout_open => {
                    stdout_open = output.take(&from_stdout, &read);
                }
                read = stderr.read(&mut from_stderr), if stderr_open => {
                    stderr_open = output.take(&from_stderr, &read);
                }
                () = output.due() => output.flush(),
            }
            self.send(&mut output).await?;
        }
        output.end();
        self.send(&mut output).await?;
        let status = child.wait().await.map_err(|error| RpcError::other(error.to_string()))?;
        Ok(status.code().unwrap_or(NOT_STARTED))
    }

    async fn send(&self, output: &mut Output) -> Result<(), RpcError> {
        while let Some((number, chunk)) = output.next_chunk() {
            self.write(&format!("out/{number:05x}"), chunk).await?;
        }
        Ok(())
    }

    /// Writes a key of this node's, for as long as the job's session lives.
    async fn write(&self, name: &str, value: Bytes) -> Result<bool, RpcError> {
        let node = &self.agent.identity().node_name;
        let key = format!("{}/{}/{node}/{name}", self.prefix, self.session);
        let dir_ent =
            DirEntry { key: Key::from(key.as_str()), value, session: self.session.clone(), ..DirEntry::default() };
        let request = KvRequest {
            datacenter: self.agent.identity().datacenter.clone(),
            op: "lock".to_owned(),
            dir_ent,
            ..KvRequest::default()
        };
        self.agent.call::<KvApply>(request).await
    }
}
