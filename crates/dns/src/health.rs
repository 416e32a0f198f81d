//! Which instances are answered, and with which weight (`docs/spec/dns.md` §7, §14).

use types::{CheckServiceNode, CheckStatus};

/// The instances that are healthy enough, in a random order.
pub(crate) fn usable(instances: &[CheckServiceNode], only_passing: bool) -> Vec<&CheckServiceNode> {
    let healthy = |instance: &&CheckServiceNode| {
        instance.checks.iter().all(|check| match only_passing {
            true => check.status == CheckStatus::Passing.as_str(),
            false => check.status != CheckStatus::Critical.as_str(),
        })
    };
    let mut usable: Vec<_> = instances.iter().filter(healthy).collect();
    crate::random::shuffle(&mut usable);
    usable
}

/// The weight of an instance in SRV records, by its checks and those of its node.
pub(crate) fn weight(instance: &CheckServiceNode) -> u16 {
    let service = &instance.service;
    let weights = service.weights.unwrap_or_default();
    let mut warned = false;
    let mut failed = false;
    let own = instance.checks.iter().filter(|c| c.service_name.is_empty() || c.service_name == service.service);
    for check in own {
        match check.status.as_str() {
            "passing" => {}
            "warning" => warned = true,
            "critical" => failed = true,
            // A status that is none counts as no answer to how healthy the instance is.
            _ => return 1,
        }
    }
    let weight = match (failed, warned) {
        (true, _) => 0,
        (false, true) => weights.warning,
        (false, false) => weights.passing,
    };
    // The catalog keeps weights within what a record holds; others wrap like every number there.
    (weight & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use types::{HealthCheck, NodeService, Weights};

    use super::*;
    use crate::testing::{check, instance};

    fn checked(statuses: &[&str]) -> CheckServiceNode {
        let service = NodeService { weights: Some(Weights { passing: 10, warning: 3 }), ..NodeService::default() };
        CheckServiceNode {
            checks: statuses.iter().map(|status| check("web", status)).collect(),
            ..instance("n", "198.18.0.1", NodeService { service: "web".to_owned(), port: 80, ..service })
        }
    }

    #[test]
    fn weights_follow_checks() {
        for (statuses, want) in [
            (&[][..], 10),
            (&["passing"][..], 10),
            (&["passing", "warning"], 3),
            (&["warning", "critical"], 0),
            (&["weird"], 1),
            (&["critical", "weird"], 1),
        ] {
            assert_eq!(weight(&checked(statuses)), want, "{statuses:?}");
        }
        let other = HealthCheck { service_name: "other".to_owned(), ..(*check("web", "critical")).clone() };
        assert_eq!(weight(&CheckServiceNode { checks: vec![Arc::new(other)], ..checked(&[]) }), 10);
        let node = HealthCheck { service_name: String::new(), ..(*check("web", "warning")).clone() };
        assert_eq!(weight(&CheckServiceNode { checks: vec![Arc::new(node)], ..checked(&[]) }), 3);
    }

    #[test]
    fn weights_default_to_one() {
        let plain = instance("n", "198.18.0.1", NodeService::default());
        assert_eq!(weight(&plain), 1);
    }

    #[test]
    fn rows_76_to_79_of_the_fact_table() {
        let all = [
            checked(&["critical"]),
            checked(&["critical", "passing"]),
            checked(&[]),
            checked(&["warning"]),
            checked(&["passing"]),
        ];
        assert_eq!(usable(&all, false).len(), 3);
        assert_eq!(usable(&all, true).len(), 2);
        assert_eq!(usable(&all[..2], false).len(), 0);
    }
}
