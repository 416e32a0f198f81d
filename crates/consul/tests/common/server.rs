//! A durable single server that can be stopped or killed and started again on the same data.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use api::{Client, QueryOptions};

use super::process::{Ended, Process, run};
use super::{POLL, Ports, READY_DEADLINE, Signal, consul, eventually};

pub const NODE: &str = "tested";

pub struct Server {
    data_dir: PathBuf,
    /// More arguments of `consul agent`; they may be changed between starts.
    pub arguments: Vec<String>,
    pub ports: Ports,
    process: Option<Process>,
    /// Log of the processes before.
    before: String,
    pub client: Client,
}

impl Server {
    /// Starts a server on this data directory.
    pub async fn start(data_dir: &Path) -> Server {
        Server::start_with(data_dir, &[]).await
    }

    /// Starts a server with more arguments.
    pub async fn start_with(data_dir: &Path, arguments: &[&str]) -> Server {
        let mut server = Server::new(data_dir, arguments);
        server.spawn().await;
        server
    }

    /// A server that is not started yet.
    pub fn new(data_dir: &Path, arguments: &[&str]) -> Server {
        let ports = Ports::free();
        Server {
            data_dir: data_dir.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            ports,
            process: None,
            before: String::new(),
            client: ports.client(),
        }
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = consul();
        command
            .args(["agent", "-server", "-bootstrap-expect=1", "-bind=127.0.0.1", "-client=127.0.0.1"])
            .arg(format!("-node={NODE}"))
            .arg(format!("-data-dir={}", self.data_dir.display()))
            .args(["-hcl", &self.ports.hcl(), "-hcl", "performance { raft_multiplier = 1 }"])
            .args(&self.arguments);
        command
    }

    /// Starts the process again, on the same data and ports.
    pub async fn spawn(&mut self) {
        let command = self.command();
        self.spawn_as(command).await;
    }

    /// Starts the process by another command, one that ends in this server's.
    pub async fn spawn_as(&mut self, mut command: Command) {
        self.process = Some(Process::spawn(&mut command));
        self.await_leader().await;
    }

    async fn await_leader(&mut self) {
        let begin = Instant::now();
        while begin.elapsed() < READY_DEADLINE {
            // A default read of any key answers only at a leader.
            if self.client.kv().get("ready", &QueryOptions::default()).await.is_ok() {
                return;
            }
            let ended = self.process.as_mut().is_some_and(Process::has_ended);
            assert!(!ended, "the server exited\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
        panic!("the server did not become ready\n{}", self.log());
    }

    /// Waits until the catalog has the server's own node with its health check.
    pub async fn await_registered(&self) {
        eventually("the server's node in the catalog", || async {
            let checks = self.client.health().node(NODE, &QueryOptions::default()).await;
            checks.is_ok_and(|(checks, _)| !checks.is_empty()).then_some(())
        })
        .await;
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.before.push_str(&process.stdout.text());
        }
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the server runs")
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> Ended {
        let ended = self.process().ended().await;
        self.process = None;
        self.before.push_str(&ended.stdout);
        ended
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) -> Ended {
        self.process().signal(Signal::TERM);
        self.ended().await
    }

    /// What the server logged so far, over all its processes.
    pub fn log(&self) -> String {
        let now = self.process.as_ref().map(|process| process.stdout.text() + &process.stderr.text());
        self.before.clone() + &now.unwrap_or_default()
    }

    /// Runs a command against this server.
    pub async fn cli(&self, arguments: &[&str]) -> Ended {
        run(&mut self.cli_command(arguments)).await
    }

    pub fn cli_command(&self, arguments: &[&str]) -> Command {
        let mut command = consul();
        command.args(arguments).env("CONSUL_HTTP_ADDR", self.ports.http_address());
        command
    }
}
