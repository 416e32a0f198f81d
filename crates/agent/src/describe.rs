//! The agent in its own words: the body of `/v1/agent/self`, and the figures of `consul info`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use server::Server;
use server::consensus::State;
use types::{COMPATIBLE_VERSION, GoDuration};

use crate::{Agent, member_json};

/// Figures by group; every value is text (`docs/spec/server-operations.md` §19).
pub type Stats = BTreeMap<&'static str, BTreeMap<&'static str, String>>;

impl Agent {
    /// The body of `/v1/agent/self`.
    pub fn self_description(&self) -> Value {
        let identity = self.identity();
        json!({
            "Config": {
                "Datacenter": identity.datacenter,
                "PrimaryDatacenter": identity.datacenter,
                "NodeName": identity.node_name,
                "NodeID": identity.node_id,
                "Revision": "",
                "Server": identity.server,
                "Version": COMPATIBLE_VERSION,
                "BuildDate": BUILD_DATE,
            },
            "DebugConfig": self.debug_config(),
            "Coord": self.pools().lan.coordinate(),
            "Member": member_json(&self.member()),
            "Stats": self.stats(),
            "Meta": self.local().node_meta(),
        })
    }

    /// Figures about the agent.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::from([
            ("agent", self.agent_stats()),
            (
                "build",
                group([
                    ("prerelease", ""),
                    ("revision", ""),
                    ("version", COMPATIBLE_VERSION),
                    ("version_metadata", ""),
                ]),
            ),
            ("runtime", runtime_stats()),
            ("serf_lan", self.pools().lan.stats()),
        ]);
        if let Some(wan) = &self.pools().wan {
            stats.insert("serf_wan", wan.stats());
        }
        match self.server() {
            Some(server) => {
                stats.insert("consul", self.server_stats(server));
                stats.insert("raft", self.raft_stats(server));
            }
            None => drop(stats.insert("consul", self.client_stats())),
        }
        stats
    }

    fn agent_stats(&self) -> BTreeMap<&'static str, String> {
        let counts = self.local().counts();
        BTreeMap::from([
            ("check_monitors", counts.check_monitors.to_string()),
            ("check_ttls", counts.check_ttls.to_string()),
            ("checks", counts.checks.to_string()),
            ("services", counts.services.to_string()),
        ])
    }

    fn client_stats(&self) -> BTreeMap<&'static str, String> {
        group([("acl", "disabled"), ("known_servers", &self.servers().known().to_string()), ("server", "false")])
    }

    fn server_stats(&self, server: &Server) -> BTreeMap<&'static str, String> {
        let status = server.consensus_status();
        let leads = status.state == State::Leader;
        let address = status.leader.map(|(_, address)| address).unwrap_or_default();
        group([
            ("acl", "disabled"),
            ("bootstrap", bool_text(self.identity().bootstrap)),
            ("known_datacenters", "1"),
            ("leader", bool_text(leads)),
            ("leader_addr", &address),
            ("server", "true"),
        ])
    }

    fn raft_stats(&self, server: &Server) -> BTreeMap<&'static str, String> {
        let status = server.consensus_status();
        let members = status.members.iter().map(|m| {
            let suffrage = if m.voter { "Voter" } else { "Nonvoter" };
            format!("{{Suffrage:{suffrage} ID:{} Address:{}}}", m.id, m.address)
        });
        let configuration = format!("[{}]", members.collect::<Vec<_>>().join(" "));
        let own_id = &self.identity().node_id;
        let is_voter = status.members.iter().any(|m| m.voter && m.id.to_string() == *own_id);
        let voters = status.members.iter().filter(|m| m.voter).count();
        let last_contact = match (status.state, status.last_contact) {
            (State::Leader, _) => "0".to_owned(),
            (_, None) => "never".to_owned(),
            (_, Some(age)) => GoDuration::from(whole_millis(age)).to_string(),
        };
        BTreeMap::from([
            ("applied_index", status.applied_index.to_string()),
            ("commit_index", status.commit_index.to_string()),
            ("fsm_pending", "0".to_owned()),
            ("last_contact", last_contact),
            ("last_log_index", status.last_log_index.to_string()),
            ("last_log_term", status.last_log_term.to_string()),
            ("last_snapshot_index", status.last_snapshot_index.to_string()),
            ("last_snapshot_term", status.last_snapshot_term.to_string()),
            ("latest_configuration", configuration),
            ("latest_configuration_index", "0".to_owned()),
            ("num_peers", if is_voter { (voters - 1).to_string() } else { "0".to_owned() }),
            ("protocol_version", "3".to_owned()),
            ("protocol_version_max", "3".to_owned()),
            ("protocol_version_min", "0".to_owned()),
            ("snapshot_version_max", "1".to_owned()),
            ("snapshot_version_min", "0".to_owned()),
            ("state", status.state.to_string()),
            ("term", status.term.to_string()),
        ])
    }
}

/// When the version we are compatible with was built, RFC 3339: tools parse it.
const BUILD_DATE: &str = "2022-11-30T16:24:29Z";

fn runtime_stats() -> BTreeMap<&'static str, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let tasks = tokio::runtime::Handle::try_current().map_or(0, |h| h.metrics().num_alive_tasks());
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    group([
        ("arch", arch),
        ("cpu_count", &cores),
        ("goroutines", &tasks.to_string()),
        ("max_procs", &cores),
        ("os", std::env::consts::OS),
        ("version", concat!("rust", env!("CARGO_PKG_RUST_VERSION"))),
    ])
}

fn group<const N: usize>(figures: [(&'static str, &str); N]) -> BTreeMap<&'static str, String> {
    figures.map(|(name, value)| (name, value.to_owned())).into()
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn whole_millis(age: Duration) -> Duration {
    Duration::from_millis(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}
