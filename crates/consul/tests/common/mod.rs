//! Real agent processes for tests, on loopback ports of their own. Every test program uses its own part of this.

#![allow(clippy::expect_used, reason = "functions shared by tests fail as loudly as tests")]
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test program uses its own part")]

mod process;
mod server;

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
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

    /// Address of the HTTP API.
    pub fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.http)
    }

    pub fn client(&self) -> Client {
        Client::new(Config::default().address(self.http_address())).expect("a plain HTTP client")
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
