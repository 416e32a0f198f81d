//! `snapshot`: the servers' whole state in a file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use futures_util::StreamExt;
use snapshot::{KvGrouping, Meta, Stats};
use wire::quote::go_quote;

use super::shared::{FORMAT, one_file};
use super::{Command, Run};
use crate::client::{block_on, connect, read_options, write_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;
use crate::source::{open_error, system_text};

/// A snapshot holds every secret of the cluster: only its owner may read it.
pub(super) const FILE_MODE: u32 = 0o600;
/// The file in which a state lies beside its `meta.json` when it is not in an archive.
const RAW_STATE_FILE: &str = "state.bin";

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "snapshot",
        "Saves, restores and inspects the servers' state",
        "A snapshot is an archive of everything the servers keep: catalog, keys, sessions, queries, access control, \
         configuration entries. Guard it well: it holds secrets.",
    )
    .examples(&[
        ("Save one", "consul snapshot save backup.snap"),
        ("See what is in it", "consul snapshot inspect backup.snap"),
        ("Go back to it", "consul snapshot restore backup.snap"),
    ]),
    Command::new(
        "snapshot inspect",
        "Shows what a snapshot holds",
        "[options] FILE",
        "Prints the metadata of a snapshot, and how many records of each kind it has and how large they are. No agent is \
         needed. FILE is an archive, or the state.bin of a server's own snapshot, beside its meta.json.",
        Run::Handler(inspect),
    )
    .examples(&[
        ("Show it", "consul snapshot inspect backup.snap"),
        ("See which keys take the space", "consul snapshot inspect -kvdetails -kvdepth=3 -kvfilter=app/ backup.snap"),
    ])
    .on_flag_error("")
    .flags_of_its_own(&[
        FORMAT,
        Flag::bool("kvdetails", "Also group the keys of the key-value store by their beginnings."),
        Flag::int("kvdepth", "How many parts of a key make its group, with -kvdetails.").defaults_to("2"),
        Flag::text("kvfilter", "Count only keys that begin so, with -kvdetails.").hint("prefix"),
    ]),
    Command::new(
        "snapshot restore",
        "Replaces the servers' state by a snapshot",
        "[options] FILE",
        "Replaces the whole state of a datacenter by that of a snapshot. Whatever was written since is lost.",
        Run::Handler(restore),
    )
    .examples(&[("Go back to a snapshot", "consul snapshot restore backup.snap")])
    .groups(Groups::CS),
    Command::new(
        "snapshot save",
        "Saves the servers' state to a file",
        "[options] FILE",
        "Saves a snapshot of a datacenter, verifies it, and only then gives it its name, so that an existing file is \
         replaced only by a good one. With -stale, any server may make it, which works without a leader.",
        Run::Handler(save),
    )
    .examples(&[("Save one", "consul snapshot save backup.snap")])
    .groups(Groups::CS),
];

fn save(invocation: &Invocation<'_>) -> Outcome {
    let file = one_file(invocation)?;
    let client = connect(invocation)?;
    let unverified = format!("{file}.unverified");
    block_on(async {
        let failed = |e| Error::failed(format!("Error saving snapshot: {e}"));
        let (mut archive, _) = client.snapshot().save(&read_options(invocation)).await.map_err(failed)?;
        let temporary = format!("{unverified}.tmp{}", std::process::id());
        let unwritable = |operation: &str, error: io::Error| {
            let _ = std::fs::remove_file(&temporary);
            let cause = system_text(&error);
            Error::failed(format!("Error writing unverified snapshot file: {operation} {temporary}: {cause}"))
        };
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&temporary)
            .map(BufWriter::new)
            .map_err(|e| unwritable("open", e))?;
        while let Some(chunk) = archive.next().await {
            let written = match chunk {
                Ok(chunk) => out.write_all(&chunk).map_err(|e| unwritable("write", e)),
                Err(error) => {
                    let _ = std::fs::remove_file(&temporary);
                    Err(failed(error))
                }
            };
            written?;
        }
        let synced = out.flush().and_then(|()| out.get_ref().sync_all());
        synced.and_then(|()| std::fs::rename(&temporary, &unverified)).map_err(|e| unwritable("write", e))
    })?;
    let index = verified_index(&unverified).and_then(|index| {
        std::fs::rename(&unverified, file).map(|()| index).map_err(|error| {
            let (from, to) = (go_quote(&unverified), go_quote(file));
            Error::failed(format!("Error renaming {from} to {to}: {}", system_text(&error)))
        })
    });
    if index.is_err() {
        let _ = std::fs::remove_file(&unverified);
    }
    invocation.terminal.say(format!("Saved and verified snapshot to index {}", index?));
    Ok(())
}

