//! From the words of the command line to an exit code (docs/spec/cli.md §1.1).

use std::ffi::OsString;

use crate::argv::{self, Request};
use crate::command::{Command, Run, find};
use crate::error::{Error, Outcome};
use crate::invocation::{AgentInvocation, Hooks, Invocation};
use crate::{Environment, Terminal, client, complete, flag, help, install, version};

/// The exit code of a command line that names no command.
const NO_COMMAND_EXIT: i32 = 127;

/// Runs the command line `argv`, the program's name first, on the streams of this process. Answers the exit code.
pub fn run(argv: impl IntoIterator<Item = OsString>, environment: &Environment, hooks: &Hooks) -> i32 {
    run_on(argv, environment, hooks, &Terminal::process())
}

/// Runs the command line `argv`, the program's name first, on the streams of `terminal`. Answers the exit code.
pub fn run_on(
    argv: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    hooks: &Hooks,
    terminal: &Terminal,
) -> i32 {
    let mut args = Vec::new();
    for (at, word) in argv.into_iter().enumerate().skip(1) {
        match word.into_string() {
            Ok(word) => args.push(word),
            Err(word) => {
                terminal.complain(format!(
                    "Argument {at} is not UTF-8 text: {}. Pass binary data in a file (@FILE) or on stdin (-).",
                    word.display()
                ));
                return 1;
            }
        }
    }
    let request = argv::read(&args, find);
    if request.version {
        terminal.say(version::pretty());
        return 0;
    }
    if let Some(line) = environment.get("COMP_LINE") {
        let word = args.get(1).map(String::as_str);
        for candidate in complete::candidates(line, word) {
            terminal.say(candidate);
        }
        return 0;
    }
    if request.install_completion || request.uninstall_completion {
        return change_completion(&request, environment, terminal);
    }
    let Some(command) = request.command else {
        if request.help {
            terminal.say(help::program());
            return 0;
        }
        terminal.complain(help::program());
        return NO_COMMAND_EXIT;
    };
    if request.has_top_flags && !request.help {
        terminal.complain(format!(
            "Invalid flags before the subcommand. If these flags are for\nthe subcommand, please put them after the \
             subcommand.\n\n{}",
            help::command(command)
        ));
        return 1;
    }
    if request.help {
        terminal.say(help::command(command));
        return 0;
    }
    execute(command, request.args, environment, hooks, terminal)
}

fn change_completion(request: &Request<'_>, environment: &Environment, terminal: &Terminal) -> i32 {
    let change = match (request.install_completion, request.uninstall_completion) {
        (true, false) => install::Change::Install,
        (false, true) => install::Change::Uninstall,
        _ => {
            let both = "Either the autocomplete install or uninstall flag may be specified, but not both.";
            terminal.complain(format!("Error executing CLI: {both}"));
            return 1;
        }
    };
    match install::change(change, environment) {
        Ok(()) => 0,
        Err(error) => {
            terminal.complain(format!("Error executing CLI: {error}"));
            1
        }
    }
}

/// Runs one command with the arguments after its name.
fn execute(
    command: &'static Command,
    args: &[String],
    environment: &Environment,
    hooks: &Hooks,
    terminal: &Terminal,
) -> i32 {
    let flags = command.flags();
    let read = if command.takes_raw_arguments {
        Ok((flag::Values::default(), args.to_vec()))
    } else {
        flag::parse(&flags, args)
    };
    let outcome = read.map_err(Error::from).and_then(|(values, args)| {
        let invocation = Invocation { command, values, args, environment, terminal };
        handle(&invocation, hooks)
    });
    match outcome {
        Ok(()) => 0,
        Err(Error::Exit(code)) => code,
        Err(Error::Failed(text)) => {
            terminal.complain(text);
            1
        }
        Err(Error::Misused(text)) => {
            terminal.complain(format!("{text}\n\n{}", help::command(command)));
            1
        }
        Err(Error::Flags(error)) => {
            let listing = help::flag_listing(&flags);
            match &error {
                flag::FlagError::Help => terminal.complain(listing.trim_end()),
                error => terminal.complain(format!("{error}\n{}", listing.trim_end())),
            }
            if let Some(prefix) = command.flag_error_prefix {
                terminal.complain(format!("{prefix}{error}"));
            }
            command.flag_error_exit
        }
    }
}

fn handle(invocation: &Invocation<'_>, hooks: &Hooks) -> Outcome {
    let command = invocation.command;
    match command.run {
        Run::Handler(handler) => handler(invocation),
        Run::Group => {
            invocation.terminal.complain(help::command(command));
            Err(Error::Exit(1))
        }
        Run::Agent => {
            if !invocation.args.is_empty() {
                return Err(Error::failed(format!("==> Unexpected extra arguments: [{}]", invocation.args.join(" "))));
            }
            let environment = invocation.environment.clone();
            match (hooks.agent)(AgentInvocation { flags: invocation.values.clone(), environment }) {
                0 => Ok(()),
                code => Err(Error::Exit(code)),
            }
        }
        Run::Missing { capability, check } => {
            check(invocation)?;
            if command.groups.has_client() {
                client::connect(invocation)?;
            }
            Err(Error::failed(format!("{}: {capability} is not there yet", command.path)))
        }
    }
}
