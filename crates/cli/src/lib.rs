//! The command line: one file per command group, talking to an agent only through its HTTP API.
//!
//! [`run`] is the whole program but for the agent itself, which the binary hands in as a hook. [`command`] holds
//! the table of commands that drives dispatch, help and completion; [`flag`] reads flags as the reference does.

#![forbid(unsafe_code)]

mod argv;
mod child;
mod client;
pub mod command;
mod complete;
mod environment;
mod error;
pub mod flag;
mod help;
mod install;
mod invocation;
mod json;
pub mod layout;
mod path;
mod run;
mod signal;
mod source;
mod terminal;
mod version;

pub use environment::Environment;
pub use error::{Error, Outcome};
pub use invocation::{AgentInvocation, Hooks, Invocation};
pub use run::{run, run_on};
pub use terminal::Terminal;
pub use version::VERSION;
