//! What is run, how often, how judged.

use std::collections::BTreeMap;
use std::time::Duration;

/// Time a network probe may take when the plan says nothing.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);
/// Time a script may take when the plan says nothing.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest timeout; stands for "none", and keeps deadlines within what a clock can express.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckPlan {
    /// ID the results are reported under.
    pub id: String,
    /// What is run.
    pub probe: Probe,
    /// Time from the end of a run to the start of the next; raised to [`MIN_INTERVAL`](crate::MIN_INTERVAL).
    pub interval: Duration,
    /// Time a run may take; zero means the default of the probe's type.
    pub timeout: Duration,
    /// How many results in a row change the status.
    pub thresholds: Thresholds,
    /// Bytes of a script's output or of a response's body that are kept.
    pub output_max_bytes: usize,
}

/// Results in a row that change the status; zero and one both mean "at once".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Passes or warnings before the status becomes theirs.
    pub success_before_passing: u32,
    /// Failures before the status becomes warning; zero means as many as for critical.
    pub failures_before_warning: u32,
    /// Failures before the status becomes critical.
    pub failures_before_critical: u32,
}

/// What a check does (`docs/spec/server-operations.md` §13.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// Runs a program, without a shell.
    Script {
        /// Program with its arguments.
        args: Vec<String>,
    },
    /// Sends a request.
    Http {
        /// `http://` or `https://` URL.
        url: String,
        /// Method; empty means GET.
        method: String,
        /// Headers; `Host` replaces the URL's.
        header: BTreeMap<String, Vec<String>>,
        /// Body; empty for none.
        body: String,
        /// Whether a redirect is an answer like any other, thus critical.
        disable_redirects: bool,
        /// For `https://` URLs.
        tls: ProbeTls,
    },
    /// Opens a connection.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// Sends an empty datagram.
    Udp {
        /// `host:port`.
        address: String,
    },
    /// Asks the standard gRPC health service.
    Grpc {
        /// `host:port[/service]`.
        target: String,
        /// `None`: plain text.
        tls: Option<ProbeTls>,
    },
    /// Sends an HTTP/2 PING frame.
    H2Ping {
        /// `host:port`.
        address: String,
        /// `None`: plain text.
        tls: Option<ProbeTls>,
    },
    /// Runs a program in a container.
    Docker {
        /// ID or name of the container.
        container: String,
        /// Program run when there are no arguments; empty means `$SHELL`, else `/bin/sh`.
        shell: String,
        /// Program with its arguments.
        args: Vec<String>,
    },
}

/// How a probe secures its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeTls {
    /// Name the certificate must carry; empty means the agent's setting, else the host of the address.
    pub server_name: String,
    /// Whether any certificate will do.
    pub skip_verify: bool,
}

impl CheckPlan {
    /// Time a run may take. Docker probes have no limit unless one is set.
    pub(crate) fn timeout(&self) -> Duration {
        if !self.timeout.is_zero() {
            return self.timeout.min(LONGEST_TIMEOUT);
        }
        match self.probe {
            Probe::Script { .. } => SCRIPT_TIMEOUT,
            Probe::Docker { .. } => LONGEST_TIMEOUT,
            Probe::Http { .. } | Probe::Tcp { .. } | Probe::Udp { .. } | Probe::Grpc { .. } | Probe::H2Ping { .. } => {
                NETWORK_TIMEOUT
            }
        }
    }
}
