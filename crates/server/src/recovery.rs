//! Servers given by an operator after the loss of a majority: `raft/peers.json` in the data directory
//! (`docs/spec/server-operations.md` §6.3).

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use consensus::ServerId;
use serde::Deserialize;

use crate::config::Storage;
use crate::server::ServerError;

/// Explains `peers.json`; that it is there tells that the directory has been in use before.
const PEERS_INFO: &str = r#"When most of a cluster's servers are lost for good, the others cannot elect a leader.
They can be told by hand who takes part from now on:

1. Stop all servers that are left.
2. Write a file peers.json into this directory of each of them, the same for all: a JSON list of the servers that
   are to take part.

   [
     { "id": "adf4238a-882b-9ddc-4a9d-5b6758e4159e", "address": "10.1.0.1:8300", "non_voter": false }
   ]

   "id" is what the file node-id in the server's data directory says, "address" is the address and port of its server
   RPC, "non_voter" may be left out. At least one server must vote.
3. Start the servers. Each takes the list over and deletes the file. What was not yet committed when they stopped
   counts as committed afterwards.

A peers.json that is there when this directory is used for the first time is deleted unread.
"#;

/// Servers to go on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recovery {
    file: PathBuf,
    /// Id, `ip:port`, and whether it votes.
    pub(crate) servers: Vec<(ServerId, String, bool)>,
}

#[derive(Deserialize)]
struct Peer {
    id: String,
    address: String,
    #[serde(default)]
    non_voter: bool,
}

/// The reference's log, which is not ours to read. Starting anew beside it would look like the loss of everything.
const OTHER_LOG: &str = "raft.db";

fn refuse_other_logs(directory: &Path) -> Result<(), ServerError> {
    let log = directory.join(OTHER_LOG);
    if !log.exists() {
        return Ok(());
    }
    Err(ServerError::Fatal(format!(
        "{} is the log of a server of the reference, which this program does not read: move its state by snapshot \
         (docs/operations.md), into a new data directory",
        log.display()
    )))
}

/// Reads the operator's list, if there is one for a directory that has been in use before.
pub(crate) fn find(storage: &Storage) -> Result<Option<Recovery>, ServerError> {
    let Storage::Disk(data_dir) = storage else { return Ok(None) };
    let directory = data_dir.join("raft");
    refuse_other_logs(&directory)?;
    let (info, file) = (directory.join("peers.info"), directory.join("peers.json"));
    if !info.exists() {
        fs::create_dir_all(&directory).map_err(failed("failed to create", &directory))?;
        fs::write(&info, PEERS_INFO).map_err(failed("failed to write", &info))?;
        return remove_if_there(&file).map(|()| None);
    }
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error.to_string())),
    };
    tracing::info!(target: "agent.server", "found peers.json file, recovering Raft configuration...");
    let servers = parse(&text).map_err(|reason| unreadable(&reason))?;
    Ok(Some(Recovery { file, servers }))
}

impl Recovery {
    /// Deletes the list, which has been taken over.
    pub(crate) fn done(&self) -> Result<(), ServerError> {
        remove_if_there(&self.file)?;
        tracing::info!(target: "agent.server", "deleted peers.json file after successful recovery");
        Ok(())
    }
}

fn parse(text: &str) -> Result<Vec<(ServerId, String, bool)>, String> {
    let peers: Vec<Peer> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (mut ids, mut addresses) = (HashSet::new(), HashSet::new());
    let mut servers = Vec::with_capacity(peers.len());
    for Peer { id, address, non_voter } in peers {
        let id = id.parse::<ServerId>().map_err(|error| error.to_string())?;
        if address.parse::<std::net::SocketAddr>().is_err() {
            return Err(format!("address {address:?} of server {id} is not an ip:port"));
        }
        if !ids.insert(id) {
            return Err(format!("found duplicate ID in configuration: {id}"));
        }
        if !addresses.insert(address.clone()) {
            return Err(format!("found duplicate address in configuration: {address}"));
        }
        servers.push((id, address, !non_voter));
    }
    if !servers.iter().any(|(_, _, voter)| *voter) {
        return Err("need at least one voter in configuration".to_owned());
    }
    Ok(servers)
}

fn remove_if_there(file: &Path) -> Result<(), ServerError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("failed to delete", file)(error)),
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> ServerError + use<> {
    let path = path.display().to_string();
    move |error| ServerError::Recovery(format!("{what} {path}: {error}"))
}

fn unreadable(reason: &str) -> ServerError {
    ServerError::Recovery(format!("recovery failed to parse peers.json: {reason}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_the_references_log_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("raft")).unwrap();
        fs::write(home.path().join("raft").join(OTHER_LOG), b"x").unwrap();
        let error = find(&Storage::Disk(home.path().to_owned())).unwrap_err();
        assert!(error.to_string().contains("raft.db is the log of a server of the reference"), "{error}");
    }

    const ONE: &str = "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e";
    const TWO: &str = "7fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e";

    #[test]
    fn a_list_is_taken_only_whole() {
        let peer = |id: &str, address: &str, more: &str| format!(r#"{{"id":"{id}","address":"{address}"{more}}}"#);
        let voter = peer(ONE, "127.0.0.1:8300", "");
        let other = peer(TWO, "127.0.0.2:8300", r#","non_voter":true"#);
        let list = |peers: &[&str]| format!("[{}]", peers.join(","));
        let servers = parse(&list(&[&voter, &other])).unwrap();
        let shown: Vec<_> = servers.iter().map(|(id, at, votes)| (id.to_string(), at.as_str(), *votes)).collect();
        assert_eq!(shown, [(ONE.to_owned(), "127.0.0.1:8300", true), (TWO.to_owned(), "127.0.0.2:8300", false)]);
        let no_voter = "need at least one voter in configuration".to_owned();
        let same_address = peer(TWO, "127.0.0.1:8300", "");
        let refused = [
            (list(&[]), no_voter.clone()),
            (list(&[&other]), no_voter),
            (list(&[&voter, &voter]), format!("found duplicate ID in configuration: {ONE}")),
            (list(&[&voter, &same_address]), "found duplicate address in configuration: 127.0.0.1:8300".to_owned()),
            (list(&[&peer("", "127.0.0.1:8300", "")]), "server id \"\" is not a UUID".to_owned()),
            (list(&[&peer(ONE, "", "")]), format!("address \"\" of server {ONE} is not an ip:port")),
        ];
        for (text, reason) in refused {
            assert_eq!(parse(&text).unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn a_list_counts_only_where_there_was_a_server_before() {
        let data_dir = tempfile::tempdir().unwrap();
        let storage = Storage::Disk(data_dir.path().to_owned());
        let file = data_dir.path().join("raft/peers.json");
        fs::create_dir_all(data_dir.path().join("raft")).unwrap();
        let list = format!(r#"[{{"id":"{ONE}","address":"127.0.0.1:8300"}}]"#);
        fs::write(&file, &list).unwrap();
        assert_eq!(find(&storage).unwrap(), None);
        assert!(!file.exists() && data_dir.path().join("raft/peers.info").exists());
        fs::write(&file, &list).unwrap();
        let recovery = find(&storage).unwrap().unwrap();
        assert_eq!(recovery.servers.len(), 1);
        recovery.done().unwrap();
        assert!(!file.exists());
    }
}
