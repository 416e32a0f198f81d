//! Who gets a vote (`docs/spec/server-operations.md` §5.3), and with redundancy zones who stands in for whom: of all
//! servers of a zone one votes, the others wait to take its place.

use std::collections::BTreeMap;
use std::time::Duration;

use types::AutopilotConfig;
use types::autopilot::{AutopilotServer, AutopilotState, RaftStatus};
use wire::GoTime;

use super::age;
use super::compute::is_voter;

/// Votes are not taken from healthy servers below this number, however few zones there are: a cluster must bear a loss.
const VOTERS_MIN: usize = 3;

/// What is to be done now; the next round sees what came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// Ids of those who get a vote.
    pub(super) promote: Vec<String>,
    /// Ids of those who lose theirs; only when nobody gets one.
    pub(super) demote: Vec<String>,
}

/// Decides one round. `running` is how long autopilot has run here: before it can have seen anyone be stable, the time
/// for that is not asked for, so that the first servers get their votes at once.
pub(super) fn plan(state: &AutopilotState, config: &AutopilotConfig, running: Duration, now: GoTime) -> Round {
    let wanted = config.server_stabilization_time.as_std();
    let is_stable =
        |server: &AutopilotServer| server.healthy && (running < wanted || age(now, server.stable_since) >= wanted);
    let is_candidate =
        |server: &AutopilotServer| server.status == RaftStatus::NonVoter && !server.read_replica && is_stable(server);
    let mut zones: BTreeMap<&str, Vec<&AutopilotServer>> = BTreeMap::new();
    let mut round = Round::default();
    for server in state.servers.values() {
        match zone(server, config) {
            Some(zone) => zones.entry(zone).or_default().push(server),
            None if is_candidate(server) => round.promote.push(server.id.clone()),
            None => {}
        }
    }
    for servers in zones.values() {
        let has_vote = servers.iter().any(|server| is_voter(server) && server.healthy);
        let stand_in = servers.iter().filter(|server| is_candidate(server)).min_by_key(|s| (s.stable_since, &s.id));
        if let (false, Some(stand_in)) = (has_vote, stand_in) {
            round.promote.push(stand_in.id.clone());
        }
    }
    if round.promote.is_empty() {
        let voters = state.servers.values().filter(|server| is_voter(server)).count();
        round.demote.extend(zones.values().find_map(|zone| superfluous(zone, voters, config)));
    }
    round
}

/// A server's zone: the value of the metadata that the configuration names.
fn zone<'a>(server: &'a AutopilotServer, config: &AutopilotConfig) -> Option<&'a str> {
    if config.redundancy_zone_tag.is_empty() {
        return None;
    }
    server.meta.get(&config.redundancy_zone_tag).map(String::as_str).filter(|zone| !zone.is_empty())
}

/// One who votes although another of its zone does: a failed one first, then the one stable for the shortest time.
fn superfluous(zone: &[&AutopilotServer], voters: usize, config: &AutopilotConfig) -> Option<String> {
    let (healthy, failed): (Vec<&AutopilotServer>, Vec<&AutopilotServer>) =
        zone.iter().copied().filter(|server| is_voter(server)).partition(|server| server.healthy);
    if healthy.is_empty() {
        return None;
    }
    if let Some(failed) = failed.first() {
        return Some(failed.id.clone());
    }
    let min = VOTERS_MIN.max(usize::try_from(config.min_quorum).unwrap_or(usize::MAX));
    if healthy.len() < 2 || voters <= min {
        return None;
    }
    let others = healthy.iter().filter(|server| server.status != RaftStatus::Leader);
    others.max_by_key(|server| (server.stable_since, &server.id)).map(|server| server.id.clone())
}

#[cfg(test)]
mod tests {
    use types::GoDuration;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const ZONE: &str = "zone";

    fn now() -> GoTime {
        GoTime::from_unix(1000, 0)
    }

    /// From text such as `a:voter,b:new@z1,c:ill voter@z2`; a number is how many seconds the server has been stable.
    fn cluster(text: &str) -> AutopilotState {
        let servers = text.split(',').map(|server| {
            let (id, what) = server.split_once(':').unwrap_or((server, ""));
            let (what, zone) = what.split_once('@').unwrap_or((what, ""));
            let words: Vec<&str> = what.split(' ').collect();
            let seconds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(100);
            let status = if words.contains(&"leader") {
                RaftStatus::Leader
            } else if words.contains(&"voter") {
                RaftStatus::Voter
            } else {
                RaftStatus::NonVoter
            };
            let server = AutopilotServer {
                id: id.to_owned(),
                status,
                healthy: !words.contains(&"ill"),
                read_replica: words.contains(&"replica"),
                stable_since: GoTime::from_unix(1000 - seconds, 0),
                meta: [(ZONE.to_owned(), zone.to_owned())].into(),
                ..AutopilotServer::default()
            };
            (id.to_owned(), server)
        });
        AutopilotState { servers: servers.collect(), ..AutopilotState::default() }
    }

    fn planned(text: &str, zoned: bool, running: Duration) -> String {
        let config = AutopilotConfig {
            server_stabilization_time: GoDuration::from_secs(10),
            redundancy_zone_tag: if zoned { ZONE.to_owned() } else { String::new() },
            ..AutopilotConfig::default()
        };
        let Round { promote, demote } = plan(&cluster(text), &config, running, now());
        format!("+{} -{}", promote.join(" "), demote.join(" "))
    }

    #[test]
    fn whoever_is_stable_gets_a_vote() {
        let cases = [
            ("a:leader,b:guest", LONG, "+b -"),
            ("a:leader,b:guest 10", LONG, "+b -"),
            ("a:leader,b:guest 9", LONG, "+ -"),
            ("a:leader,b:guest 1,c:guest 1", Duration::from_secs(9), "+b c -"),
            ("a:leader,b:guest ill", LONG, "+ -"),
            ("a:leader,b:guest replica", LONG, "+ -"),
            ("a:leader,b:voter ill", LONG, "+ -"),
            ("a:leader@x,b:guest@x", LONG, "+b -"),
        ];
        for (servers, running, wanted) in cases {
            assert_eq!(planned(servers, false, running), wanted, "{servers}");
        }
    }

    #[test]
    fn one_of_a_zone_votes_and_another_takes_its_place() {
        let cases = [
            ("a:leader@x,b:voter@y,c:voter@z,d:guest@x,e:guest@y,f:guest@z", "+ -"),
            ("a:leader@x,b:guest 20@y,c:guest 30@y", "+c -"),
            ("a:leader@x,b:voter ill@y,c:voter@z,e:guest@y", "+e -"),
            ("a:leader@x,b:voter ill@y,c:voter@z,e:voter@y", "+ -b"),
            ("a:leader@x,b:voter ill@y,c:voter@z,e:guest 5@y", "+ -"),
            ("a:leader@x,b:voter ill@y,c:voter@z,e:guest replica@y", "+ -"),
            ("a:leader 1@x,b:voter@x,c:voter@y,d:voter@z", "+ -b"),
            ("a:leader@x,b:voter 20@y,c:voter 30@y,d:voter@z", "+ -b"),
            ("a:leader@x,b:voter@x,c:voter@x", "+ -"),
            ("a:leader,b:guest,c:guest@y,d:guest@y", "+b c -"),
        ];
        for (servers, wanted) in cases {
            assert_eq!(planned(servers, true, LONG), wanted, "{servers}");
        }
    }
}
