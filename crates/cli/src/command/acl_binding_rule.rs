//! `acl binding-rule`: what an identity from elsewhere may do.

use super::acl::CAPABILITY;
use super::shared::{ACL_META, FORMAT, require, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const ID: Flag = Flag::text("id", "ID of the binding rule, or the beginning of it that no other has.");
const BIND_TYPE: Flag = Flag::text(
    "bind-type",
    "What the rule grants: a service identity (service), a node identity (node) or a role (role).",
)
.defaults_to("service")
.one_of(&["service", "node", "role"]);
const BIND_NAME: Flag = Flag::text(
    "bind-name",
    "Name of the service, node or role to grant; ${…} stands for an attribute of the identity.",
);
const SELECTOR: Flag =
    Flag::text("selector", "Condition an identity must meet for the rule to hold; empty holds for every identity.")
        .hint("expression");
const DESCRIPTION: Flag = Flag::text("description", "What the rule is for.");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "acl binding-rule",
        "Manages what identities that log in may do",
        "A binding rule belongs to an auth method and grants a service identity, a node identity or a role to every \
         identity that meets its selector.",
    )
    .examples(&[("See the rules of one auth method", "consul acl binding-rule list -method my-k8s")]),
    Command::new(
        "acl binding-rule create",
        "Adds a binding rule",
        "[options]",
        "Adds a binding rule to an auth method.",
        Run::Missing { capability: CAPABILITY, check: create },
    )
    .examples(&[(
        "Let each service account act as the service of its name",
        "consul acl binding-rule create -method my-k8s -bind-type service -bind-name '${serviceaccount.name}' -selector \
         'serviceaccount.namespace==default'",
    )])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::text("method", "Auth method the rule belongs to. Required."),
        BIND_TYPE,
        BIND_NAME,
        SELECTOR,
        DESCRIPTION,
        ACL_META,
        FORMAT,
    ]),
    Command::new(
        "acl binding-rule delete",
        "Removes a binding rule",
        "-id ID [options]",
        "Removes a binding rule. Tokens made with it stay.",
        Run::Missing { capability: CAPABILITY, check: delete },
    )
    .examples(&[("Remove one by the beginning of its ID", "consul acl binding-rule delete -id 85184c52")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID]),
    Command::new(
        "acl binding-rule list",
        "Lists the binding rules",
        "[options]",
        "Lists every binding rule, or those of one auth method.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("List those of one auth method", "consul acl binding-rule list -method my-k8s")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[Flag::text("method", "List only the rules of this auth method."), ACL_META, FORMAT]),
    Command::new(
        "acl binding-rule read",
        "Shows a binding rule",
        "-id ID [options]",
        "Shows one binding rule.",
        Run::Missing { capability: CAPABILITY, check: read },
    )
    .examples(&[("Show one", "consul acl binding-rule read -id 85184c52")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID, ACL_META, FORMAT]),
    Command::new(
        "acl binding-rule update",
        "Changes a binding rule",
        "-id ID [options]",
        "Changes a binding rule. What no flag names stays as it is, unless -no-merge is given; the bind type is always \
         that of the flag.",
        Run::Missing { capability: CAPABILITY, check: update },
    )
    .examples(&[
        ("Change the name that is granted", "consul acl binding-rule update -id 85184c52 -bind-name web"),
        ("Let the rule hold for every identity", "consul acl binding-rule update -id 85184c52 -selector ''"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        ID,
        BIND_TYPE,
        BIND_NAME,
        SELECTOR,
        DESCRIPTION,
        Flag::bool("no-merge", "Clear whatever no flag names, instead of keeping it."),
        ACL_META,
        FORMAT,
    ]),
];

fn create(invocation: &Invocation<'_>) -> Outcome {
    for name in ["method", "bind-name"] {
        if invocation.values.text(name).is_empty() {
            return Err(Error::misused(format!("Missing required '-{name}' flag")));
        }
    }
    Ok(())
}

fn delete(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "id", "Must specify the -id parameter")
}

fn read(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "id", "Must specify the -id parameter.")
}

fn update(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "id", "Cannot update a binding rule without specifying the -id parameter")
}
