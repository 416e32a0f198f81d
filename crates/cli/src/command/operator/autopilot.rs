//! Autopilot (`docs/spec/cli.md` §3.9).

use std::time::Duration;

use api::{AutopilotConfiguration, AutopilotServer, AutopilotState, format_duration};
use wire::quote::go_quote;

use crate::client::{block_on, connect, read_options, write_options};
use crate::error::{Error, Outcome};
use crate::flag::Values;
use crate::invocation::Invocation;
use crate::json;

/// Indent of the JSON that is for programs.
const JSON_INDENT: &str = "    ";

pub(super) fn get_config(invocation: &Invocation<'_>) -> Outcome {
    let client = connect(invocation)?;
    block_on(async {
        let failed = |e| Error::failed(format!("Error querying Autopilot configuration: {e}"));
        let config = client.operator().autopilot_configuration(&read_options(invocation)).await.map_err(failed)?;
        invocation.terminal.say(listing(&config));
        Ok(())
    })
}

fn listing(config: &AutopilotConfiguration) -> String {
    [
        format!("CleanupDeadServers = {}", config.cleanup_dead_servers),
        format!("LastContactThreshold = {}", format_duration(config.last_contact_threshold)),
        format!("MaxTrailingLogs = {}", config.max_trailing_logs),
        format!("MinQuorum = {}", config.min_quorum),
        format!("ServerStabilizationTime = {}", format_duration(config.server_stabilization_time)),
        format!("RedundancyZoneTag = {}", go_quote(&config.redundancy_zone_tag)),
        format!("DisableUpgradeMigration = {}", config.disable_upgrade_migration),
        format!("UpgradeVersionTag = {}", go_quote(&config.upgrade_version_tag)),
    ]
    .join("\n")
}

pub(super) fn set_config(invocation: &Invocation<'_>) -> Outcome {
    let client = connect(invocation)?;
    block_on(async {
        let failed = |e| Error::failed(format!("Error querying Autopilot configuration: {e}"));
        let operator = client.operator();
        let mut config = operator.autopilot_configuration(&read_options(invocation)).await.map_err(failed)?;
        overlay(&mut config, &invocation.values);
        let failed = |e| Error::failed(format!("Error setting Autopilot configuration: {e}"));
        if operator.autopilot_cas_configuration(&config, &write_options()).await.map_err(failed)? {
            invocation.terminal.say("Configuration updated!");
            return Ok(());
        }
        invocation.terminal.say("Configuration could not be atomically updated, please try again");
        Err(Error::Exit(1))
    })
}

/// Puts what flags name over what is set.
fn overlay(config: &mut AutopilotConfiguration, values: &Values) {
    let duration = |name: &str| Duration::from_nanos(u64::try_from(values.duration(name).0).unwrap_or_default());
    if values.is_given("cleanup-dead-servers") {
        config.cleanup_dead_servers = values.bool("cleanup-dead-servers");
    }
    if values.is_given("max-trailing-logs") {
        config.max_trailing_logs = values.uint("max-trailing-logs");
    }
    if values.is_given("min-quorum") {
        config.min_quorum = values.uint("min-quorum");
    }
    if values.is_given("last-contact-threshold") {
        config.last_contact_threshold = duration("last-contact-threshold");
    }
    if values.is_given("server-stabilization-time") {
        config.server_stabilization_time = duration("server-stabilization-time");
    }
    if values.is_given("redundancy-zone-tag") {
        config.redundancy_zone_tag = values.text("redundancy-zone-tag").to_string();
    }
    if values.is_given("disable-upgrade-migration") {
        config.disable_upgrade_migration = values.bool("disable-upgrade-migration");
    }
    if values.is_given("upgrade-version-tag") {
        config.upgrade_version_tag = values.text("upgrade-version-tag").to_string();
    }
}

pub(super) fn state(invocation: &Invocation<'_>) -> Outcome {
    let client = connect(invocation)?;
    block_on(async {
        let failed = |e| Error::failed(format!("Error querying Autopilot state: {e}"));
        let state = client.operator().autopilot_state(&read_options(invocation)).await.map_err(failed)?;
        let text = match invocation.values.text("format") {
            "pretty" => pretty(&state),
            "json" => json::pretty(&state, JSON_INDENT).map_err(|e| Error::failed(e.to_string()))?,
            other => return Err(Error::failed(format!("Unknown format: {other}"))),
        };
        invocation.terminal.say(text);
        Ok(())
    })
}

fn pretty(state: &AutopilotState) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &dyn std::fmt::Display| text.push_str(&format!("{label:<29} {value}\n"));
    line("Healthy:", &state.healthy);
    line("Failure Tolerance:", &state.failure_tolerance);
    line("Optimistic Failure Tolerance:", &state.optimistic_failure_tolerance);
    line("Leader:", &state.leader);
    text.push_str("Voters:\n");
    for voter in &state.voters {
        text.push_str(&format!("   {voter}\n"));
    }
    if !state.read_replicas.is_empty() {
        text.push_str("Read Replicas:\n");
        for replica in &state.read_replicas {
            text.push_str(&format!("   {replica}\n"));
        }
    }
    text.push_str("Servers:\n");
    for (id, server) in &state.servers {
        text.push_str(&format!("   {id}\n"));
        describe(&mut text, server);
    }
    text
}

fn describe(text: &mut String, server: &AutopilotServer) {
    let mut line = |label: &str, value: &dyn std::fmt::Display| text.push_str(&format!("      {label:<16} {value}\n"));
    line("Name:", &server.name);
    line("Address:", &server.address);
    line("Version:", &server.version);
    line("Status:", &server.status);
    line("Node Type:", &server.node_type);
    line("Node Status:", &server.node_status);
    line("Healthy:", &server.healthy);
    line("Last Contact:", &format_duration(server.last_contact));
    line("Last Term:", &server.last_term);
    line("Last Index:", &server.last_index);
    if server.meta.is_empty() {
        return;
    }
    text.push_str("      Meta\n");
    for (key, value) in &server.meta {
        text.push_str(&format!("         {}: {}\n", go_quote(key), go_quote(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_laid_out_for_people() {
        let server = AutopilotServer {
            name: "node1".to_string(),
            address: "198.18.0.1:8300".to_string(),
            version: "1.14.2".to_string(),
            status: "leader".to_string(),
            node_type: "voter".to_string(),
            node_status: "alive".to_string(),
            healthy: true,
            last_term: 3,
            last_index: 42,
            meta: [("foo".to_string(), "bar".to_string())].into(),
            ..AutopilotServer::default()
        };
        let state = AutopilotState {
            healthy: true,
            leader: "id".to_string(),
            voters: vec!["id".to_string()],
            servers: [("id".to_string(), server)].into(),
            ..AutopilotState::default()
        };
        let wanted = "\
Healthy:                      true
Failure Tolerance:            0
Optimistic Failure Tolerance: 0
Leader:                       id
Voters:
   id
Servers:
   id
      Name:            node1
      Address:         198.18.0.1:8300
      Version:         1.14.2
      Status:          leader
      Node Type:       voter
      Node Status:     alive
      Healthy:         true
      Last Contact:    0s
      Last Term:       3
      Last Index:      42
      Meta
         \"foo\": \"bar\"
";
        assert_eq!(pretty(&state), wanted);
    }
}
