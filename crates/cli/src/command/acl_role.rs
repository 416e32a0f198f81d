//! `acl role`: policies and identities under a name.

use super::acl::CAPABILITY;
use super::shared::{ACL_META, FORMAT, require, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const ID: Flag = Flag::text("id", "ID of the role, or the beginning of it that no other has.");
const NAME: Flag = Flag::text("name", "Name of the role.");
const DESCRIPTION: Flag = Flag::text("description", "What the role is for.");
const POLICY_ID: Flag = Flag::list("policy-id", "ID of a policy the role has, or its beginning; may be repeated.");
const POLICY_NAME: Flag = Flag::list("policy-name", "Name of a policy the role has; may be repeated.");
const SERVICE_IDENTITY: Flag = Flag::list(
    "service-identity",
    "Service whose usual rights the role has, everywhere or in some datacenters: NAME or NAME:DC1,DC2; may be repeated.",
);
const NODE_IDENTITY: Flag =
    Flag::list("node-identity", "Node whose usual rights the role has in a datacenter: NAME:DC; may be repeated.");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "acl role",
        "Manages roles: policies and identities under a name",
        "A role collects policies, service identities and node identities, so that many tokens can share them.",
    )
    .examples(&[("Make a role of two policies", "consul acl role create -name ops -policy-name a -policy-name b")]),
    Command::new(
        "acl role create",
        "Adds a role",
        "-name NAME [options]",
        "Adds a role with at least one policy or identity.",
        Run::Missing { capability: CAPABILITY, check: create },
    )
    .examples(&[
        ("From policies", "consul acl role create -name ops -policy-name web-read -policy-id b52fc3de"),
        (
            "From the usual rights of a service in two datacenters",
            "consul acl role create -name web -service-identity web:dc1,dc2",
        ),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        NAME,
        DESCRIPTION,
        POLICY_ID,
        POLICY_NAME,
        SERVICE_IDENTITY,
        NODE_IDENTITY,
        ACL_META,
        FORMAT,
    ]),
    Command::new(
        "acl role delete",
        "Removes a role",
        "[options] -id ROLE",
        "Removes a role. Tokens that link to it lose its rights at once.",
        Run::Missing { capability: CAPABILITY, check: id_or_name },
    )
    .examples(&[("By name", "consul acl role delete -name ops")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID, NAME]),
    Command::new(
        "acl role list",
        "Lists the roles",
        "[options]",
        "Lists every role with its policies and identities.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("List them", "consul acl role list")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ACL_META, FORMAT]),
    Command::new(
        "acl role read",
        "Shows a role",
        "[options] ROLE",
        "Shows one role. It is named with -id or -name.",
        Run::Missing { capability: CAPABILITY, check: read },
    )
    .examples(&[("By name", "consul acl role read -name ops")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID, NAME, ACL_META, FORMAT]),
    Command::new(
        "acl role update",
        "Changes a role",
        "[options]",
        "Changes a role. Policies and identities are added to those it has, and other fields stay as they are, unless \
         -no-merge is given.",
        Run::Missing { capability: CAPABILITY, check: update },
    )
    .examples(&[
        ("Add a policy", "consul acl role update -id 57147d87 -policy-name kv-read"),
        (
            "Leave it with one policy only",
            "consul acl role update -id 57147d87 -no-merge -name ops -policy-name kv-read",
        ),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        ID,
        NAME,
        DESCRIPTION,
        POLICY_ID,
        POLICY_NAME,
        SERVICE_IDENTITY,
        NODE_IDENTITY,
        Flag::bool("no-merge", "Clear whatever no flag names, instead of keeping it."),
        ACL_META,
        FORMAT,
    ]),
];

fn create(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    if values.text("name").is_empty() {
        return Err(Error::misused("Missing require '-name' flag"));
    }
    if ["policy-id", "policy-name", "service-identity", "node-identity"].iter().all(|f| values.list(f).is_empty()) {
        return Err(Error::failed(
            "Cannot create a role without specifying -policy-name, -policy-id, -service-identity, or -node-identity at \
             least once",
        ));
    }
    Ok(())
}

fn id_or_name(invocation: &Invocation<'_>) -> Outcome {
    if invocation.values.text("id").is_empty() && invocation.values.text("name").is_empty() {
        return Err(Error::failed("Must specify the -id or -name parameters"));
    }
    Ok(())
}

fn read(invocation: &Invocation<'_>) -> Outcome {
    if invocation.values.text("id").is_empty() && invocation.values.text("name").is_empty() {
        return Err(Error::failed("Must specify either the -id or -name parameters"));
    }
    Ok(())
}

fn update(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "id", "Cannot update a role without specifying the -id parameter")
}
