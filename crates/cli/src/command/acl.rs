//! `acl`: access control as a whole, and the commands that belong to no single kind of entry.

use super::shared::{FORMAT, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

/// What every ACL command waits for.
pub(super) const CAPABILITY: &str = "access control (ACL)";

const TOKEN_KINDS: &[&str] = &["default", "agent", "recovery", "replication"];

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "acl",
        "Manages access control: tokens, policies, roles",
        "Access control decides what the bearer of a token may do. A policy holds rules, a role collects policies, and a \
         token carries both. Auth methods and binding rules let callers trade an identity they have elsewhere for a \
         token.",
    )
    .examples(&[
        ("Create the first token of a new cluster, which may do everything", "consul acl bootstrap"),
        ("Store rules under a name", "consul acl policy create -name web-read -rules @web-read.hcl"),
        ("Make a token that carries them", "consul acl token create -description 'web' -policy-name web-read"),
    ]),
    Command::new(
        "acl bootstrap",
        "Creates the first management token of a cluster",
        "[options]",
        "Creates a token that may do everything, and prints it. A cluster allows this once; see the operations manual \
         for how to allow it again when that token is lost.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[
        ("Bootstrap access control", "consul acl bootstrap"),
        ("Keep only the secret", "consul acl bootstrap -format=json | jq -r .SecretID"),
    ])
    .groups(Groups::CS)
    .flags_of_its_own(&[FORMAT]),
    Command::new(
        "acl set-agent-token",
        "Gives a running agent a token to use",
        "[options] TYPE TOKEN",
        "Sets one of the tokens the agent itself uses, until it restarts or for good with token persistence. TYPE is \
         default (requests without a token), agent (the agent's own work), recovery (access while no server answers) or \
         replication (copying from the primary datacenter). TOKEN is the secret, @FILE, or - for stdin; an empty one \
         unsets it.",
        Run::Missing { capability: CAPABILITY, check: set_agent_token },
    )
    .examples(&[
        ("Set the token for requests that bring none", "consul acl set-agent-token default 2f1a…"),
        ("Read the secret from a file", "consul acl set-agent-token agent @agent.token"),
    ])
    .groups(Groups::CS)
    .without_client_says("Error connecting to Consul Agent: "),
    Command::new(
        "acl translate-rules",
        "Rewrites old rules in the present syntax",
        "[options] TRANSLATE",
        "Prints rules of the old kind as the present syntax has them. TRANSLATE is the rules, @FILE, or - for stdin; no \
         agent is needed then. With -token-accessor or -token-secret it names an old token whose rules are fetched.",
        Run::Missing { capability: CAPABILITY, check: translate_rules },
    )
    .examples(&[
        ("Translate a file", "consul acl translate-rules @old.hcl"),
        ("Translate what another program prints", "print-rules | consul acl translate-rules -"),
        ("Translate the rules of a token", "consul acl translate-rules -token-accessor 429cd746-03d5-4bbb-a83a-18b164171c89"),
    ])
    .groups(Groups::CS)
    .flags_of_its_own(&[
        Flag::bool("token-accessor", "TRANSLATE is the accessor ID of a token."),
        Flag::bool("token-secret", "TRANSLATE is the secret ID of a token."),
    ]),
];

fn set_agent_token(invocation: &Invocation<'_>) -> Outcome {
    match invocation.args.as_slice() {
        [] => Err(Error::failed("Error! Missing TYPE and TOKEN arguments")),
        [kind] if TOKEN_KINDS.contains(&kind.as_str()) => Err(Error::failed("Error! Missing TOKEN argument")),
        [_] => Err(Error::failed("Error! MISSING TYPE argument")),
        [_, _] => Ok(()),
        more => Err(Error::failed(format!("Error! Too many arguments: expected 2 got {}", more.len()))),
    }
}

fn translate_rules(invocation: &Invocation<'_>) -> Outcome {
    if invocation.values.bool("token-accessor") && invocation.values.bool("token-secret") {
        return Err(Error::failed("Error - cannot specify both -token-secret and -token-accessor"));
    }
    match invocation.args.len() {
        0 => Err(Error::failed("Error! Missing TRANSLATE argument")),
        1 => Ok(()),
        count => Err(Error::failed(format!("Error! Too many arguments: expected 1 got {count}"))),
    }
}
