//! `kv`: the key-value store.

mod get;
mod import;
mod put;

use super::{Command, Run};
use crate::client::{block_on, connect, read_options, write_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;
use crate::json;

const CAS: Flag = Flag::bool("cas", "Check and set: act only if the key's index still is that of -modify-index.");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "kv",
        "Reads and writes the key-value store",
        "The key-value store holds values of up to 512 KiB under names that may look like paths. It is meant for \
         configuration, coordination and feature flags, not as a database.",
    )
    .examples(&[
        ("Write a value", "consul kv put app/color blue"),
        ("Read it back", "consul kv get app/color"),
        ("List what is under a prefix", "consul kv get -recurse app/"),
        ("Remove it", "consul kv delete app/color"),
    ]),
    Command::new(
        "kv delete",
        "Removes a key, or all keys under a prefix",
        "[options] KEY_OR_PREFIX",
        "Removes one key, or with -recurse every key that begins with the prefix. Removing a key that does not exist \
         succeeds. Beware that with -recurse an empty prefix removes everything.",
        Run::Handler(delete),
    )
    .examples(&[
        ("One key", "consul kv delete app/color"),
        ("Everything under a prefix", "consul kv delete -recurse app/"),
        ("Only if nobody changed it meanwhile", "consul kv delete -cas -modify-index=26 app/color"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        CAS,
        Flag::uint("modify-index", "Index the key must have, with -cas; see the ModifyIndex of kv get -detailed.")
            .hint("index"),
        Flag::bool("recurse", "Remove every key that begins with the argument."),
    ]),
    Command::new(
        "kv export",
        "Prints the keys under a prefix as JSON",
        "[options] [PREFIX]",
        "Prints every key that begins with the prefix, or every key there is, as a JSON list with flags and values \
         (base64). kv import reads it. Locks and indexes are not part of it.",
        Run::Handler(export),
    )
    .examples(&[
        ("Save a subtree", "consul kv export app/ > app.json"),
        ("Copy it to another datacenter", "consul kv export app/ | consul kv import -datacenter=dc2 -"),
    ])
    .groups(Groups::CSM),
    Command::new(
        "kv get",
        "Reads a value, or what is under a prefix",
        "[options] [KEY_OR_PREFIX]",
        "Prints the value of a key as it is. With -recurse, prints key:value for every key that begins with the argument; \
         with -keys, prints names only, each cut after the first separator behind the argument, as a directory listing \
         would. A key that does not exist is an error; a prefix under which nothing is, is not.",
        Run::Handler(get::get),
    )
    .examples(&[
        ("One value", "consul kv get app/color"),
        ("With its indexes, flags and lock", "consul kv get -detailed app/color"),
        ("Every key and value under a prefix", "consul kv get -recurse app/"),
        ("The names on the level below", "consul kv get -keys app/"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::bool("base64", "Print values in base64, for those that are not text."),
        Flag::bool("detailed", "Print indexes, flags and the locking session too."),
        Flag::bool("keys", "Print names only; with -recurse, all of them, uncut."),
        Flag::bool("recurse", "Print every key that begins with the argument."),
        Flag::text("separator", "Where -keys cuts names; empty does not cut.").defaults_to("/"),
    ]),
    Command::new(
        "kv import",
        "Writes keys from JSON",
        "[options] [DATA]",
        "Writes the keys of a list that kv export printed: the text itself, @FILE, or - for stdin. They are written one \
         by one; those before a failure stay.",
        Run::Handler(import::import),
    )
    .examples(&[
        ("From a file", "consul kv import @app.json"),
        ("Under another prefix", "consul kv import -prefix=staging/ @app.json"),
        ("From stdin", "consul kv import - < app.json"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[Flag::text("prefix", "Prefix to put before every key.")]),
    Command::new(
        "kv put",
        "Writes a value",
        "[options] KEY [DATA]",
        "Writes a value under a key: the text itself, @FILE, or - for stdin. Without DATA the value is empty. With \
         -acquire or -release the key is a lock as well, held by a session.",
        Run::Handler(put::put),
    )
    .examples(&[
        ("Text", "consul kv put app/color blue"),
        ("A file's content", "consul kv put app/config @config.json"),
        ("Only if the key does not exist", "consul kv put -cas app/color blue"),
        ("Only if nobody changed it meanwhile", "consul kv put -cas -modify-index=26 app/color red"),
        ("As a lock", "consul kv put -acquire -session=ID app/leader \"$(hostname)\""),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        CAS,
        Flag::uint("modify-index", "Index the key must have, with -cas; 0 means that it must not exist.").hint("index"),
        Flag::uint("flags", "Number to store beside the value, whose meaning is the writer's."),
        Flag::bool("base64", "DATA is base64; store what it stands for."),
        Flag::bool("acquire", "Take the key as a lock for -session; fails while another session holds it."),
        Flag::bool("release", "Give the key up as a lock of -session."),
        Flag::text("session", "ID of the session, for -acquire and -release.").hint("id"),
    ]),
];

/// What a failed read says, on every command here.
fn query_failed(error: api::Error) -> Error {
    Error::failed(format!("Error querying Consul agent: {error}"))
}

/// The key or prefix of the arguments, which may be left out; one slash before it is dropped.
fn optional_key<'i>(invocation: &'i Invocation<'_>) -> Result<&'i str, Error> {
    match invocation.args.as_slice() {
        [] => Ok(""),
        [key] => Ok(key.strip_prefix('/').unwrap_or(key)),
        more => Err(Error::failed(format!("Too many arguments (expected 1, got {})", more.len()))),
    }
}

fn delete(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let key = optional_key(invocation)?;
    let (cas, recurse, index) = (values.bool("cas"), values.bool("recurse"), values.uint("modify-index"));
    if key.is_empty() && !recurse {
        return Err(Error::failed("Error! Missing KEY argument"));
    }
    if cas && index == 0 {
        let text = "Cannot delete a key that does not exist. Provide a -modify-index greater than than 0.";
        return Err(Error::failed(text));
    }
    if !cas && index != 0 {
        return Err(Error::failed("Cannot specify -modify-index without -cas!"));
    }
    if cas && recurse {
        return Err(Error::failed("Cannot specify both -cas and -recurse!"));
    }
    let kv = connect(invocation)?.kv();
    let options = write_options();
    block_on(async {
        if recurse {
            let failed = |e| Error::failed(format!("Error! Did not delete prefix {key}: {e}"));
            kv.delete_tree(key, &options).await.map_err(failed)?;
            invocation.terminal.say(format!("Success! Deleted keys with prefix: {key}"));
            return Ok(());
        }
        let failed = |e| Error::failed(format!("Error deleting key {key}: {e}"));
        if cas {
            if !kv.delete_cas(key, index, &options).await.map_err(failed)? {
                return Err(Error::failed(format!("Error! Did not delete key {key}: CAS failed")));
            }
        } else {
            kv.delete(key, &options).await.map_err(failed)?;
        }
        invocation.terminal.say(format!("Success! Deleted key: {key}"));
        Ok(())
    })
}

fn export(invocation: &Invocation<'_>) -> Outcome {
    let prefix = optional_key(invocation)?;
    let kv = connect(invocation)?.kv();
    block_on(async {
        let (pairs, _) = kv.list(prefix, &read_options(invocation)).await.map_err(query_failed)?;
        let entries: Vec<import::Entry> = pairs.into_iter().map(import::Entry::from).collect();
        let text =
            json::pretty(&entries, json::TAB).map_err(|e| Error::failed(format!("Error exporting KV data: {e}")))?;
        invocation.terminal.say(text);
        Ok(())
    })
}
