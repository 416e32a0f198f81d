//! Puts an agent together from the floors below, runs it, and takes it apart again (`docs/spec/cli.md` §2).

mod banner;
mod cluster;
mod gauges;
mod host;
mod listeners;
mod pid_file;
mod settings;
mod signals;
mod start_error;
mod tls;
mod watches;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use agent::Agent;
use agent::join::{RetryJoin, retry_join};
use cli::AgentInvocation;
use config::{Environment, Flags, Loaded, RuntimeConfig};
use dns::DnsServer;
use http_api::HttpServer;
use telemetry::Logs;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use banner::Banner;
use cluster::Cluster;
use host::ConfigHost;
use pid_file::PidFile;
use signals::{Asked, Signals};
use start_error::StartError;

const EXIT_OK: i32 = 0;
const EXIT_FAILURE: i32 = 1;
/// A graceful leave may take this long.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(15);
/// An ordinary stop takes milliseconds; what hangs longer is abandoned.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs `consul agent` until it ends; answers the exit code.
pub(crate) fn run(invocation: AgentInvocation) -> i32 {
    let flags = Flags::from_pairs(invocation.flags.given().map(|(name, value)| -> (&str, &str) { (name, value) }));
    match flags.map_err(StartError::Flags).and_then(prepare) {
        Ok(prepared) => prepared.run(),
        Err(error) => refuse(&error),
    }
}

/// Says on stderr why the agent does not start.
fn refuse(error: &dyn std::fmt::Display) -> i32 {
    // With a closed stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "==> {error}");
    EXIT_FAILURE
}

/// Everything that is checked before the banner.
struct Prepared {
    flags: Flags,
    loaded: Loaded,
    logs: Logs,
    node_id: String,
    https: Arc<rustls::ServerConfig>,
}

fn prepare(flags: Flags) -> Result<Prepared, StartError> {
    let environment = Environment::system();
    let loaded = config::load(&flags, &environment)?;
    let missing = config::unavailable(&loaded);
    if !missing.is_empty() {
        return Err(StartError::Unavailable(missing.iter().map(ToString::to_string).collect()));
    }
    let logs = telemetry::init(settings::logs(&loaded.runtime.log)?).map_err(StartError::Logging)?;
    settings::warn(&loaded);
    let node_id = config::node_id(&loaded.runtime, &environment)?;
    let https = tls::server_config(&loaded.runtime.tls.https)?;
    Ok(Prepared { flags, loaded, logs, node_id, https })
}

impl Prepared {
    fn run(self) -> i32 {
        let logs = self.logs.clone();
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("agent").build() {
            Ok(runtime) => runtime,
            Err(error) => return refuse(&error),
        };
        self.print_banner();
        logs.release();
        let code = runtime.block_on(self.serve());
        tracing::info!(target: "agent", code, "Exit code");
        logs.flush();
        // Everything of ours has ended; what a library may have left must not keep the process.
        runtime.shutdown_timeout(Duration::ZERO);
        code
    }

