//! Starts a real agent for examples and tests. Behind the feature `test-support`; not part of the public interface.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    runtime::Runtime,
    task::JoinHandle,
    time::timeout,
};

use crate::{Client, Config, QueryOptions, Result};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// A port found free may be taken before the agent binds it.
const START_ATTEMPTS: usize = 3;

/// A development agent on ports of its own; killed when dropped.
#[derive(Debug)]
pub struct TestAgent {
    http_addr: String,
    /// Kills the agent when dropped.
    process: Child,
    /// Empties the agent's output, which would otherwise block it.
    _log: JoinHandle<()>,
}

/// Runs an example against a fresh agent.
///
/// # Panics
/// When there is no agent to start or the example fails; only tests call this.
pub fn run<E, A>(example: E)
where
    E: FnOnce(TestAgent) -> A,
    A: Future<Output = Result<()>>,
{
    let outcome = Runtime::new().and_then(|runtime| {
        runtime.block_on(async {
            let agent = TestAgent::start().await?;
            example(agent).await.map_err(io::Error::other)
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

impl TestAgent {
    /// Starts an agent and waits until its node is healthy, so that sessions can be created.
    ///
    /// # Errors
    /// When there is no program to start, or it does not come up within a minute.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(&[]).await
    }

    /// As [`TestAgent::start`], with further arguments.
    ///
    /// # Errors
    /// As [`TestAgent::start`].
    pub async fn start_with(arguments: &[&str]) -> io::Result<Self> {
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match timeout(START_TIMEOUT, Self::try_start(arguments)).await {
                Ok(Ok(agent)) => return Ok(agent),
                Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(io::Error::other("the agent did not come up in time")),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no attempt was made")))
    }

    /// `ip:port` of the HTTP API.
    pub fn http_addr(&self) -> &str {
        &self.http_addr
    }

    /// A client of this agent.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self) -> Result<Client> {
        Client::new(Config::default().address(&self.http_addr))
    }

    /// Ends the agent at once, as a crash would.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.process.kill().await
    }

    async fn try_start(arguments: &[&str]) -> io::Result<Self> {
        let program = program()?;
        let [http, server, lan, wan, grpc] = free_ports()?;
        let mut process = Command::new(&program)
            .args([
                "agent",
                "-dev",
                "-bind",
                "127.0.0.1",
                "-client",
                "127.0.0.1",
                "-log-level",
                "info",
                "-dns-port",
                "-1",
            ])
            .args(["-hcl", &format!("ports {{ grpc_tls = -1 serf_lan = {lan} serf_wan = {wan} server = {server} }}")])
            .args(["-http-port", &http.to_string(), "-grpc-port", &grpc.to_string()])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display())))?;
        let output = process.stdout.take().ok_or_else(|| io::Error::other("the agent has no output"))?;
        let mut lines = BufReader::new(output).lines();
        until_running(&mut lines).await?;
        let log = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let agent = TestAgent { http_addr: format!("127.0.0.1:{http}"), process, _log: log };
        agent.until_healthy().await.map_err(io::Error::other)?;
        Ok(agent)
    }

    /// Sessions need the node's `serfHealth` check, which the leader registers.
    async fn until_healthy(&self) -> Result<()> {
        let health = self.client()?.health();
        let mut query = QueryOptions::new();
        loop {
            match health.state("passing", &query).await {
                Ok((checks, _)) if checks.iter().any(|check| check.check_id == "serfHealth") => return Ok(()),
                Ok((_, meta)) => query = query.index(meta.last_index),
                // No leader yet; the agent itself waited a while before saying so.
                Err(error) if error.status() == Some(500) => (),
                Err(error) => return Err(error),
            }
        }
    }
}

async fn until_running(lines: &mut Lines<BufReader<ChildStdout>>) -> io::Result<()> {
    let mut seen = String::new();
    while let Some(line) = lines.next_line().await? {
        if line.contains("Consul agent running!") {
            return Ok(());
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    Err(io::Error::other(format!("the agent ended at once:\n{seen}")))
}

/// `CONSUL_BIN`, else the program built next to the running test, else the one in the workspace's target folder.
///
/// # Errors
/// When there is none.
pub fn program() -> io::Result<PathBuf> {
    if let Some(path) = std::env::var_os("CONSUL_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("consul"));
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let built = ["debug", "release"].map(|profile| target.join(profile).join("consul"));
    beside.chain(built).find(|path| path.is_file()).ok_or_else(|| {
        let text = "no consul program found: build it (cargo build -p consul) or name one in CONSUL_BIN";
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

/// Ports free for both TCP and UDP, all held until all are found.
///
/// # Errors
/// When the system has none left.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = tcp.local_addr()?.port();
        held.push((tcp, UdpSocket::bind((Ipv4Addr::LOCALHOST, *port))?));
    }
    Ok(ports)
}
