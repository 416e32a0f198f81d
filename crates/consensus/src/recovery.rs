//! Manual recovery: a new Raft configuration for a server that is stopped (`docs/spec/server-operations.md` §6.3).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::log::{Body, LogId, LogStore, Membership};
use crate::snapshots::{Header, SnapshotStore, Stored};
use crate::{Error, ServerId, StateMachine};

/// Bytes of entries read from the log at a time.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Where a configuration that no entry holds counts as written: before everything else.
const CONFIGURATION_AT: LogId = LogId { term: 1, index: 1 };

/// Checks that these servers (id, address, whether it votes) can be a Raft configuration.
pub(crate) fn check_servers(servers: &[(ServerId, String, bool)]) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::Configuration(reason));
    let (mut ids, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for (id, address, _) in servers {
        if address.is_empty() {
            return refused(format!("empty address in configuration: {id}"));
        }
        if !ids.insert(id) {
            return refused(format!("found duplicate ID in configuration: {id}"));
        }
        if !addresses.insert(address) {
            return refused(format!("found duplicate address in configuration: {address}"));
        }
    }
    if servers.iter().all(|(_, _, votes)| !votes) {
        return refused("need at least one voter in configuration".to_owned());
    }
    Ok(())
}

/// Applies every entry of the log, committed or not, behind what was `restored`, and writes a snapshot of that with the
/// new configuration. The caller then clears the log up to it.
pub(crate) fn recover<S: StateMachine>(
    machine: &mut S,
    restored: Option<Stored>,
    log: &LogStore,
    snapshots: &SnapshotStore,
    servers: &[(ServerId, String, bool)],
) -> Result<Stored, Error> {
    check_servers(servers)?;
    let mut last = restored.as_ref().map(Stored::last);
    loop {
        let next = last.map_or(1, |id| id.index + 1);
        let records = log.read(next..u64::MAX, CHUNK_BYTES).map_err(Error::storage("failed to read raft log"))?;
        let Some(end) = records.last().map(|record| record.id) else { break };
        for record in records {
            if let Body::Command(command) = &record.body {
                machine.apply(record.id.index, record.id.term, command);
            }
        }
        last = Some(end);
    }
    machine.flush();

    let last = last.ok_or(Error::NothingToRecover)?;
    let membership = Membership {
        voters: vec![servers.iter().filter(|(_, _, votes)| *votes).map(|(id, _, _)| *id).collect()],
        servers: servers.iter().map(|(id, address, _)| (*id, address.clone())).collect(),
    };
    let header = Header { last, membership: Arc::new(membership), membership_at: CONFIGURATION_AT };
    let state = machine.snapshot();
    let stored = snapshots.create(header, &state, &CancellationToken::new());
    let stored = stored.map_err(Error::storage("failed to write snapshot"))?;
    tracing::info!(target: "agent.server.raft", index = last.index, term = last.term, servers = servers.len(),
        "recovered raft configuration");
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(n: u8, address: &str, votes: bool) -> (ServerId, String, bool) {
        (ServerId::from_bytes([n; 16]), address.to_owned(), votes)
    }

    #[test]
    fn only_servers_that_can_be_a_cluster_are_taken() {
        let refused = [
            (vec![], "need at least one voter in configuration"),
            (vec![server(1, "a:1", false)], "need at least one voter in configuration"),
            (vec![server(1, "", true)], "empty address in configuration"),
            (vec![server(1, "a:1", true), server(1, "a:2", true)], "found duplicate ID in configuration"),
            (vec![server(1, "a:1", true), server(2, "a:1", false)], "found duplicate address in configuration"),
        ];
        for (servers, reason) in refused {
            let error = check_servers(&servers).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
        check_servers(&[server(1, "a:1", true), server(2, "a:2", false)]).unwrap();
    }
}
