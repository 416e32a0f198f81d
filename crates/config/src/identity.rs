//! The node's ID: configured, kept, derived or random (`docs/spec/config.md` §6).

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha512};
use uuid::Uuid;

use crate::environment::Environment;
use crate::error::{ConfigError, go_io_error};
use crate::runtime::RuntimeConfig;

/// Name of the file the ID is kept in, under the data directory.
pub const NODE_ID_FILE: &str = "node-id";

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o755;

/// The ID to run with. A configured ID is never written to disk; one that is made is, when there is a data directory.
pub fn node_id(runtime: &RuntimeConfig, env: &Environment) -> Result<String, ConfigError> {
    if let Some(configured) = &runtime.node.id {
        return parse(configured).map_err(|cause| failed(format!("specified NodeID is invalid: {cause}")));
    }
    let Some(dir) = &runtime.data_dir else { return Ok(generate(runtime, env)) };
    let path = dir.join(NODE_ID_FILE);
    let shown = path.display().to_string();
    match std::fs::read_to_string(env.resolve(&path)) {
        Ok(kept) if !kept.trim().is_empty() => {
            parse(kept.trim()).map_err(|cause| failed(format!("NodeID in {shown} is invalid: {cause}")))
        }
        Ok(_) => keep(&path, generate(runtime, env), env),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => keep(&path, generate(runtime, env), env),
        Err(error) => Err(failed(go_io_error("open", &shown, &error))),
    }
}

fn failed(detail: String) -> ConfigError {
    ConfigError::NodeId { detail }
}

/// Reads `8-4-4-4-12` hexadecimal digits; errors in the reference's words.
fn parse(text: &str) -> Result<String, String> {
    const LENGTH: usize = 36;
    let lower = text.to_lowercase();
    if lower.len() != LENGTH {
        return Err("uuid string is wrong length".to_owned());
    }
    let hyphens_stand = [8, 13, 18, 23].iter().all(|at| lower.as_bytes()[*at] == b'-');
    if !hyphens_stand {
        return Err("uuid is improperly formatted".to_owned());
    }
    let bad = lower.chars().find(|digit| *digit != '-' && !digit.is_ascii_hexdigit());
    match bad {
        Some(bad) => Err(format!("encoding/hex: invalid byte: U+{:04X} {bad:?}", u32::from(bad))),
        None => Ok(lower),
    }
}

fn generate(runtime: &RuntimeConfig, env: &Environment) -> String {
    let from_host = env.host_uuid.as_ref().filter(|_| !runtime.node.disable_host_id).map(|host| {
        // Hashed so that the ID does not give the host's away.
        let digest = Sha512::digest(host.to_lowercase().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Uuid::from_bytes(bytes)
    });
    from_host.unwrap_or_else(Uuid::new_v4).to_string()
}

fn keep(path: &Path, id: String, env: &Environment) -> Result<String, ConfigError> {
    let real = env.resolve(path);
    let write = || -> std::io::Result<()> {
        if let Some(dir) = real.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
        }
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&real)?;
        file.write_all(id.as_bytes())?;
        file.sync_all()
    };
    match write() {
        Ok(()) => Ok(id),
        Err(error) => Err(failed(format!(
            "failed to write NodeID to disk: {}",
            go_io_error("open", &path.display().to_string(), &error)
        ))),
    }
}
