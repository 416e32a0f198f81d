//! Every command, declared once: the table drives dispatch, help, completion and tests.
//!
//! Each file below holds one group: its rows of the table and their handlers.

mod acl;
mod acl_auth_method;
mod acl_binding_rule;
mod acl_policy;
mod acl_role;
mod acl_token;
mod agent;
mod catalog;
mod config;
mod connect;
mod connect_envoy;
mod debug;
mod event;
mod exec;
mod intention;
mod keyring;
mod kv;
mod lock;
mod login;
mod maint;
mod members;
mod monitor;
mod operator;
mod peering;
mod rtt;
mod services;
mod shared;
mod snapshot;
mod snapshot_agent;
mod table;
mod tls;
mod validate;
mod version;
mod watch;

pub use table::all;
pub(crate) use table::{children, find, top_level};

use crate::error::Outcome;
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;

/// The text before the cause when the client of the HTTP API cannot be made, on most commands.
pub(crate) const NO_CLIENT: &str = "Error connecting to Consul agent: ";

/// What running a command does.
#[derive(Clone, Copy)]
pub enum Run {
    /// Prints the help of the group on standard error and fails.
    Group,
    /// Runs the handler.
    Handler(fn(&Invocation<'_>) -> Outcome),
    /// Starts the agent the binary was built with.
    Agent,
    /// Checks the arguments, then fails, naming what is missing.
    Missing {
        /// What the command needs and the program does not have, as the subject of a sentence.
        capability: &'static str,
        /// Refuses arguments that would be wrong in any case.
        check: fn(&Invocation<'_>) -> Outcome,
    },
}

/// One command.
#[derive(Clone, Copy)]
pub struct Command {
    /// The words that name it, such as `kv get`.
    pub path: &'static str,
    /// One line for the listings.
    pub synopsis: &'static str,
    /// What follows the name in its usage line.
    pub arguments: &'static str,
    /// What it does: paragraphs parted by blank lines.
    pub about: &'static str,
    /// Purposes and the command lines that serve them.
    pub examples: &'static [(&'static str, &'static str)],
    /// The shared flags it takes.
    pub groups: Groups,
    /// Its own flags.
    pub own_flags: &'static [Flag],
    /// Its help has no sections of options (docs/spec/cli.md §1.1 rule 10).
    pub hides_flags: bool,
    /// The arguments are handed over as they stand, flags and all.
    pub takes_raw_arguments: bool,
    /// Printed with the error after the listing of a flag error.
    pub flag_error_prefix: Option<&'static str>,
    /// The exit code of a flag error.
    pub flag_error_exit: i32,
    /// Printed before the cause when the client cannot be made.
    pub no_client: &'static str,
    /// What running it does.
    pub run: Run,
}

impl Command {
    /// A command without shared flags.
    pub(crate) const fn new(
        path: &'static str,
        synopsis: &'static str,
        arguments: &'static str,
        about: &'static str,
        run: Run,
    ) -> Command {
        Command {
            path,
            synopsis,
            arguments,
            about,
            examples: &[],
            groups: Groups::NONE,
            own_flags: &[],
            hides_flags: false,
            takes_raw_arguments: false,
            flag_error_prefix: None,
            flag_error_exit: 1,
            no_client: NO_CLIENT,
            run,
        }
    }

    /// A group of commands, which only has help.
    pub(crate) const fn group(path: &'static str, synopsis: &'static str, about: &'static str) -> Command {
        let mut group = Command::new(path, synopsis, "<subcommand> [options] [args]", about, Run::Group);
        group.takes_raw_arguments = true;
        group
    }

    pub(crate) const fn examples(mut self, examples: &'static [(&'static str, &'static str)]) -> Command {
        self.examples = examples;
        self
    }

    pub(crate) const fn groups(mut self, groups: Groups) -> Command {
        self.groups = groups;
        self
    }

    pub(crate) const fn flags_of_its_own(mut self, flags: &'static [Flag]) -> Command {
        self.own_flags = flags;
        self
    }

    pub(crate) const fn without_options_in_help(mut self) -> Command {
        self.hides_flags = true;
        self
    }

    pub(crate) const fn with_raw_arguments(mut self) -> Command {
        self.takes_raw_arguments = true;
        self
    }

    pub(crate) const fn on_flag_error(mut self, prefix: &'static str) -> Command {
        self.flag_error_prefix = Some(prefix);
        self
    }

    pub(crate) const fn flag_error_exits(mut self, code: i32) -> Command {
        self.flag_error_exit = code;
        self
    }

    pub(crate) const fn without_client_says(mut self, prefix: &'static str) -> Command {
        self.no_client = prefix;
        self
    }

    /// The last word of its path.
    pub fn name(&self) -> &'static str {
        self.path.rsplit(' ').next().unwrap_or(self.path)
    }

    /// Its usage line without the program's name.
    pub fn usage(&self) -> String {
        format!("{} {}", self.path, self.arguments).trim_end().to_string()
    }

    /// All its flags, sorted by name.
    pub fn flags(&self) -> Vec<Flag> {
        if matches!(self.run, Run::Agent) {
            return agent::FLAGS.clone();
        }
        let mut flags: Vec<Flag> = self.groups.flags().copied().chain(self.own_flags.iter().copied()).collect();
        flags.sort_by_key(|flag| flag.name);
        flags
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("path", &self.path).finish_non_exhaustive()
    }
}
