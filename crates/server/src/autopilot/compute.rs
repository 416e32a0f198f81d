//! Judges the servers (`docs/spec/server-operations.md` §5.2).

use std::cmp::Reverse;

use types::AutopilotConfig;
use types::autopilot::{AutopilotServer, AutopilotState, NodeStatus, RaftStatus};
use wire::GoTime;

use super::facts::{Facts, Stats};

/// End of this server's own log, from before the others were asked for theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogEnd {
    pub(super) term: u64,
    pub(super) index: u64,
}

/// The state that follows from what is known now and from the state before.
pub(super) fn state(
    before: Option<&AutopilotState>,
    facts: &[Facts],
    log_end: LogEnd,
    leader: Option<&str>,
    config: &AutopilotConfig,
    now: GoTime,
) -> AutopilotState {
    let mut state = AutopilotState { leader: leader.unwrap_or_default().to_owned(), ..AutopilotState::default() };
    for facts in facts {
        let before = before.and_then(|state| state.servers.get(&facts.id));
        let judged = server(before, facts, log_end, leader, config, now);
        state.servers.insert(facts.id.clone(), judged);
    }
    state.healthy = !state.servers.is_empty() && state.servers.values().all(|server| server.healthy);
    let mut voters: Vec<&AutopilotServer> = state.servers.values().filter(|server| is_voter(server)).collect();
    let healthy_voters = voters.iter().filter(|server| server.healthy).count();
    let quorum = voters.len() / 2 + 1;
    state.failure_tolerance = i64::try_from(healthy_voters.saturating_sub(quorum)).unwrap_or(i64::MAX);
    voters.sort_by_key(|server| {
        (Reverse(server.status == RaftStatus::Leader), Reverse(server.healthy), server.stable_since, &server.id)
    });
    state.voters = voters.into_iter().map(|server| server.id.clone()).collect();
    state.read_replicas = state.servers.values().filter(|server| server.read_replica).map(|s| s.id.clone()).collect();
    state
}

pub(super) fn is_voter(server: &AutopilotServer) -> bool {
    matches!(server.status, RaftStatus::Leader | RaftStatus::Voter)
}

fn server(
    before: Option<&AutopilotServer>,
    facts: &Facts,
    log_end: LogEnd,
    leader: Option<&str>,
    config: &AutopilotConfig,
    now: GoTime,
) -> AutopilotServer {
    let earlier = before.map(|before| Stats {
        last_contact: before.last_contact,
        last_term: before.last_term,
        last_index: before.last_index,
    });
    let stats = facts.stats.or(earlier).unwrap_or_default();
    // Who is not in the pool any more counts as one that left.
    let node_status = facts.gossip.unwrap_or(NodeStatus::Left);
    let healthy = leader.is_some() && is_healthy(node_status, stats, log_end, config);
    let stable_since = match before {
        Some(before) if before.healthy == healthy => before.stable_since,
        _ => now,
    };
    AutopilotServer {
        id: facts.id.clone(),
        name: facts.name.clone(),
        address: facts.address.clone(),
        node_status,
        version: facts.version.clone(),
        raft_version: facts.raft_version,
        meta: facts.meta.clone(),
        last_contact: stats.last_contact,
        last_term: stats.last_term,
        last_index: stats.last_index,
        healthy,
        stable_since,
        read_replica: facts.read_replica,
        status: match facts.voter {
            true if leader == Some(&facts.id) => RaftStatus::Leader,
            true => RaftStatus::Voter,
            false => RaftStatus::NonVoter,
        },
    }
}

fn is_healthy(node_status: NodeStatus, stats: Stats, log_end: LogEnd, config: &AutopilotConfig) -> bool {
    log_end.term != 0
        && log_end.index != 0
        && node_status == NodeStatus::Alive
        && stats.last_contact.0 >= 0
        && stats.last_contact <= config.last_contact_threshold
        && stats.last_term == log_end.term
        && stats.last_index.saturating_add(config.max_trailing_logs) >= log_end.index
}

#[cfg(test)]
mod tests {
    use types::GoDuration;

