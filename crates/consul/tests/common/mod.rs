//! A real agent process for tests, on loopback ports of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::{Client, Config, QueryOptions};

/// A fresh or restarted agent answers within this, even on a busy machine.
pub const READY_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// A durable single server that can be killed and started again on the same data.
pub struct Server {
    data_dir: PathBuf,
    ports: Ports,
    process: Option<Child>,
    pub client: Client,
}

#[derive(Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub dns: u16,
    pub server: u16,
    pub serf_lan: u16,
    pub serf_wan: u16,
    pub grpc_tls: u16,
}

impl Ports {
    /// Ports that were free a moment ago.
    pub fn free() -> Ports {
        let listeners: Vec<TcpListener> =
            (0..6).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
        let port = |n: usize| listeners[n].local_addr().expect("bound").port();
        Ports { http: port(0), dns: port(1), server: port(2), serf_lan: port(3), serf_wan: port(4), grpc_tls: port(5) }
    }

    pub fn hcl(&self) -> String {
        let Ports { http, dns, server, serf_lan, serf_wan, grpc_tls } = self;
        format!(
            "ports {{ http = {http} dns = {dns} server = {server} serf_lan = {serf_lan} serf_wan = {serf_wan} grpc_tls = {grpc_tls} }}"
        )
    }

    pub fn client(&self) -> Client {
        let config = Config::default().address(format!("127.0.0.1:{}", self.http));
        Client::new(config).expect("a plain HTTP client")
    }
}

/// The binary under test, with the environment's CONSUL_ settings removed.
pub fn consul() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consul"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONSUL_")) {
        command.env_remove(name);
    }
    command
}

impl Server {
    /// Starts a server on this data directory.
    pub async fn start(data_dir: &Path) -> Server {
        let ports = Ports::free();
        let mut server = Server { data_dir: data_dir.to_owned(), ports, process: None, client: ports.client() };
        server.spawn().await;
        server
    }

    /// Starts the process again, on the same data and ports.
    pub async fn spawn(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data_dir.with_extension("log"))
            .expect("a log file beside the data directory");
        let child = consul()
            .args(["agent", "-server", "-bootstrap-expect=1", "-bind=127.0.0.1", "-client=127.0.0.1", "-node=killed"])
            .arg(format!("-data-dir={}", self.data_dir.display()))
            .args(["-hcl", &self.ports.hcl(), "-hcl", "performance { raft_multiplier = 1 }"])
            .stdout(Stdio::from(log.try_clone().expect("a second handle")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the binary starts");
        self.process = Some(child);
        self.await_leader().await;
    }

    async fn await_leader(&mut self) {
        let begin = Instant::now();
        while begin.elapsed() < READY_DEADLINE {
            // A default read of any key answers only at a leader.
            if self.client.kv().get("ready", &QueryOptions::default()).await.is_ok() {
                return;
            }
            let exited = self.process.as_mut().and_then(|p| p.try_wait().expect("a child of ours"));
            assert!(exited.is_none(), "the server exited: {exited:?}\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
        panic!("the server did not become ready\n{}", self.log());
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child of ours");
            process.wait().expect("a child of ours");
        }
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Waits for the process to end by itself; answers its exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let mut process = self.process.take()?;
        let status = tokio::task::spawn_blocking(move || process.wait()).await.expect("waiting");
        status.expect("a child of ours").code()
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
