//! `meta.json` of a snapshot, with the reference's keys (`docs/spec/server-operations.md` §9.2 and
//! `docs/spec/rpc-and-state.md` §9.1). `Term` of the configuration and the voter sets of a change under way are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Data, Header, Stored};
use crate::ServerId;
use crate::log::{LogId, Membership};

/// Version of the snapshot format that carries a configuration.
const VERSION: u32 = 1;

const SUFFRAGE_VOTER: u8 = 0;
const SUFFRAGE_NONVOTER: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    version: u32,
    #[serde(rename = "ID")]
    id: String,
    index: u64,
    term: u64,
    configuration: Configuration,
    configuration_index: u64,
    configuration_term: u64,
    size: u64,
    #[serde(rename = "CRC")]
    crc: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    servers: Vec<Server>,
    /// Every voter set when there are two, that is while a change is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joint: Vec<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    suffrage: u8,
    #[serde(rename = "ID")]
    id: String,
    address: String,
}

pub(super) fn encode(stored: &Stored) -> io::Result<Vec<u8>> {
    let meta = Meta {
        version: VERSION,
        id: stored.info.id.clone(),
        index: stored.info.index,
        term: stored.info.term,
        configuration: configuration(&stored.membership),
        configuration_index: stored.membership_at.index,
        configuration_term: stored.membership_at.term,
        size: stored.info.size,
        crc: STANDARD.encode(stored.crc.to_be_bytes()),
    };
    Ok(serde_json::to_vec(&meta)?)
}

/// Reads a description; `data` is where the state is.
pub(super) fn decode(json: &[u8], data: Data) -> Result<Stored, String> {
    let meta: Meta = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if meta.version != VERSION {
        return Err(format!("snapshot version {} is not supported", meta.version));
    }
    let crc = STANDARD.decode(&meta.crc).map_err(|error| format!("CRC: {error}"))?;
    let crc: [u8; 8] = crc.try_into().map_err(|_| "CRC is not 8 bytes long".to_owned())?;
    let header = Header {
        last: LogId { term: meta.term, index: meta.index },
        membership: Arc::new(membership(meta.configuration)?),
        membership_at: LogId { term: meta.configuration_term, index: meta.configuration_index },
    };
    Ok(Stored::new(meta.id, header, meta.size, u64::from_be_bytes(crc), data))
}

fn configuration(membership: &Membership) -> Configuration {
    let is_voter = |id: &ServerId| membership.voters.iter().any(|set| set.contains(id));
    let servers = membership.servers.iter().map(|(id, address)| Server {
        suffrage: if is_voter(id) { SUFFRAGE_VOTER } else { SUFFRAGE_NONVOTER },
        id: id.to_string(),
        address: address.clone(),
    });
    let joint = match membership.voters.len() {
        0 | 1 => Vec::new(),
        _ => membership.voters.iter().map(|set| set.iter().map(ServerId::to_string).collect()).collect(),
    };
    Configuration { servers: servers.collect(), joint }
}

fn membership(configuration: Configuration) -> Result<Membership, String> {
    let parse = |text: &str| text.parse::<ServerId>().map_err(|error| error.to_string());
    let mut servers = BTreeMap::new();
    let mut voters = BTreeSet::new();
    for server in configuration.servers {
        let id = parse(&server.id)?;
        servers.insert(id, server.address);
        if server.suffrage == SUFFRAGE_VOTER {
            voters.insert(id);
        }
    }
    if configuration.joint.is_empty() {
        return Ok(Membership { voters: vec![voters], servers });
    }
    let set = |ids: &Vec<String>| ids.iter().map(|id| parse(id)).collect();
    let voters = configuration.joint.iter().map(set).collect::<Result<_, _>>()?;
    Ok(Membership { voters, servers })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stored(voters: Vec<BTreeSet<ServerId>>) -> Stored {
        let servers = (1..4).map(|n| (ServerId::from_bytes([n; 16]), format!("10.0.0.{n}:8300"))).collect();
        let header = Header {
            last: LogId { term: 2, index: 15 },
            membership: Arc::new(Membership { voters, servers }),
            membership_at: LogId { term: 1, index: 1 },
        };
        Stored::new("2-15-1670000000000".to_owned(), header, 100, 0x0102_0304_0506_0708, Data::Memory(Bytes::new()))
    }

    #[test]
    fn descriptions_survive_encoding() {
        let [a, b, c] = [1, 2, 3].map(|n| ServerId::from_bytes([n; 16]));
        for voters in [vec![BTreeSet::from([a, b])], vec![BTreeSet::from([a]), BTreeSet::from([a, b, c])]] {
            let before = stored(voters);
            let after = decode(&encode(&before).unwrap(), Data::Memory(Bytes::new())).unwrap();
            assert_eq!((&after.info, after.crc), (&before.info, before.crc));
            assert_eq!((&after.membership, after.membership_at), (&before.membership, before.membership_at));
        }
    }

    #[test]
    fn keys_are_the_references() {
        let id = ServerId::from_bytes([1; 16]);
        let json = encode(&stored(vec![BTreeSet::from([id])])).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["CRC"], "AQIDBAUGBwg=");
        assert_eq!(json["Configuration"]["Servers"][0]["Suffrage"], 0);
        assert_eq!(json["Configuration"]["Servers"][1]["Suffrage"], 1);
        assert_eq!(json["ConfigurationIndex"], 1);
        for key in ["Version", "ID", "Index", "Term", "Size"] {
            assert!(json.get(key).is_some(), "{key}");
        }
    }
}
