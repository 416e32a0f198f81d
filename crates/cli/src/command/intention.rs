//! `intention`: which service may talk to which.

use super::connect::CAPABILITY;
use super::shared::unchecked;
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

/// The exit code of `intention check` for errors, 1 meaning that the connection is denied.
const CHECK_ERROR_EXIT: i32 = 2;

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "intention",
        "Decides which services may talk to which",
        "An intention allows or denies connections from one service of the mesh to another. The name * stands for every \
         service; the more exact intention wins.",
    )
    .examples(&[
        ("Let web talk to db", "consul intention create web db"),
        ("May it", "consul intention check web db"),
        ("Who may talk to db", "consul intention match db"),
        ("See them all", "consul intention list"),
    ]),
    Command::new(
        "intention check",
        "Tells whether one service may talk to another",
        "[options] SRC DST",
        "Prints Allowed or Denied. The exit code is 0 when allowed, 1 when denied and 2 when that could not be found out.",
        Run::Missing { capability: CAPABILITY, check },
    )
    .examples(&[("May web talk to db", "consul intention check web db")])
    .groups(Groups::CSM)
    .flag_error_exits(CHECK_ERROR_EXIT),
    Command::new(
        "intention create",
        "Allows or denies connections between services",
        "[options] SRC DST",
        "Allows, or with -deny denies, connections from SRC to DST. With -file the arguments are JSON files that each \
         describe an intention.",
        Run::Missing { capability: CAPABILITY, check: create },
    )
    .examples(&[
        ("Allow", "consul intention create web db"),
        ("Deny everything that is not allowed", "consul intention create -deny '*' '*'"),
        ("Change one that exists", "consul intention create -replace -deny web db"),
    ])
    .groups(Groups::CSM)
    .flags_of_its_own(&[
        Flag::bool("allow", "Allow the connections; this is the default."),
        Flag::bool("deny", "Deny the connections."),
        Flag::bool("file", "The arguments are files that describe intentions."),
        Flag::bool("replace", "Change an intention that exists, instead of failing."),
        Flag::map("meta", "Metadata to store with the intention; may be repeated.").hint("key=value"),
    ]),
    Command::new(
        "intention delete",
        "Removes an intention",
        "[options] SRC DST",
        "Removes the intention from SRC to DST, or the one of an ID.",
        Run::Missing { capability: CAPABILITY, check: one_or_two },
    )
    .examples(&[("By its services", "consul intention delete web db")])
    .groups(Groups::CSM),
    Command::new(
        "intention get",
        "Shows an intention",
        "[options] SRC DST",
        "Shows the intention from SRC to DST, or the one of an ID.",
        Run::Missing { capability: CAPABILITY, check: one_or_two },
    )
    .examples(&[("By its services", "consul intention get web db")])
    .groups(Groups::CSM),
    Command::new(
        "intention list",
        "Lists the intentions",
        "",
        "Lists every intention, the strongest first. The exit code is 2 when there are none.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[("List them", "consul intention list")])
    .groups(Groups::CSM),
    Command::new(
        "intention match",
        "Lists the intentions that concern a service",
        "[options] SRC|DST",
        "Lists the intentions with a service as their destination, or with -source as their source, in the order they \
         are tried.",
        Run::Missing { capability: CAPABILITY, check: matching },
    )
    .examples(&[
        ("Who may talk to db", "consul intention match db"),
        ("Whom may web talk to", "consul intention match -source web"),
    ])
    .groups(Groups::CSM)
    .flag_error_exits(2)
    .flags_of_its_own(&[
        Flag::bool("source", "The service is the source."),
        Flag::bool("destination", "The service is the destination; this is the default."),
    ]),
];

fn check(invocation: &Invocation<'_>) -> Outcome {
    if invocation.args.len() == 2 {
        return Ok(());
    }
    invocation.terminal.complain("Error: command requires exactly two arguments: src and dst");
    Err(Error::Exit(CHECK_ERROR_EXIT))
}

fn create(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    if values.bool("allow") && values.bool("deny") {
        return Err(Error::failed("Only one of -allow or -deny may be specified."));
    }
    if !values.bool("file") && invocation.args.len() != 2 {
        return Err(Error::failed("Error: Must specify two arguments: source and destination"));
    }
    Ok(())
}

fn one_or_two(invocation: &Invocation<'_>) -> Outcome {
    match invocation.args.len() {
        1 | 2 => Ok(()),
        _ => Err(Error::failed("command requires exactly 1 or 2 arguments")),
    }
}

fn matching(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    if invocation.args.len() != 1 {
        return Err(Error::failed("Error: command requires exactly one argument: src or dst"));
    }
    if values.bool("source") && values.bool("destination") {
        return Err(Error::failed("Error: only one of -source or -destination may be specified"));
    }
    Ok(())
}
