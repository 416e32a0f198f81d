//! The file of a pool's gossip keys (`docs/spec/gossip.md` §9.3, §9.4): a JSON array of base64, the primary key first.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Request;
use super::error::KeysError;
use crate::{Keyring, SaveId};

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// Changes that may wait to be written.
pub(super) const QUEUE_CHANGES: usize = 16;

/// Keys, the primary one first; wiped from memory when dropped.
pub(super) type Keys = Zeroizing<Vec<Vec<u8>>>;

/// The keys a pool starts with: those of the file if there is one, else the configured ones, which the file then gets.
/// None: the pool does not encrypt.
pub(super) fn load(path: Option<&Path>, configured: Keys, pool: &str) -> Result<Keys, KeysError> {
    let Some(path) = path else { return Ok(configured) };
    let keys = match fs::read(path) {
        Ok(text) => parse(path, &Zeroizing::new(text))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !configured.is_empty() {
                // What cannot be a key must not get into the file.
                Keyring::new(&configured)?;
                create(path, &configured).map_err(KeysError::Io)?;
            }
            return Ok(configured);
        }
        Err(error) => return Err(KeysError::Io(error)),
    };
    if configured.iter().any(|key| !keys.contains(key)) {
        // The reference's line has this space.
        tracing::warn!(target: "agent", keyring = pool.to_uppercase().as_str(),
            " keyring doesn't include key provided with -encrypt, using keyring");
    }
    Ok(keys)
}

fn parse(path: &Path, text: &[u8]) -> Result<Keys, KeysError> {
    let encoded = match serde_json::from_slice::<Vec<String>>(text) {
        Ok(encoded) => Zeroizing::new(encoded),
        Err(error) if error.is_eof() => return Err(KeysError::Text("unexpected end of JSON input".to_owned())),
        // The error's own words may quote what should have been a list, and that may be a key.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return Err(KeysError::Text(format!("not a list of keys: line {line} column {column}")));
        }
    };
    if encoded.is_empty() {
        return Err(KeysError::Text(format!("no keys present in keyring: {}", path.display())));
    }
    let mut keys = Keys::default();
    for key in encoded.iter() {
        keys.push(decode(key)?);
    }
    Ok(keys)
}

fn decode(key: &str) -> Result<Vec<u8>, KeysError> {
    let place = |error| match error {
        base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
        base64::DecodeError::InvalidLength(length) => length,
        base64::DecodeError::InvalidPadding => key.trim_end_matches('=').len(),
    };
    STANDARD.decode(key).map_err(|error| KeysError::Text(format!("illegal base64 data at input byte {}", place(error))))
}

fn create(path: &Path, keys: &Keys) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    }
    let text = Zeroizing::new(serde_json::to_string(&*encode(keys))?);
    replace(path, &text)
}

/// Puts these keys into the file. A crash leaves the old keys or the new ones, never half of them.
fn rewrite(path: &Path, keys: &Keys) -> io::Result<()> {
    let text = Zeroizing::new(serde_json::to_string_pretty(&*encode(keys))?);
    replace(path, &text)
}

fn encode(keys: &Keys) -> Zeroizing<Vec<String>> {
    Zeroizing::new(keys.iter().map(|key| STANDARD.encode(key)).collect())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut fresh_path = path.to_owned().into_os_string();
    fresh_path.push(".tmp");
    // What a crash left there may have another mode.
    match fs::remove_file(&fresh_path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut fresh = OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(&fresh_path)?;
    fresh.write_all(text.as_bytes())?;
    fresh.sync_all()?;
    fs::rename(&fresh_path, path)
}

/// A change of the keys that is to stand in the file before it is acknowledged.
pub(super) struct Change {
    pub(super) id: SaveId,
    pub(super) keys: Keys,
}

/// Writes changes one after the other, and says how each went, until nobody sends any.
pub(super) async fn run(path: PathBuf, mut changes: mpsc::Receiver<Change>, requests: mpsc::WeakSender<Request>) {
    while let Some(Change { id, keys }) = changes.recv().await {
        let target = path.clone();
        let written = tokio::task::spawn_blocking(move || rewrite(&target, &keys));
        let result = match written.await {
            Ok(result) => result.map_err(|error| outgoing::cause::system_text(&error)),
            Err(_) => return,
        };
        let Some(requests) = requests.upgrade() else { return };
        // Nobody to tell: the pool is stopping.
        if requests.send(Request::KeyringSaved { id, result }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn keys(fill: &[u8]) -> Keys {
        Zeroizing::new(fill.iter().map(|byte| vec![*byte; 16]).collect())
    }

    #[test]
    fn the_file_wins_over_the_configured_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("serf/local.keyring");
        assert!(load(Some(&path), Keys::default(), "lan").unwrap().is_empty());
        assert!(!path.exists());

        assert_eq!(load(Some(&path), keys(&[0]), "lan").unwrap(), keys(&[0]));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\"AAAAAAAAAAAAAAAAAAAAAA==\"]");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);

        assert_eq!(load(Some(&path), keys(&[1]), "lan").unwrap(), keys(&[0]));
        assert_eq!(load(Some(&path), Keys::default(), "lan").unwrap(), keys(&[0]));
        assert_eq!(load(None, keys(&[1]), "lan").unwrap(), keys(&[1]));
    }

    #[test]
    fn changes_are_written_indented() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.keyring");
        create(&path, &keys(&[0])).unwrap();
        rewrite(&path, &keys(&[1, 0])).unwrap();
        let text = "[\n  \"AQEBAQEBAQEBAQEBAQEBAQ==\",\n  \"AAAAAAAAAAAAAAAAAAAAAA==\"\n]";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
        assert_eq!(load(Some(&path), Keys::default(), "lan").unwrap(), keys(&[1, 0]));
    }

    #[test]
    fn a_file_without_keys_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.keyring");
        let empty = format!("no keys present in keyring: {}", path.display());
        let cases = [
            ("[]", empty.as_str()),
            ("[\"x\"", "unexpected end of JSON input"),
            ("[\"@@\"]", "illegal base64 data at input byte 0"),
        ];
        for (text, expected) in cases {
            fs::write(&path, text).unwrap();
            let error = load(Some(&path), Keys::default(), "lan").unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
}
