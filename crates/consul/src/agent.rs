//! Puts an agent together from the floors below, runs it, and takes it apart again (`docs/spec/cli.md` §2).

mod banner;
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
use cli::AgentInvocation;
use config::{Environment, Flags, Loaded};
use dns::DnsServer;
use http_api::HttpServer;
use server::Server;
use telemetry::Logs;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use banner::Banner;
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
        let server_config = settings::server(config, &self.node_id)?;
        let server = Server::start(server_config, stopping.clone()).await?;
        let identity = settings::identity(config, &self.node_id);
        let agent = Agent::start(identity, server, settings::local(config)?, stopping)?;
        match self.open_doors(&agent, sockets).await {
            Ok(running) => Ok(running),
            Err(error) => {
                agent.stop().await;
                Err(error)
            }
        }
    }

    async fn open_doors(&self, agent: &Arc<Agent>, sockets: Vec<http_api::Listener>) -> Result<Running, StartError> {
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
        let host = ConfigHost::start(self, agent, &http, dns.as_ref())?;
        agent.attach(host.clone());
        tracing::info!(target: "agent", "Consul agent running!");
        let gauges = gauges::start(agent.clone(), agent.stopping().child_token());
        Ok(Running { agent: agent.clone(), http, dns, host, gauges, _pid_file: pid_file })
    }
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

/// An agent with its doors.
struct Running {
    agent: Arc<Agent>,
    http: Arc<HttpServer>,
    dns: Option<Arc<DnsServer>>,
    host: Arc<ConfigHost>,
    gauges: JoinHandle<()>,
    _pid_file: Option<PidFile>,
}

impl Running {
    async fn until_stopped(self, mut signals: Signals) -> i32 {
        let leave = loop {
            tokio::select! {
                asked = signals.next() => {
                    tracing::info!(target: "agent", signal = asked.name(), "Caught");
                    match asked {
                        Asked::Reload => self.reload().await,
                        asked => break self.host.leaves_on(asked),
                    }
                }
                () = self.agent.leaving().cancelled() => break true,
                error = self.agent.server().failed() => {
                    tracing::error!(target: "agent", error = %error, "server failed");
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
        tokio::select! {
            () = self.stop() => {}
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
    async fn stop(self) {
        tracing::info!(target: "agent", "Requesting shutdown");
        self.agent.stopping().cancel();
        let all = async {
            self.host.stop().await;
            self.http.stop().await;
            if let Some(dns) = &self.dns {
                dns.stop().await;
            }
            tracing::info!(target: "agent", "Endpoints down");
            if let Err(error) = self.gauges.await {
                tracing::error!(target: "agent", error = %error, "reading of gauges ended abnormally");
            }
            self.agent.stop().await;
            tracing::info!(target: "agent", "consul server down");
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::error!(target: "agent", "some tasks did not end in time and were abandoned");
        }
        tracing::info!(target: "agent", "shutdown complete");
    }
}
