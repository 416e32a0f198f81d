//! One run of one command, as its handler sees it.

use crate::command::Command;
use crate::environment::Environment;
use crate::flag::Values;
use crate::terminal::Terminal;

/// What a handler is given.
pub struct Invocation<'a> {
    /// The command itself.
    pub command: &'static Command,
    /// Its flags.
    pub values: Values,
    /// The arguments after the flags.
    pub args: Vec<String>,
    /// The environment variables.
    pub environment: &'a Environment,
    /// The streams.
    pub terminal: &'a Terminal,
}

/// What `consul agent` was asked to do.
#[derive(Clone, Debug)]
pub struct AgentInvocation {
    /// The agent's flags.
    pub flags: Values,
    /// The environment variables.
    pub environment: Environment,
}

/// What the binary adds to the command line.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// Runs an agent until it ends; answers the exit code.
    pub agent: fn(AgentInvocation) -> i32,
}
