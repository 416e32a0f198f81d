//! `acl token`: secrets and what they allow.

use super::acl::CAPABILITY;
use super::shared::{ACL_META, FORMAT, require, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const ID: Flag = Flag::text("id", "Accessor ID of the token, or the beginning of it that no other has.");
const DESCRIPTION: Flag = Flag::text("description", "What the token is for.");
const POLICY_ID: Flag = Flag::list("policy-id", "ID of a policy the token has, or its beginning; may be repeated.");
const POLICY_NAME: Flag = Flag::list("policy-name", "Name of a policy the token has; may be repeated.");
const ROLE_ID: Flag = Flag::list("role-id", "ID of a role the token has, or its beginning; may be repeated.");
const ROLE_NAME: Flag = Flag::list("role-name", "Name of a role the token has; may be repeated.");
const SERVICE_IDENTITY: Flag = Flag::list(
    "service-identity",
    "Service whose usual rights the token has, everywhere or in some datacenters: NAME or NAME:DC1,DC2; may be \
     repeated.",
);
const NODE_IDENTITY: Flag =
    Flag::list("node-identity", "Node whose usual rights the token has in a datacenter: NAME:DC; may be repeated.");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "acl token",
        "Manages tokens",
        "A token is a secret whose bearer has the rights of its policies, roles and identities. Its accessor ID names it \
         without giving the secret away.",
    )
    .examples(&[
        ("Make one", "consul acl token create -description 'web server' -policy-name web-read"),
        ("See who holds what", "consul acl token list"),
    ]),
    Command::new(
        "acl token clone",
        "Copies a token",
        "[options]",
        "Makes a token with the rights of another and a secret of its own.",
        Run::Missing { capability: CAPABILITY, check: update },
    )
    .examples(&[("Copy one", "consul acl token clone -id 59f86a9b -description 'second web server'")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID, DESCRIPTION, FORMAT]),
    Command::new(
        "acl token create",
        "Adds a token",
        "[options]",
        "Adds a token with at least one policy, role or identity, and prints it with its secret.",
        Run::Missing { capability: CAPABILITY, check: create },
    )
    .examples(&[
        ("With a policy", "consul acl token create -description 'web server' -policy-name web-read"),
        ("With the usual rights of a service, for a day", "consul acl token create -service-identity web -expires-ttl 24h"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::text("accessor", "Accessor ID to give the token, a UUID; made up when left out."),
        Flag::text("secret", "Secret to give the token, a UUID; made up when left out."),
        DESCRIPTION,
        Flag::bool("local", "The token holds in this datacenter only and is not copied to others."),
        Flag::duration("expires-ttl", "How long the token lives; 0 is for ever."),
        POLICY_ID,
        POLICY_NAME,
        ROLE_ID,
        ROLE_NAME,
        SERVICE_IDENTITY,
        NODE_IDENTITY,
        ACL_META,
        FORMAT,
    ]),
    Command::new(
        "acl token delete",
        "Removes a token",
        "[options] -id TOKEN",
        "Removes a token; its secret opens nothing from then on.",
        Run::Missing { capability: CAPABILITY, check: delete },
    )
    .examples(&[("By the beginning of its accessor ID", "consul acl token delete -id 59f86a9b")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID]),
    Command::new(
        "acl token list",
        "Lists the tokens",
        "[options]",
        "Lists every token with its policies, roles and identities. Secrets are shown to those who may write ACLs.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("List them", "consul acl token list")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ACL_META, FORMAT]),
    Command::new(
        "acl token read",
        "Shows a token",
        "[options] -id TOKENID",
        "Shows one token: that of an accessor ID, or with -self the one the request is made with. -expanded adds the \
         rules of everything the token links to, and the agent's defaults.",
        Run::Missing { capability: CAPABILITY, check: read },
    )
    .examples(&[
        ("By the beginning of its accessor ID", "consul acl token read -id 59f86a9b"),
        ("What am I allowed to do", "consul acl token read -self"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        ID,
        Flag::bool("self", "Show the token the request is made with."),
        Flag::bool("expanded", "Also show every rule the token has through its policies, roles and identities."),
        ACL_META,
        FORMAT,
    ]),
    Command::new(
        "acl token update",
        "Changes a token",
        "[options]",
        "Changes a token. The lists of policies, roles and identities become exactly what the flags name, so that a list \
         without flags is emptied; each merge flag keeps what its list has and adds to it. An empty description keeps \
         the one there is.",
        Run::Missing { capability: CAPABILITY, check: update },
    )
    .examples(&[
        ("Add a policy, keep the rest", "consul acl token update -id 59f86a9b -merge-policies -merge-roles -policy-name kv-read"),
        ("Leave it with one policy only", "consul acl token update -id 59f86a9b -policy-name kv-read"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        ID,
        DESCRIPTION,
        POLICY_ID,
        POLICY_NAME,
        ROLE_ID,
        ROLE_NAME,
        SERVICE_IDENTITY,
        NODE_IDENTITY,
        Flag::bool("merge-policies", "Keep the token's policies and add those named."),
        Flag::bool("merge-roles", "Keep the token's roles and add those named."),
        Flag::bool("merge-service-identities", "Keep the token's service identities and add those named."),
        Flag::bool("merge-node-identities", "Keep the token's node identities and add those named."),
        Flag::bool("upgrade-legacy", "Turn a token of the old kind into one of the present kind."),
        ACL_META,
        FORMAT,
    ]),
];

const GRANTS: &[&str] = &["policy-id", "policy-name", "role-id", "role-name", "service-identity", "node-identity"];

fn create(invocation: &Invocation<'_>) -> Outcome {
    if GRANTS.iter().all(|flag| invocation.values.list(flag).is_empty()) {
        return Err(Error::failed(
            "Cannot create a token without specifying -policy-name, -policy-id, -role-name, -role-id, \
             -service-identity, or -node-identity at least once",
        ));
    }
    Ok(())
}

fn delete(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "id", "Must specify the -id parameter")
}

fn read(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    if values.bool("self") && values.bool("expanded") {
        return Err(Error::failed(
            "Cannot use both -expanded and -self. Instead, use -expanded and -id=<accessor id>.",
        ));
    }
    if values.bool("self") { Ok(()) } else { require(invocation, "id", "Must specify the -id parameter") }
}

fn update(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "id", "Cannot update a token without specifying the -id parameter")
}