    fn print_banner(&self) {
        if self.loaded.runtime.log.json {
            return;
        }
        let text = Banner::new(&self.loaded.runtime, &self.node_id).to_string();
        // With a closed stdout there is nobody to tell.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    async fn serve(self) -> i32 {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return failed(&StartError::Signals(error)),
        };
        let stopping = CancellationToken::new();
        let started = tokio::select! {
            started = self.start(stopping.clone()) => started,
            asked = stop_asked(&mut signals) => {
                tracing::info!(target: "agent", signal = asked.name(), "Caught");
                return EXIT_FAILURE;
            }
        };
        match started {
            Ok(running) => running.until_stopped(signals).await,
            Err(error) => failed(&error),
        }
    }

    async fn start(&self, stopping: CancellationToken) -> Result<Running, StartError> {
        let config = &self.loaded.runtime;
        settings::make_data_dir(config)?;
        telemetry::metrics::configure(settings::metrics(config));
        let sockets = listeners::bind(config, self.https.clone())?;
        let local = settings::local(config)?;
        let identity = settings::identity(config, &self.node_id);
        let (mut cluster, servers) = Cluster::start(config, &self.node_id, stopping.clone()).await?;
        let agent = Agent::start(identity, servers, cluster.pools.clone(), local, settings::kept(config), stopping)?;
        let opened = match join(&agent, config).await {
            Ok(()) => self.open_doors(&agent, &cluster, sockets).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(doors) => {
                let retries = retry_joins(&agent, config);
                Ok(Running { agent, cluster, doors, retries })
            }
            Err(error) => {
                agent.stopping().cancel();
                cluster.close().await;
                agent.stop().await;
                Err(error)
            }
        }
    }

    async fn open_doors(
        &self,
        agent: &Arc<Agent>,
        cluster: &Cluster,
        sockets: Vec<http_api::Listener>,
    ) -> Result<Doors, StartError> {
        let config = &self.loaded.runtime;
        let pid_file = match &config.pid_file {
            Some(path) => Some(PidFile::write(path).map_err(|e| StartError::PidFile(path.clone(), e))?),
            None => None,
        };
        let dns = match config.dns.addresses.as_slice() {
            [] => None,
            addresses => {
                let stopping = agent.stopping().child_token();
                Some(dns::start(agent.clone(), settings::dns(config), addresses.to_vec(), stopping).await?)
            }
        };
        let dns = dns.map(Arc::new);
        for address in config.http.addresses.iter().chain(&config.http.https_addresses) {
            tracing::info!(target: "agent", address = %address, network = "tcp", protocol = "http", "Starting server");
        }
        let http = http_api::start(agent.clone(), self.logs.clone(), settings::http(config), sockets)?;
        let http = Arc::new(http);
        let host = ConfigHost::start(self, agent, &http, dns.as_ref(), cluster.door())?;
        agent.attach(host.clone());
        tracing::info!(target: "agent", "Consul agent running!");
        let gauges = gauges::start(agent.clone(), agent.stopping().child_token());
        Ok(Doors { http, dns, host, gauges, _pid_file: pid_file })
    }
}

/// Joins those who are named for the start; each pool must reach one of its own.
async fn join(agent: &Agent, config: &RuntimeConfig) -> Result<(), StartError> {
    let (lan, wan) = (&config.join.start_lan, &config.join.start_wan);
    if !lan.is_empty() {
        tracing::info!(target: "agent", lan_addresses = ?lan, "(LAN) joining");
        agent.pools().lan.join(lan, true).await.map_err(StartError::Join)?;
    }
    if !wan.is_empty() {
        let pool = agent.pools().wan.as_ref();
        let pool = pool.ok_or_else(|| StartError::Join("Must be a server to join WAN cluster".to_owned()))?;
        tracing::info!(target: "agent", wan_addresses = ?wan, "(WAN) joining");
        pool.join(wan, true).await.map_err(StartError::Join)?;
    }
    Ok(())
}

/// The searches for others that go on until one is found.
type Retries = JoinSet<Result<(), agent::join::Exhausted>>;

fn retry_joins(agent: &Agent, config: &RuntimeConfig) -> Retries {
    let join = &config.join;
    let tries = |max: i64| u64::try_from(max).unwrap_or_default();
    let lan = RetryJoin {
        addresses: join.retry_lan.clone(),
        interval: join.retry_interval_lan,
        max: tries(join.retry_max_lan),
        cluster: "LAN",
    };
    let wan = RetryJoin {
        addresses: join.retry_wan.clone(),
        interval: join.retry_interval_wan,
        max: tries(join.retry_max_wan),
        cluster: "WAN",
    };
    let mut retries = JoinSet::new();
    let stopping = agent.stopping().clone();
    retries.spawn(retry_join(agent.pools().lan.clone(), lan, stopping.clone()));
    match &agent.pools().wan {
        Some(pool) => drop(retries.spawn(retry_join(pool.clone(), wan, stopping))),
        None if !wan.addresses.is_empty() => {
            tracing::warn!(target: "agent", "(WAN) couldn't join: Err: Must be a server to join WAN cluster");
        }
        None => {}
    }
    retries
}

