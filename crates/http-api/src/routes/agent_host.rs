//! `/v1/agent/host` and `/debug/pprof/cmdline`: the machine and the process (`docs/spec/http-api.md` §1.3, §3.2).

mod sections;

use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Value, json};

use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

/// Flags of the command line whose value nobody may see.
const SECRET_FLAGS: [&str; 3] = ["encrypt", "hcl", "token"];
const HIDDEN: &str = "<hidden>";

/// Describes this machine. A section that cannot be read is null, and `Errors` says why.
pub(crate) async fn describe(call: &mut Call) -> Answer {
    let collected = tokio::task::spawn_blocking(collect).await;
    let collected = collected.map_err(|error| Failure::internal(format!("failed to look at the host: {error}")))?;
    Reply::json(&collected, call.pretty())
}

/// Reads files; blocks.
fn collect() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut errors = Vec::new();
    let mut section = |name: &str, read: io::Result<Value>| {
        read.unwrap_or_else(|error| {
            errors.push(format!("{name}: {error}"));
            Value::Null
        })
    };
    let memory = section("memory", read("/proc/meminfo", sections::memory));
    let cpu = section("cpu", read("/proc/cpuinfo", sections::cpus));
    let host = section("host", host(now.as_secs()));
    let disk = section("disk", disk("/"));
    json!({
        "Memory": memory,
        "CPU": cpu,
        "Host": host,
        "Disk": disk,
        "CollectionTime": u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        "Errors": if errors.is_empty() { Value::Null } else { json!(errors) },
    })
}

/// What a file tells; an error if it does not tell it.
fn read(path: &str, parse: fn(&str) -> Option<Value>) -> io::Result<Value> {
    let text = fs::read_to_string(path)?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not understood")))
}

fn host(now_secs: u64) -> io::Result<Value> {
    let boot_time = fs::read_to_string("/proc/stat").ok().and_then(|text| sections::boot_time(&text));
    let boot_time = boot_time.ok_or_else(|| io::Error::other("/proc/stat does not tell when the machine started"))?;
    let system = rustix::system::uname();
    let platform = sections::Platform::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default());
    let is_container = fs::exists("/.dockerenv").unwrap_or(false);
    Ok(json!({
        "hostname": system.nodename().to_string_lossy(),
        "uptime": now_secs.saturating_sub(boot_time),
        "bootTime": boot_time,
        "procs": count_processes()?,
        "os": std::env::consts::OS,
        "platform": platform.name,
        "platformFamily": platform.family,
        "platformVersion": platform.version,
        "kernelVersion": system.release().to_string_lossy(),
        "kernelArch": system.machine().to_string_lossy(),
        "virtualizationSystem": if is_container { "docker" } else { "" },
        "virtualizationRole": if is_container { "guest" } else { "" },
        "hostId": host_id(),
    }))
}

fn count_processes() -> io::Result<usize> {
    let is_number = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    Ok(names.filter(|name| is_number(name.as_encoded_bytes())).count())
}

/// The machine's own UUID, else what was made up when it was installed or started.
fn host_id() -> String {
    let places = ["/sys/class/dmi/id/product_uuid", "/etc/machine-id", "/proc/sys/kernel/random/boot_id"];
    let ids = places.iter().filter_map(|place| fs::read_to_string(place).ok());
    ids.map(|id| id.trim().to_lowercase()).find(|id| !id.is_empty()).unwrap_or_default()
}

fn disk(path: &str) -> io::Result<Value> {
    let found = rustix::fs::statvfs(path)?;
    let block = found.f_frsize;
    let total = found.f_blocks.saturating_mul(block);
    let free = found.f_bavail.saturating_mul(block);
    let used = found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(block);
    let inodes_used = found.f_files.saturating_sub(found.f_ffree);
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    Ok(json!({
        "path": path,
        "fstype": sections::file_system(&mounts, path).unwrap_or_default(),
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": sections::percent(used, used.saturating_add(free)),
        "inodesTotal": found.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": found.f_ffree,
        "inodesUsedPercent": sections::percent(inodes_used, found.f_files),
    }))
}

/// The command line of this process, its arguments separated by NUL, secrets hidden.
pub(crate) async fn command_line(_call: &mut Call) -> Answer {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut reply = Reply::text(StatusCode::OK, without_secrets(arguments).join("\0"));
    let no_sniffing = http::header::HeaderValue::from_static("nosniff");
    reply.headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, no_sniffing);
    Ok(reply)
}

fn without_secrets(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let is_secret = |flag: &str| flag.starts_with('-') && SECRET_FLAGS.contains(&flag.trim_start_matches('-'));
    let mut is_value = false;
    let shown = arguments.map(|argument| {
        if std::mem::take(&mut is_value) {
            return HIDDEN.to_owned();
        }
        match argument.split_once('=') {
            Some((flag, _)) if is_secret(flag) => format!("{flag}={HIDDEN}"),
            Some(_) => argument,
            None => {
                is_value = is_secret(&argument);
                argument
            }
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_command_line_are_hidden() {
        let arguments = ["consul", "agent", "-encrypt=abc", "--encrypt", "def", "-hcl", "encrypt = \"x\"", "-node=a=b"];
        let shown = without_secrets(arguments.iter().map(|argument| (*argument).to_owned()));
        let expected =
            ["consul", "agent", "-encrypt=<hidden>", "--encrypt", "<hidden>", "-hcl", "<hidden>", "-node=a=b"];
        assert_eq!(shown, expected);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_section_of_this_machine_can_be_read() {
        let collected = collect();
        assert_eq!(collected["Errors"], Value::Null, "{collected}");
        assert!(collected["Memory"]["total"].as_u64() > Some(0), "{collected}");
        assert!(collected["CPU"].as_array().is_some_and(|cpus| !cpus.is_empty()), "{collected}");
        assert!(collected["Host"]["procs"].as_u64() > Some(0), "{collected}");
        assert_eq!(collected["Disk"]["path"], "/");
        assert!(collected["CollectionTime"].as_u64() > Some(0));
    }
}