/// Verifies an archive and answers the index of its state.
pub(super) fn verified_index(path: &str) -> Result<u64, Error> {
    let file = File::open(path)
        .map_err(|e| Error::failed(format!("Error opening snapshot file for verify: {}", open_error(path, &e))))?;
    let meta = snapshot::read_archive(BufReader::new(file), io::sink())
        .map_err(|e| Error::failed(format!("Error verifying snapshot file: {e}")))?;
    Ok(meta.index)
}

fn restore(invocation: &Invocation<'_>) -> Outcome {
    let path = one_file(invocation)?;
    let client = connect(invocation)?;
    let file = File::open(path)
        .map_err(|e| Error::failed(format!("Error opening snapshot file: {}", open_error(path, &e))))?;
    block_on(async {
        client
            .snapshot()
            .restore(tokio::fs::File::from_std(file), &write_options())
            .await
            .map_err(|e| Error::failed(format!("Error restoring snapshot: {e}")))?;
        invocation.terminal.say("Restored snapshot");
        Ok(())
    })
}

fn inspect(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let path = one_file(invocation)?;
    let keys = values.bool("kvdetails").then(|| KvGrouping {
        depth: usize::try_from(values.int("kvdepth")).unwrap_or(0),
        prefix: values.text("kvfilter").to_string(),
    });
    let file = File::open(path)
        .map_err(|e| Error::failed(format!("Error opening snapshot file: {}", open_error(path, &e))))?;
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    let (meta, stats) = if name.eq_ignore_ascii_case(RAW_STATE_FILE) {
        (meta_beside(path)?, stats(BufReader::new(file), keys.as_ref())?)
    } else {
        inspect_archive(file, keys.as_ref())?
    };
    let text = match values.text("format") {
        "pretty" => snapshot::pretty(&meta, &stats),
        "json" => snapshot::json(&meta, &stats).map_err(|e| unprintable(&e.to_string()))?,
        other => return Err(unprintable(&format!("Unknown format: {other}"))),
    };
    invocation.terminal.say(text.trim_end());
    Ok(())
}

fn unprintable(cause: &str) -> Error {
    Error::failed(format!("Error outputting enhanced snapshot data: {cause}"))
}

fn stats(state: impl Read, keys: Option<&KvGrouping>) -> Result<Stats, Error> {
    snapshot::inspect(state, keys).map_err(|e| Error::failed(format!("Error extracting snapshot data: {e}")))
}

fn meta_beside(path: &str) -> Result<Meta, Error> {
    let beside = Path::new(path).with_file_name("meta.json");
    let shown = beside.display().to_string();
    let bytes = std::fs::read(&beside).map_err(|e| {
        let cause = open_error(&shown, &e);
        Error::failed(format!("Error reading meta.json from internal snapshot dir: {cause}"))
    })?;
    Meta::from_json(&bytes)
        .map_err(|e| Error::failed(format!("Error parsing meta.json from internal snapshot dir: {e}")))
}

/// Verifies the archive and counts its records in one pass, without holding the state in memory or on disk.
fn inspect_archive(file: File, keys: Option<&KvGrouping>) -> Result<(Meta, Stats), Error> {
    let (mut reader, writer) =
        io::pipe().map_err(|e| Error::failed(format!("Error reading snapshot: {}", system_text(&e))))?;
    std::thread::scope(|scope| {
        let counting = scope.spawn(move || {
            let counted = stats(BufReader::new(&mut reader), keys);
            // What cannot be counted must still be verified: a broken archive is the better explanation.
            let _ = io::copy(&mut reader, &mut io::sink());
            counted
        });
        let meta = snapshot::read_archive(BufReader::new(file), BufWriter::new(writer))
            .map_err(|e| Error::failed(format!("Error reading snapshot: {e}")));
        let stats = counting.join().unwrap_or_else(|_| Err(Error::failed("Error extracting snapshot data")));
        Ok((meta?, stats?))
    })
}
