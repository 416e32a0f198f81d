//! Which servers are gone for good (`docs/spec/server-operations.md` §5.4).

use std::time::Duration;

use types::AutopilotConfig;
use types::autopilot::NodeStatus;

use super::facts::Facts;

/// Who is to go, each list by id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pruning {
    /// Names of those that failed: they are declared gone in gossip, the rest follows from that.
    pub(super) force_leave: Vec<String>,
    /// Ids of those that gossip does not know: they are taken out of Raft.
    pub(super) remove: Vec<String>,
}

/// Decides who is to go; never more than a minority of the voters. `running` is how long this server has run: at first
/// gossip may just not have met the others yet.
pub(super) fn plan(facts: &[Facts], config: &AutopilotConfig, own: &str, running: Duration) -> Pruning {
    let mut pruning = Pruning::default();
    if !config.cleanup_dead_servers {
        return pruning;
    }
    let mut others: Vec<&Facts> = facts.iter().filter(|facts| facts.id != own).collect();
    others.sort_by_key(|facts| &facts.id);
    let met = running >= config.server_stabilization_time.as_std();
    let stale = || others.iter().filter(move |facts| facts.gossip.is_none() && met);
    let failed = || others.iter().filter(|facts| facts.gossip.is_some_and(|status| status != NodeStatus::Alive));
    pruning.force_leave.extend(failed().filter(|facts| !facts.voter).map(|facts| facts.name.clone()));
    pruning.remove.extend(stale().filter(|facts| !facts.voter).map(|facts| facts.id.clone()));
    let mut voters = facts.iter().filter(|facts| facts.voter).count();
    let mut removable = voters.saturating_sub(1) / 2;
    let min_quorum = usize::try_from(config.min_quorum).unwrap_or(usize::MAX);
    let is_spare = |voters: &mut usize, removable: &mut usize| {
        if *removable < 1 || voters.saturating_sub(1) < min_quorum {
            return false;
        }
        *removable -= 1;
        *voters -= 1;
        true
    };
    for facts in stale().filter(|facts| facts.voter) {
        if is_spare(&mut voters, &mut removable) {
            pruning.remove.push(facts.id.clone());
        }
    }
    for facts in failed().filter(|facts| facts.voter) {
        if is_spare(&mut voters, &mut removable) {
            pruning.force_leave.push(facts.name.clone());
        }
    }
    pruning
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// From text such as `a,b:failed,c:stale,d:guest failed`; `a` is the server itself.
    fn servers(text: &str) -> Vec<Facts> {
        let servers = text.split(',').map(|server| {
            let (id, what) = server.split_once(':').unwrap_or((server, ""));
            Facts {
                id: id.to_owned(),
                name: format!("n-{id}"),
                voter: !what.contains("guest"),
                gossip: match what {
                    what if what.contains("stale") => None,
                    what if what.contains("failed") => Some(NodeStatus::Failed),
                    what if what.contains("left") => Some(NodeStatus::Left),
                    _ => Some(NodeStatus::Alive),
                },
                ..Facts::default()
            }
        });
        servers.collect()
    }

    #[test]
    fn only_a_minority_goes() {
        let cases = [
            ("a,b,c", 0, "leave, remove"),
            ("a,b,c:failed", 0, "leave n-c, remove"),
            ("a,b,c:left", 0, "leave n-c, remove"),
            ("a,b,c:stale", 0, "leave, remove c"),
            ("a,b:failed,c:failed", 0, "leave n-b, remove"),
            ("a,b:failed", 0, "leave, remove"),
            ("a,b,c,d:failed,e:failed", 0, "leave n-d n-e, remove"),
            ("a,b,c:failed,d:failed,e:stale", 0, "leave n-c, remove e"),
            ("a,b,c:failed", 3, "leave, remove"),
            ("a,b,c,d:failed", 3, "leave n-d, remove"),
            ("a,b:guest failed,c:guest stale", 9, "leave n-b, remove c"),
            ("a:failed,b,c", 0, "leave, remove"),
        ];
        for (text, min_quorum, wanted) in cases {
            let config = AutopilotConfig { min_quorum, ..AutopilotConfig::default() };
            assert_eq!(shown(&plan(&servers(text), &config, "a", LONG)), wanted, "{text} with {min_quorum}");
        }
    }

    #[test]
    fn nobody_goes_unasked() {
        let off = AutopilotConfig { cleanup_dead_servers: false, ..AutopilotConfig::default() };
        assert_eq!(plan(&servers("a,b,c:failed,d:guest failed"), &off, "a", LONG), Pruning::default());
        let on = AutopilotConfig::default();
        let young = Duration::from_secs(9);
        assert_eq!(shown(&plan(&servers("a,b:stale,c"), &on, "a", young)), "leave, remove");
    }

    fn shown(pruning: &Pruning) -> String {
        let names = |names: &[String]| names.iter().map(|name| format!(" {name}")).collect::<String>();
        format!("leave{}, remove{}", names(&pruning.force_leave), names(&pruning.remove))
    }
}