    use super::*;

    const END: LogEnd = LogEnd { term: 2, index: 1000 };
    const NOW: GoTime = GoTime::from_unix(100, 0);

    fn facts(id: &str) -> Facts {
        Facts {
            id: id.to_owned(),
            voter: true,
            gossip: Some(NodeStatus::Alive),
            stats: Some(Stats { last_contact: GoDuration(0), last_term: 2, last_index: 1000 }),
            ..Facts::default()
        }
    }

    fn told(id: &str, millis: i64, last_term: u64, last_index: u64) -> Facts {
        let last_contact = GoDuration::from_millis(millis);
        Facts { stats: Some(Stats { last_contact, last_term, last_index }), ..facts(id) }
    }

    fn judge(before: Option<&AutopilotState>, facts: &[Facts], now: GoTime) -> AutopilotState {
        state(before, facts, END, Some("a"), &AutopilotConfig::default(), now)
    }

    #[test]
    fn a_server_is_healthy_while_it_keeps_up() {
        let cases = [
            (facts("a"), true),
            (told("a", 200, 2, 1000), true),
            (told("a", 201, 2, 1000), false),
            (told("a", -1, 2, 1000), false),
            (told("a", 0, 1, 1000), false),
            (told("a", 0, 2, 750), true),
            (told("a", 0, 2, 749), false),
            (Facts { stats: None, ..facts("a") }, false),
            (Facts { gossip: Some(NodeStatus::Failed), ..facts("a") }, false),
            (Facts { gossip: None, ..facts("a") }, false),
        ];
        for (facts, wanted) in cases {
            assert_eq!(judge(None, std::slice::from_ref(&facts), NOW).healthy, wanted, "{facts:?}");
        }
        let config = AutopilotConfig::default();
        assert!(!state(None, &[facts("a")], END, None, &config, NOW).healthy, "without a leader");
        let nothing = LogEnd { term: 0, index: 0 };
        assert!(!state(None, &[told("a", 0, 0, 0)], nothing, Some("a"), &config, NOW).healthy, "without a log");
    }

    #[test]
    fn tolerance_counts_healthy_voters_beyond_the_quorum() {
        let ill = |id: &str| told(id, 0, 1, 0);
        let guest = |id: &str| Facts { voter: false, ..facts(id) };
        let cases: [(&[Facts], i64); 6] = [
            (&[facts("a")], 0),
            (&[facts("a"), facts("b")], 0),
            (&[facts("a"), facts("b"), facts("c")], 1),
            (&[facts("a"), facts("b"), ill("c")], 0),
            (&[facts("a"), ill("b"), ill("c")], 0),
            (&[facts("a"), facts("b"), facts("c"), guest("d")], 1),
        ];
        for (facts, wanted) in cases {
            assert_eq!(judge(None, facts, NOW).failure_tolerance, wanted, "{facts:?}");
        }
    }

    #[test]
    fn stability_starts_anew_whenever_health_changes() {
        let at = |seconds| GoTime::from_unix(seconds, 0);
        let well = [facts("a")];
        let first = judge(None, &well, at(1));
        let second = judge(Some(&first), &well, at(2));
        assert_eq!(second.servers["a"].stable_since, at(1));
        let ill = judge(Some(&second), &[told("a", 0, 1, 0)], at(3));
        let again = judge(Some(&ill), &well, at(4));
        assert_eq!((ill.servers["a"].stable_since, again.servers["a"].stable_since), (at(3), at(4)));
        let silent = judge(Some(&again), &[Facts { stats: None, ..facts("a") }], at(5));
        assert!(silent.servers["a"].healthy, "what it said last still counts");
    }

    #[test]
    fn voters_stand_in_the_order_of_trust() {
        let early = judge(None, &[facts("d")], GoTime::from_unix(1, 0));
        let all = [facts("b"), told("c", 0, 1, 0), facts("d"), facts("a"), Facts { voter: false, ..facts("e") }];
        assert_eq!(judge(Some(&early), &all, NOW).voters, ["a", "d", "b", "c"]);
    }
}
