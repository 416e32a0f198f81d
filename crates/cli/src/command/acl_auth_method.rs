//! `acl auth-method`: where identities that can be traded for tokens come from.

use super::acl::CAPABILITY;
use super::shared::{ACL_META, FORMAT, require, unchecked};
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const NAME: Flag = Flag::text("name", "Name of the auth method.");
const DISPLAY_NAME: Flag = Flag::text("display-name", "Name to show to people, who may find the other one cryptic.");
const DESCRIPTION: Flag = Flag::text("description", "What the auth method is for.");
const MAX_TOKEN_TTL: Flag = Flag::duration("max-token-ttl", "How long tokens made by logging in live; 0 is for ever.");
const TOKEN_LOCALITY: Flag =
    Flag::text("token-locality", "Whether logging in makes tokens for this datacenter (local) or for all (global).")
        .hint("local|global")
        .one_of(&["local", "global"]);
const CONFIG: Flag = Flag::text(
    "config",
    "The method's settings as JSON: the text itself, @FILE, or - for stdin. Type by type they differ.",
)
.hint("json");
const KUBERNETES_HOST: Flag = Flag::text("kubernetes-host", "Address of the Kubernetes API, for type kubernetes.");
const KUBERNETES_CA_CERT: Flag = Flag::text(
    "kubernetes-ca-cert",
    "PEM certificate of the authority of the Kubernetes API: the text itself, @FILE, or - for stdin.",
);
const KUBERNETES_JWT: Flag = Flag::text(
    "kubernetes-service-account-jwt",
    "Token of the service account that may review other tokens, for type kubernetes.",
);

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "acl auth-method",
        "Manages sources of identities that log in",
        "An auth method tells the cluster how to check an identity from elsewhere: a Kubernetes service account, a JWT, \
         an OIDC provider or an AWS IAM entity. Binding rules say what such an identity may do.",
    )
    .examples(&[
        ("See what there is", "consul acl auth-method list"),
        ("Show one", "consul acl auth-method read -name my-k8s"),
    ]),
    Command::new(
        "acl auth-method create",
        "Adds an auth method",
        "-name NAME -type TYPE [options]",
        "Adds an auth method. Settings come from -config, or for type kubernetes from the kubernetes flags.",
        Run::Missing { capability: CAPABILITY, check: create },
    )
    .examples(&[
        ("Trust JSON web tokens", "consul acl auth-method create -type jwt -name my-jwt -config @jwt.json"),
        (
            "Trust the service accounts of a Kubernetes cluster",
            "consul acl auth-method create -type kubernetes -name my-k8s -kubernetes-host https://10.0.0.1 \
             -kubernetes-ca-cert @ca.pem -kubernetes-service-account-jwt \"$JWT\"",
        ),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::text("type", "Kind of the auth method: kubernetes, jwt, oidc or aws-iam. Required.")
            .one_of(&["kubernetes", "jwt", "oidc", "aws-iam"]),
        NAME,
        DISPLAY_NAME,
        DESCRIPTION,
        MAX_TOKEN_TTL,
        TOKEN_LOCALITY,
        CONFIG,
        KUBERNETES_HOST,
        KUBERNETES_CA_CERT,
        KUBERNETES_JWT,
        ACL_META,
        FORMAT,
    ]),
    Command::new(
        "acl auth-method delete",
        "Removes an auth method",
        "-name NAME [options]",
        "Removes an auth method, its binding rules and every token made by logging in with it.",
        Run::Missing { capability: CAPABILITY, check: needs_name },
    )
    .examples(&[("Remove one", "consul acl auth-method delete -name my-k8s")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[NAME]),
    Command::new(
        "acl auth-method list",
        "Lists the auth methods",
        "[options]",
        "Lists every auth method with its type and description, without its settings.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("List them", "consul acl auth-method list")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[ACL_META, FORMAT]),
    Command::new(
        "acl auth-method read",
        "Shows an auth method",
        "-name NAME [options]",
        "Shows one auth method with its settings.",
        Run::Missing { capability: CAPABILITY, check: needs_name },
    )
    .examples(&[("Show one", "consul acl auth-method read -name my-k8s")])
    .groups(Groups::CSM)
    .flags_of_its_own(&[NAME, ACL_META, FORMAT]),
    Command::new(
        "acl auth-method update",
        "Changes an auth method",
        "-name NAME [options]",
        "Changes an auth method. What no flag names stays as it is, unless -no-merge is given. -config replaces the \
         settings as a whole; each kubernetes flag replaces its own.",
        Run::Missing { capability: CAPABILITY, check: update },
    )
    .examples(&[
        ("Change the description only", "consul acl auth-method update -name my-k8s -description 'staging'"),
        ("Replace everything", "consul acl auth-method update -name my-jwt -no-merge -config @jwt.json"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        NAME,
        DISPLAY_NAME,
        DESCRIPTION,
        MAX_TOKEN_TTL,
        TOKEN_LOCALITY,
        CONFIG,
        KUBERNETES_HOST,
        KUBERNETES_CA_CERT,
        KUBERNETES_JWT,
        Flag::bool("no-merge", "Clear whatever no flag names, instead of keeping it."),
        ACL_META,
        FORMAT,
    ]),
];

fn create(invocation: &Invocation<'_>) -> Outcome {
    for name in ["type", "name"] {
        if invocation.values.text(name).is_empty() {
            return Err(Error::misused(format!("Missing required '-{name}' flag")));
        }
    }
    Ok(())
}

fn needs_name(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "name", "Must specify the -name parameter")
}

fn update(invocation: &Invocation<'_>) -> Outcome {
    require(invocation, "name", "Cannot update an auth method without specifying the -name parameter")
}
