//! One run of a check: what is asked of the world, and what its answer means.

mod cause;
mod dial;
mod docker;
mod escape;
mod grpc;
mod h2ping;
mod http;
mod link;
mod script;
mod tcp;
mod tls;
mod udp;

use std::time::Duration;

use tokio::time::Instant;
use types::CheckStatus;

use crate::plan::{CheckPlan, Probe};

pub use tls::TlsSettings;

/// What a run came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: CheckStatus,
    pub(crate) output: String,
    /// Whether this applies at once and counts nowhere: a script that did not start or had to be killed.
    pub(crate) past_thresholds: bool,
}

impl Outcome {
    fn new(status: CheckStatus, output: String) -> Outcome {
        Outcome { status, output, past_thresholds: false }
    }

    fn passing(output: String) -> Outcome {
        Outcome::new(CheckStatus::Passing, output)
    }

    fn critical(output: String) -> Outcome {
        Outcome::new(CheckStatus::Critical, output)
    }

    fn critical_at_once(output: String) -> Outcome {
        Outcome { past_thresholds: true, ..Outcome::critical(output) }
    }
}

/// What all probes of an agent share.
pub(crate) struct Net {
    tls: tls::Tls,
    proxies: http::Proxies,
    docker: docker::Endpoint,
}

impl Net {
    /// Proxies and the Docker engine as the environment names them.
    pub(crate) fn from_environment(tls: TlsSettings) -> Net {
        Net {
            tls: tls::Tls::new(tls),
            proxies: http::Proxies::from_environment(),
            docker: docker::Endpoint::from_environment(),
        }
    }

    /// No proxies, no engine.
    #[cfg(test)]
    fn plain() -> Net {
        Net {
            tls: tls::Tls::new(TlsSettings::default()),
            proxies: http::Proxies::default(),
            docker: docker::Endpoint::parse("unix:///nonexistent"),
        }
    }
}

/// The bounds of one run.
struct Run<'a> {
    check: &'a str,
    net: &'a Net,
    timeout: Duration,
    deadline: Instant,
    output_max_bytes: usize,
}

/// Runs a check once.
pub(crate) async fn run(plan: &CheckPlan, net: &Net) -> Outcome {
    let timeout = plan.timeout();
    let run = Run {
        check: &plan.id,
        net,
        timeout,
        deadline: Instant::now() + timeout,
        output_max_bytes: plan.output_max_bytes,
    };
    match &plan.probe {
        Probe::Script { args } => script::run(&run, args).await,
        Probe::Http { url, method, header, body, disable_redirects, tls } => {
            let call = http::Call { url, method, header, body, disable_redirects: *disable_redirects, tls };
            http::run(&run, &call).await
        }
        Probe::Tcp { address } => tcp::run(&run, address).await,
        Probe::Udp { address } => udp::run(&run, address).await,
        Probe::Grpc { target, tls } => grpc::run(&run, target, tls.as_ref()).await,
        Probe::H2Ping { address, tls } => h2ping::run(&run, address, tls.as_ref()).await,
        Probe::Docker { container, shell, args } => docker::run(&run, container, shell, args).await,
    }
}

#[cfg(test)]
mod test_support;
