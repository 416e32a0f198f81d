//! `login` and `logout`: tokens for identities from elsewhere.

use super::acl::CAPABILITY;
use super::shared::require;
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

const SURPLUS: &str = "Should have no non-flag arguments.";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "login",
        "Trades an identity from elsewhere for a token",
        "[options]",
        "Shows an identity to an auth method and writes the secret of the token it gets to a file. Use logout to destroy \
         the token.",
        Run::Missing { capability: CAPABILITY, check: login },
    )
    .examples(&[
        (
            "As a Kubernetes service account",
            "consul login -method=my-k8s -bearer-token-file=/run/secrets/token -token-sink-file=consul.token",
        ),
        (
            "As the AWS role of this host",
            "consul login -method=my-aws -aws-auto-bearer-token -token-sink-file=consul.token",
        ),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::text("method", "Auth method to log in with. Required."),
        Flag::text("token-sink-file", "File to write the new token's secret to, readable by its owner only. Required.")
            .hint("path"),
        Flag::text("bearer-token-file", "File with the secret that proves the identity.").hint("path"),
        Flag::map("meta", "Metadata to store with the token; may be repeated.").hint("key=value"),
        Flag::text("type", "Kind of the auth method; accepted for scripts written for Consul Enterprise."),
        Flag::bool("aws-auto-bearer-token", "Make the proof of identity from the AWS credentials at hand."),
        Flag::bool("aws-include-entity", "Let the auth method see tags and details of the AWS identity."),
        Flag::text("aws-sts-endpoint", "AWS security token service to use.").hint("url"),
        Flag::text("aws-region", "AWS region to use."),
        Flag::text("aws-server-id-header-value", "Value the auth method expects in the signed request."),
        Flag::text("aws-access-key-id", "AWS access key, instead of the credentials at hand."),
        Flag::text("aws-secret-access-key", "Secret of -aws-access-key-id."),
        Flag::text("aws-session-token", "Session token that belongs to -aws-access-key-id."),
    ]),
    Command::new(
        "logout",
        "Destroys a token made by logging in",
        "[options]",
        "Destroys the token the request is made with, which login must have made.",
        Run::Missing { capability: CAPABILITY, check: logout },
    )
    .examples(&[("Destroy the token of a file", "consul logout -token-file=consul.token")])
    .groups(Groups::CS),
];

fn login(invocation: &Invocation<'_>) -> Outcome {
    if !invocation.args.is_empty() {
        return Err(Error::failed(SURPLUS));
    }
    require(invocation, "method", "Missing required '-method' flag")?;
    require(invocation, "token-sink-file", "Missing required '-token-sink-file' flag")?;
    let values = &invocation.values;
    match (values.text("bearer-token-file").is_empty(), values.bool("aws-auto-bearer-token")) {
        (true, false) => Err(Error::failed("Missing required '-bearer-token-file' flag")),
        (false, true) => Err(Error::failed("Cannot use '-bearer-token-file' flag with '-aws-auto-bearer-token'")),
        _ => Ok(()),
    }
}

fn logout(invocation: &Invocation<'_>) -> Outcome {
    if invocation.args.is_empty() { Ok(()) } else { Err(Error::failed(SURPLUS)) }
}
