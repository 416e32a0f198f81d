//! `meta.json`: what a snapshot is of (`docs/spec/rpc-and-state.md` §6.2).

use serde::{Deserialize, Deserializer, Serialize};

use crate::Error;

/// Longest `meta.json` that is read; a cluster of a thousand servers needs a tenth of it.
pub const META_LIMIT_BYTES: u64 = 1 << 20;

/// The newest metadata version that can be restored; 0 can, too.
pub const MAX_META_VERSION: i64 = 1;

/// The metadata of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Meta {
    /// Version of this structure: 1 since servers have identifiers, 0 before.
    pub version: i64,
    /// `TERM-INDEX-UNIXMILLISECONDS`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Index of the last log entry in the state.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// The voters' addresses as the first metadata version wrote them: a msgpack list of strings, base64 in JSON.
    #[serde(with = "wire::json::base64_bytes")]
    pub peers: Vec<u8>,
    /// The cluster's servers at that entry.
    pub configuration: Configuration,
    /// Index of the entry that set this configuration.
    pub configuration_index: u64,
    /// Length of `state.bin` in bytes.
    pub size: u64,
}

/// The servers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Configuration {
    /// The servers, voters or not.
    #[serde(deserialize_with = "null_as_empty")]
    pub servers: Vec<Server>,
}

/// One server of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Server {
    /// Whether the server votes.
    #[serde(default)]
    pub suffrage: Suffrage,
    /// The server's node identifier.
    #[serde(rename = "ID", default)]
    pub id: String,
    /// The server's RPC address, `HOST:PORT`.
    #[serde(default)]
    pub address: String,
}

/// Whether a server votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Suffrage {
    /// Votes (0).
    #[default]
    Voter,
    /// Receives the log only (1).
    Nonvoter,
    /// On the way to voting (2).
    Staging,
}

impl From<Suffrage> for u8 {
    fn from(suffrage: Suffrage) -> Self {
        match suffrage {
            Suffrage::Voter => 0,
            Suffrage::Nonvoter => 1,
            Suffrage::Staging => 2,
        }
    }
}

impl TryFrom<u8> for Suffrage {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Voter),
            1 => Ok(Self::Nonvoter),
            2 => Ok(Self::Staging),
            _ => Err(format!("unknown suffrage {number}")),
        }
    }
}

impl Meta {
    /// The metadata of a new snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::EncodeMeta`] when the addresses cannot be encoded.
    pub fn new(
        index: u64,
        term: u64,
        configuration: Configuration,
        configuration_index: u64,
        size: u64,
        unix_milliseconds: u128,
    ) -> Result<Self, Error> {
        let voters: Vec<&str> = configuration
            .servers
            .iter()
            .filter(|server| server.suffrage == Suffrage::Voter)
            .map(|server| server.address.as_str())
            .collect();
        let peers = wire::msgpack::to_vec(&voters).map_err(|error| Error::EncodeMeta(error.to_string()))?;
        let id = format!("{term}-{index}-{unix_milliseconds}");
        Ok(Self { version: MAX_META_VERSION, id, index, term, peers, configuration, configuration_index, size })
    }

    /// Reads a `meta.json`. Unknown keys are skipped, missing ones are zero.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|error| {
            // The words users of the reference know for a cut file.
            let text = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            Error::Metadata(text)
        })
    }

    /// The bytes of `meta.json`: one object and a line end.
    ///
    /// # Errors
    ///
    /// [`Error::EncodeMeta`].
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| Error::EncodeMeta(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Server>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the reference writes it.
    const RECORDED: &str = concat!(
        r#"{"Version":1,"ID":"2-13-1602222343947","Index":13,"Term":2,"Peers":"ka4xMjcuMC4wLjE6ODMwMA==","#,
        r#""Configuration":{"Servers":[{"Suffrage":0,"ID":"a577b288-b354-770e-e909-da0972eb20e8","#,
        r#""Address":"127.0.0.1:8300"}]},"ConfigurationIndex":1,"Size":5141}"#,
        "\n"
    );

    fn server(suffrage: Suffrage, id: &str, address: &str) -> Server {
        Server { suffrage, id: id.to_owned(), address: address.to_owned() }
    }

    #[test]
    fn recorded_metadata_round_trips_byte_for_byte() {
        let meta = Meta::from_json(RECORDED.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(meta.to_json().unwrap()).unwrap(), RECORDED);
    }

    #[test]
    fn new_metadata_is_what_the_reference_writes() {
        let servers = vec![server(Suffrage::Voter, "a577b288-b354-770e-e909-da0972eb20e8", "127.0.0.1:8300")];
        let meta = Meta::new(13, 2, Configuration { servers }, 1, 5141, 1_602_222_343_947).unwrap();
        assert_eq!(String::from_utf8(meta.to_json().unwrap()).unwrap(), RECORDED);
    }

    #[test]
    fn only_voters_are_listed_as_peers() {
        let servers = vec![
            server(Suffrage::Nonvoter, "a", "a:1"),
            server(Suffrage::Voter, "b", "b:2"),
            server(Suffrage::Staging, "c", "c:3"),
        ];
        let meta = Meta::new(1, 1, Configuration { servers }, 1, 0, 0).unwrap();
        assert_eq!(meta.peers, b"\x91\xa3b:2");
    }

    #[test]
    fn null_and_missing_keys_are_empty_and_unknown_keys_are_skipped() {
        let text = r#"{"Peers":null,"Configuration":{"Servers":null},"Extra":{"a":[1]}}"#;
        assert_eq!(Meta::from_json(text.as_bytes()).unwrap(), Meta::default());
    }

    #[test]
    fn bad_metadata_is_refused() {
        let cases = [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("{}x", "trailing characters"),
            ("null", "invalid type"),
            (r#"{"Index":"x"}"#, "invalid type: string"),
            (r#"{"Peers":"!!"}"#, "illegal base64 data at input byte 0"),
            (r#"{"Configuration":{"Servers":[{"Suffrage":3}]}}"#, "unknown suffrage 3"),
        ];
        for (text, expected) in cases {
            let error = Meta::from_json(text.as_bytes()).unwrap_err().to_string();
            let prefix = "failed to read snapshot file: failed to decode snapshot metadata: ";
            assert!(error.starts_with(prefix) && error.contains(expected), "{text}: {error}");
        }
    }
}
