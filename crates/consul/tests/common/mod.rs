//! Real agent processes for tests, on loopback ports of their own. Every test program uses its own part of this.

#![allow(clippy::expect_used, reason = "functions shared by tests fail as loudly as tests")]
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test program uses its own part")]

mod process;
mod server;

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use api::{Client, Config};

pub use process::{Ended, Output, Process, run};
pub use rustix::process::Signal;
pub use server::Server;

/// What an agent or a command is waited for takes less than this, even on a busy machine.
pub const READY_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub dns: u16,
    pub server: u16,
    pub serf_lan: u16,
    pub serf_wan: u16,
    pub grpc_tls: u16,
}

/// Ports below those that the system gives to connections, so that none of these takes one between choosing and binding.
const PORTS: std::ops::Range<u32> = 10_000..32_000;
/// Test programs that run one after the other start at different places, and so do those that run at once.
static NEXT_PORT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(997)));

impl Ports {
    /// Ports that were free a moment ago.
    pub fn free() -> Ports {
        let port = || {
            (0..PORTS.len())
                .map(|_| NEXT_PORT.fetch_add(1, Ordering::Relaxed))
                .map(|n| (PORTS.start + n % (PORTS.end - PORTS.start)) as u16)
                .find(|&port| is_free(port))
                .expect("a free port")
        };
        Ports { http: port(), dns: port(), server: port(), serf_lan: port(), serf_wan: port(), grpc_tls: port() }
    }

    pub fn hcl(&self) -> String {
        let Ports { http, dns, server, serf_lan, serf_wan, grpc_tls } = self;
        format!(
            "ports {{ http = {http} dns = {dns} server = {server} serf_lan = {serf_lan} serf_wan = {serf_wan} grpc_tls = {grpc_tls} }}"
        )
    }

    /// Address of the HTTP API.
    pub fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.http)
    }

    pub fn client(&self) -> Client {
        Client::new(Config::default().address(self.http_address())).expect("a plain HTTP client")
    }
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

/// The binary under test, with the environment's CONSUL_ settings removed.
pub fn consul() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consul"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONSUL_")) {
        command.env_remove(name);
    }
    command
}

/// Asks again and again until there is an answer; panics, naming what was waited for, after the deadline.
pub async fn eventually<T, A>(what: &str, mut ask: impl FnMut() -> A) -> T
where
    A: Future<Output = Option<T>>,
{
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < READY_DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Panics when a wait takes longer than the deadline.
pub async fn in_time<T>(what: &str, waited: impl Future<Output = T>) -> T {
    tokio::time::timeout(READY_DEADLINE, waited).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