/// Waits for a signal that ends a start.
async fn stop_asked(signals: &mut Signals) -> Asked {
    loop {
        match signals.next().await {
            Asked::Reload => {
                tracing::error!(target: "agent", "cannot reload before agent started");
            }
            asked => return asked,
        }
    }
}

/// Says in the log why the agent does not start.
fn failed(error: &StartError) -> i32 {
    tracing::error!(target: "agent", error = %error, "Error starting agent");
    EXIT_FAILURE
}

/// The doors of an agent, and what surrounds it.
struct Doors {
    http: Arc<HttpServer>,
    dns: Option<Arc<DnsServer>>,
    host: Arc<ConfigHost>,
    gauges: JoinHandle<()>,
    _pid_file: Option<PidFile>,
}

/// An agent with its doors and its cluster.
struct Running {
    agent: Arc<Agent>,
    cluster: Cluster,
    doors: Doors,
    retries: Retries,
}

impl Running {
    async fn until_stopped(mut self, mut signals: Signals) -> i32 {
        let leave = loop {
            tokio::select! {
                asked = signals.next() => {
                    tracing::info!(target: "agent", signal = asked.name(), "Caught");
                    match asked {
                        Asked::Reload => self.reload().await,
                        asked => break self.doors.host.leaves_on(asked),
                    }
                }
                () = self.agent.leaving().cancelled() => break true,
                Some(ended) = self.retries.join_next() => if let Ok(Err(error)) = ended {
                    tracing::error!(target: "agent", error = %error, "Retry join failed");
                    break false;
                },
                error = failed_server(&self.agent) => {
                    tracing::error!(target: "agent", error = %error, "server failed");
                    break false;
                }
                reason = self.agent.pools().lan.stopped() => {
                    tracing::error!(target: "agent", reason, "gossip has shut itself down");
                    break false;
                }
            }
        };
        if !leave {
            tracing::info!(target: "agent", "Graceful shutdown disabled. Exiting");
            self.stop().await;
            return EXIT_FAILURE;
        }
        tracing::info!(target: "agent", "Gracefully shutting down agent...");
        let agent = self.agent.clone();
        let leave_and_stop = async {
            if let Err(error) = agent.leave_cluster().await {
                tracing::error!(target: "agent", error, "Error on leave");
            }
            self.stop().await;
        };
        tokio::select! {
            () = leave_and_stop => {}
            _ = stop_asked(&mut signals) => {
                tracing::info!(target: "agent", "Caught second signal, Exiting");
                return EXIT_FAILURE;
            }
            () = tokio::time::sleep(LEAVE_TIMEOUT) => {
                tracing::info!(target: "agent", "Timeout on graceful leave. Exiting");
                return EXIT_FAILURE;
            }
        }
        tracing::info!(target: "agent", "Graceful exit completed");
        EXIT_OK
    }

    async fn reload(&self) {
        if let Err(error) = self.agent.reload().await {
            tracing::error!(target: "agent", error = %error, "Reload config failed");
        }
    }

    /// Ends everything, in an order that leaves nobody waiting: waits first, then doors, then the state.
    async fn stop(mut self) {
        tracing::info!(target: "agent", "Requesting shutdown");
        self.agent.stopping().cancel();
        let all = async {
            let doors = self.doors;
            doors.host.stop().await;
            doors.http.stop().await;
            if let Some(dns) = &doors.dns {
                dns.stop().await;
            }
            tracing::info!(target: "agent", "Endpoints down");
            if let Err(error) = doors.gauges.await {
                tracing::error!(target: "agent", error = %error, "reading of gauges ended abnormally");
            }
            self.retries.shutdown().await;
            self.cluster.close().await;
            self.agent.stop().await;
            let role = if self.agent.identity().server { "server" } else { "client" };
            tracing::info!(target: "agent", "consul {role} down");
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::error!(target: "agent", "some tasks did not end in time and were abandoned");
        }
        tracing::info!(target: "agent", "shutdown complete");
    }
}

/// Waits until the server in this process cannot go on; for ever where there is none.
async fn failed_server(agent: &Agent) -> server::ServerError {
    match agent.server() {
        Some(server) => server.failed().await,
        None => std::future::pending().await,
    }
}
