//! What a check definition makes the agent do (`docs/spec/server-operations.md` §13.1, §13.2).

use std::time::Duration;

use checks::{CheckPlan, Probe, ProbeTls, Thresholds};
use config::CheckSpec;

/// How a check finds its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ttl,
    Http,
    Tcp,
    Udp,
    Grpc,
    Docker,
    OsService,
    Script,
    H2Ping,
    Alias,
}

/// What runs when a definition asks for several.
const RUN_ORDER: [Kind; 10] = [
    Kind::Ttl,
    Kind::Http,
    Kind::Tcp,
    Kind::Udp,
    Kind::Grpc,
    Kind::Docker,
    Kind::OsService,
    Kind::Script,
    Kind::H2Ping,
    Kind::Alias,
];

/// What is shown then: another order (`docs/spec/http-api.md` §3.6).
const SHOW_ORDER: [Kind; 10] = [
    Kind::Grpc,
    Kind::Http,
    Kind::Ttl,
    Kind::Tcp,
    Kind::Udp,
    Kind::Alias,
    Kind::Docker,
    Kind::Script,
    Kind::H2Ping,
    Kind::OsService,
];

impl Kind {
    /// What this definition runs as; nothing for one without any task, such as maintenance.
    pub(super) fn that_runs(spec: &CheckSpec) -> Option<Kind> {
        RUN_ORDER.into_iter().find(|kind| kind.is_in(spec))
    }

    /// What this definition is shown as; empty for one without any task.
    pub(super) fn shown(spec: &CheckSpec) -> &'static str {
        SHOW_ORDER.into_iter().find(|kind| kind.is_in(spec)).map_or("", Kind::as_str)
    }

    fn is_in(self, spec: &CheckSpec) -> bool {
        match self {
            Kind::Ttl => !spec.ttl.is_zero(),
            Kind::Http => !spec.http.is_empty(),
            Kind::Tcp => !spec.tcp.is_empty(),
            Kind::Udp => !spec.udp.is_empty(),
            Kind::Grpc => !spec.grpc.is_empty(),
            Kind::Docker => !spec.docker_container_id.is_empty() && !spec.args.is_empty(),
            Kind::OsService => !spec.os_service.is_empty(),
            Kind::Script => !spec.args.is_empty(),
            Kind::H2Ping => !spec.h2ping.is_empty(),
            Kind::Alias => !spec.alias_node.is_empty() || !spec.alias_service.is_empty(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Kind::Ttl => "ttl",
            Kind::Http => "http",
            Kind::Tcp => "tcp",
            Kind::Udp => "udp",
            Kind::Grpc => "grpc",
            Kind::Docker => "docker",
            Kind::OsService => "os_service",
            Kind::Script => "script",
            Kind::H2Ping => "h2ping",
            Kind::Alias => "alias",
        }
    }
}

/// Largest output kept, in bytes: the agent's bound, which a check can only lower.
pub(super) fn output_max_bytes(spec: &CheckSpec, agent: usize) -> usize {
    match usize::try_from(spec.output_max_size) {
        Ok(own) if own > 0 => own.min(agent),
        _ => agent,
    }
}

/// What the runner of checks has to do for this definition; nothing for those this crate looks after.
pub(super) fn plan(id: &str, spec: &CheckSpec, output_max: usize) -> Option<CheckPlan> {
    Some(CheckPlan {
        id: id.to_owned(),
        probe: probe(spec)?,
        interval: spec.interval,
        timeout: spec.timeout,
        thresholds: thresholds(spec),
        output_max_bytes: output_max_bytes(spec, output_max),
    })
}

fn probe(spec: &CheckSpec) -> Option<Probe> {
    let tls = || ProbeTls { server_name: spec.tls_server_name.clone(), skip_verify: spec.tls_skip_verify };
    Some(match Kind::that_runs(spec)? {
        Kind::Ttl | Kind::Alias | Kind::OsService => return None,
        Kind::Http => Probe::Http {
            url: spec.http.clone(),
            method: if spec.method.is_empty() { "GET".to_owned() } else { spec.method.clone() },
            header: spec.header.clone(),
            body: spec.body.clone(),
            disable_redirects: spec.disable_redirects,
            tls: tls(),
        },
        Kind::Tcp => Probe::Tcp { address: spec.tcp.clone() },
        Kind::Udp => Probe::Udp { address: spec.udp.clone() },
        Kind::Grpc => Probe::Grpc { target: spec.grpc.clone(), tls: spec.grpc_use_tls.then(tls) },
        Kind::H2Ping => Probe::H2Ping { address: spec.h2ping.clone(), tls: spec.h2ping_use_tls.then(tls) },
        Kind::Script => Probe::Script { args: spec.args.clone() },
        Kind::Docker => Probe::Docker {
            container: spec.docker_container_id.clone(),
            shell: spec.shell.clone(),
            args: spec.args.clone(),
        },
    })
}

fn thresholds(spec: &CheckSpec) -> Thresholds {
    let count = |given: i64| u32::try_from(given.max(0)).unwrap_or(u32::MAX);
    let critical = count(spec.failures_before_critical);
    Thresholds {
        success_before_passing: count(spec.success_before_passing),
        failures_before_warning: match count(spec.failures_before_warning) {
            0 => critical,
            warning => warning,
        },
        failures_before_critical: critical,
    }
}

/// The time within which a result must be sent in; nothing unless that is how the check works.
pub(super) fn ttl(spec: &CheckSpec) -> Option<Duration> {
    (Kind::that_runs(spec) == Some(Kind::Ttl)).then_some(spec.ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(change: impl FnOnce(&mut CheckSpec)) -> CheckSpec {
        let mut spec = CheckSpec { interval: Duration::from_secs(1), ..CheckSpec::default() };
        change(&mut spec);
        spec
    }

    #[test]
    fn what_runs_and_what_is_shown_can_differ() {
        let both = spec(|s| {
            s.grpc = "127.0.0.1:1".to_owned();
            s.http = "http://127.0.0.1:1".to_owned();
        });
        assert_eq!(Kind::that_runs(&both), Some(Kind::Http));
        assert_eq!(Kind::shown(&both), "grpc");
        assert_eq!(Kind::that_runs(&CheckSpec::default()), None);
        assert_eq!(Kind::shown(&CheckSpec::default()), "");
    }

    #[test]
    fn a_check_only_lowers_the_bound_of_outputs() {
        for (own, bound) in [(0, 100), (8, 8), (1000, 100), (-1, 100)] {
            assert_eq!(output_max_bytes(&spec(|s| s.output_max_size = own), 100), bound, "{own}");
        }
    }

    #[test]
    fn warnings_come_with_critical_unless_told_otherwise() {
        let three = spec(|s| {
            s.tcp = "x:1".to_owned();
            s.failures_before_critical = 3;
        });
        let plan = plan("a", &three, 4096).unwrap();
        assert_eq!(plan.thresholds.failures_before_warning, 3);
        assert_eq!(plan.probe, Probe::Tcp { address: "x:1".to_owned() });
    }

    #[test]
    fn ttl_and_alias_are_not_run() {
        assert_eq!(plan("a", &spec(|s| s.ttl = Duration::from_secs(1)), 4096), None);
        assert_eq!(plan("a", &spec(|s| s.alias_service = "web".to_owned()), 4096), None);
    }
}
