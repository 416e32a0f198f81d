//! `acl policy`: rules under a name.

use super::acl::CAPABILITY;
use super::shared::{ACL_META, FORMAT, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const ID: Flag = Flag::text("id", "ID of the policy, or the beginning of it that no other has.");
const NAME: Flag = Flag::text("name", "Name of the policy.");
const DESCRIPTION: Flag = Flag::text("description", "What the policy is for.");
const RULES: Flag = Flag::text("rules", "The rules: the text itself, @FILE, or - for stdin.").hint("rules");
const VALID_DATACENTER: Flag = Flag::list(
    "valid-datacenter",
    "Datacenter where the rules hold; may be repeated. Without it they hold everywhere.",
)
.hint("name");

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "acl policy",
        "Manages policies: rules under a name",
        "A policy holds rules that allow or deny access to keys, services, nodes and the rest. Tokens and roles link to \
         policies.",
    )
    .examples(&[
        ("Store rules", "consul acl policy create -name web-read -rules @web-read.hcl"),
        ("Show them", "consul acl policy read -name web-read"),
    ]),
    Command::new(
        "acl policy create",
        "Adds a policy",
        "-name NAME [options]",
        "Adds a policy. Its rules come from -rules, or from a token of the old kind with -from-token.",
        Run::Missing { capability: CAPABILITY, check: create },
    )
    .examples(&[
        ("Rules in a file", "consul acl policy create -name web-read -rules @web-read.hcl"),
        ("Rules in place", "consul acl policy create -name kv-read -rules 'key_prefix \"\" { policy = \"read\" }'"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        NAME,
        DESCRIPTION,
        VALID_DATACENTER,
        RULES,
        Flag::text(
            "from-token",
            "Token of the old kind whose rules to translate: its accessor ID, @FILE, or - for stdin.",
        ),
        Flag::bool("token-secret", "The token of -from-token is given by its secret ID."),
        ACL_META,
        FORMAT,
    ]),
    Command::new(
        "acl policy delete",
        "Removes a policy",
        "[options] -id POLICY",
        "Removes a policy. Tokens and roles that link to it lose its rights at once.",
        Run::Missing { capability: CAPABILITY, check: id_or_name },
    )
    .examples(&[
        ("By name", "consul acl policy delete -name web-read"),
        ("By the beginning of its ID", "consul acl policy delete -id 35b8ecb0"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID, NAME]),
    Command::new(
        "acl policy list",
        "Lists the policies",
        "[options]",
        "Lists every policy, without its rules.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("List them", "consul acl policy list")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ACL_META, FORMAT]),
    Command::new(
        "acl policy read",
        "Shows a policy",
        "[options] POLICY",
        "Shows one policy with its rules. It is named with -id or -name.",
        Run::Missing { capability: CAPABILITY, check: id_or_name },
    )
    .examples(&[("By name", "consul acl policy read -name web-read")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ID, NAME, ACL_META, FORMAT]),
    Command::new(
        "acl policy update",
        "Changes a policy",
        "[options]",
        "Changes a policy, named with -id or, without that, with -name; beside -id, -name renames it. What no flag \
         names stays as it is, unless -no-merge is given.",
        Run::Missing { capability: CAPABILITY, check: id_or_name },
    )
    .examples(&[
        ("Replace the rules", "consul acl policy update -name web-read -rules @web-read.hcl"),
        ("Rename it", "consul acl policy update -id 35b8ecb0 -name web-readers"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        ID,
        NAME,
        DESCRIPTION,
        VALID_DATACENTER,
        RULES,
        Flag::bool("no-merge", "Clear whatever no flag names, instead of keeping it."),
        ACL_META,
        FORMAT,
    ]),
];

fn create(invocation: &Invocation<'_>) -> Outcome {
    if invocation.values.text("name").is_empty() {
        return Err(Error::misused("Missing require '-name' flag"));
    }
    Ok(())
}

fn id_or_name(invocation: &Invocation<'_>) -> Outcome {
    if invocation.values.text("id").is_empty() && invocation.values.text("name").is_empty() {
        return Err(Error::failed("Must specify either the -id or -name parameters"));
    }
    Ok(())
}
