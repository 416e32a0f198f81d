//! The one binary: agent and command line.

use std::io::Write;
use std::process::ExitCode;

use cli::{AgentInvocation, Environment, Hooks};

fn main() -> ExitCode {
    let code = cli::run(std::env::args_os(), &Environment::of_process(), &Hooks { agent });
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn agent(_: AgentInvocation) -> i32 {
    // Nowhere is left to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "==> running an agent is not there yet");
    1
}
