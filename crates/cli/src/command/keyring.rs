//! `keygen` and `keyring`: the keys that encrypt gossip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use api::{KeyringPool, QueryOptions, WriteOptions};
use wire::json::base64_bytes;

use super::{Command, Run};
use crate::client::{block_on, connect};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::help;
use crate::invocation::Invocation;
use crate::source::system_text;

/// The longest of the three key lengths AES has (docs/spec/gossip.md §9.1).
const GOSSIP_KEY_BYTES: usize = 32;
/// The system's source of random bytes fit for keys.
const RANDOM_SOURCE: &str = "/dev/urandom";
const MAX_RELAY_FACTOR: i64 = 5;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "keygen",
        "Makes a key that encrypts gossip",
        "",
        "Prints a new random key of 32 bytes in base64, for the encrypt setting of every agent or for keyring -install.",
        Run::Handler(keygen),
    )
    .examples(&[("Make a key", "consul keygen")])
    .without_options_in_help(),
    Command::new(
        "keyring",
        "Manages the keys that encrypt gossip",
        "[options]",
        "Shows and changes the gossip keys of a whole cluster. Every agent encrypts with the primary key and can decrypt \
         with any key installed. To rotate: install a new key, use it, then remove the old one. Exactly one action is \
         wanted.",
        Run::Handler(keyring),
    )
    .examples(&[
        ("See which keys are where", "consul keyring -list"),
        ("Give every agent a new key", "consul keyring -install \"$(consul keygen)\""),
        ("Encrypt with it", "consul keyring -use KEY"),
        ("Forget the old one", "consul keyring -remove OLD_KEY"),
    ])
    .groups(Groups::C)
    .flags_of_its_own(&[
        Flag::text("install", "Install this key on every agent, without using it yet.").hint("key"),
        Flag::text("use", "Encrypt with this key, which must be installed everywhere.").hint("key"),
        Flag::text("remove", "Remove this key, which must not be the primary one.").hint("key"),
        Flag::bool("list", "List all keys and how many agents have each."),
        Flag::bool("list-primary", "List the primary keys and how many agents use each."),
        Flag::int(
            "relay-factor",
            "Number of other agents, 0 to 5, through which each agent also sends its answer, for networks that lose \
             packets.",
        ),
        Flag::bool("local-only", "List only the keys of this datacenter's servers, with -list."),
    ]),
];

fn keygen(invocation: &Invocation<'_>) -> Outcome {
    let mut key = [0u8; GOSSIP_KEY_BYTES];
    File::open(RANDOM_SOURCE)
        .and_then(|mut source| source.read_exact(&mut key))
        .map_err(|e| Error::failed(format!("Error reading random data: {}", system_text(&e))))?;
    invocation.terminal.say(base64_bytes::encode(&key));
    Ok(())
}

fn keyring(invocation: &Invocation<'_>) -> Outcome {
    check(invocation)?;
    let client = connect(invocation)?;
    let values = &invocation.values;
    let relay = u8::try_from(values.int("relay-factor")).unwrap_or_default();
    let (mut reads, mut writes) = (QueryOptions::new(), WriteOptions::new());
    (reads.relay_factor, reads.local_only) = (relay, values.bool("local-only"));
    writes.relay_factor = relay;
    let failed = |e| Error::failed(format!("error: {e}"));
    let say = |text: &str| invocation.terminal.say(format!("==> {text}"));
    block_on(async {
        let operator = client.operator();
        if values.bool("list") {
            say("Gathering installed encryption keys...");
            let pools = operator.keyring_list(&reads).await.map_err(failed)?;
            pools.iter().for_each(|pool| invocation.terminal.say(listing(pool, &pool.keys)));
            return Ok(());
        }
        if values.bool("list-primary") {
            say("Gathering installed primary encryption keys...");
            let pools = operator.keyring_list(&reads).await.map_err(failed)?;
            pools.iter().for_each(|pool| invocation.terminal.say(listing(pool, &pool.primary_keys)));
            return Ok(());
        }
        let (install, use_key, remove) = (values.text("install"), values.text("use"), values.text("remove"));
        let done = if !install.is_empty() {
            say("Installing new gossip encryption key...");
            operator.keyring_install(install, &writes).await
        } else if !use_key.is_empty() {
            say("Changing primary gossip encryption key...");
            operator.keyring_use(use_key, &writes).await
        } else {
            say("Removing gossip encryption key...");
            operator.keyring_remove(remove, &writes).await
        };
        done.map_err(failed)
    })
}

/// A pool with what its members said and who has which key.
fn listing(pool: &KeyringPool, keys: &BTreeMap<String, u64>) -> String {
    let name = if pool.wan { "WAN".to_string() } else { format!("{} (LAN)", pool.datacenter) };
    let segment = if pool.segment.is_empty() { String::new() } else { format!(" [{}]", pool.segment) };
    let mut lines = vec![String::new(), format!("{name}{segment}:")];
    lines.extend(pool.messages.iter().map(|(node, message)| format!("  ===> {node}: {message}")));
    lines.extend(keys.iter().map(|(key, count)| format!("  {key} [{count}/{}]", pool.num_nodes)));
    lines.join("\n")
}

fn check(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let texts = ["install", "use", "remove"].iter().filter(|f| !values.text(f).is_empty()).count();
    let switches = ["list", "list-primary"].iter().filter(|f| values.bool(f)).count();
    match texts + switches {
        0 => {
            invocation.terminal.complain(help::command(invocation.command));
            return Err(Error::Exit(1));
        }
        1 => {}
        _ => return Err(Error::failed("Only a single action is allowed")),
    }
    if !(0..=MAX_RELAY_FACTOR).contains(&values.int("relay-factor")) {
        return Err(Error::failed("Error parsing relay factor: Relay factor must be in range: [0, 5]"));
    }
    if values.bool("local-only") && !values.bool("list") {
        let text = "Error validating local-only: local-only can only be set for list requests";
        return Err(Error::failed(text));
    }
    Ok(())
}
