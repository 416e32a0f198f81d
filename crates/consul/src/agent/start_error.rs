//! Why an agent does not start.

use std::io;
use std::path::PathBuf;

/// Why an agent does not start. The text is what people see after `==> ` or in the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Flags(config::FlagError),
    #[error("{0}")]
    Config(#[from] config::ConfigError),
    #[error("{}", unavailable_text(.0))]
    Unavailable(Vec<String>),
    #[error("Failed to setup logging: {0}")]
    Logging(telemetry::LogError),
    #[error("{0}")]
    LogLevel(telemetry::LogError),
    #[error("{0}")]
    Tls(#[from] super::tls::TlsError),
    #[error("failed to listen for signals: {0}")]
    Signals(io::Error),
    #[error("failed to create data directory {}: {}", .0.display(), .1)]
    DataDir(PathBuf, io::Error),
    #[error("Could not write pid file {}: {}", .0.display(), .1)]
    PidFile(PathBuf, io::Error),
    #[error("listen {network} {address}: bind: {cause}")]
    Listen { network: &'static str, address: String, cause: String },
    #[error("Failed to start Consul server: {0}")]
    Server(#[from] server::ServerError),
    #[error("Failed to start Consul server: {0}")]
    ServerSettings(String),
    #[error("{0}")]
    Join(String),
    #[error("{0}")]
    Agent(#[from] agent::AgentError),
    #[error("{0}")]
    Http(#[from] http_api::Error),
    #[error("{0}")]
    Dns(#[from] dns::Error),
    #[error("{0}")]
    Watch(config::WatchError),
    #[error("{0}")]
    WatchClient(String),
    #[error("watch plans require an HTTP or HTTPS endpoint")]
    WatchWithoutEndpoint,
}

fn unavailable_text(keys: &[String]) -> String {
    let list: String = keys.iter().map(|key| format!("\n\t* {key}")).collect();
    format!("{} of the configuration cannot be honoured yet:{list}\n", count(keys.len()))
}

fn count(n: usize) -> String {
    if n == 1 { "1 key".to_owned() } else { format!("{n} keys") }
}
