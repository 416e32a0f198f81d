//! The one binary: agent and command line.

#![forbid(unsafe_code)]

mod agent;

use std::process::ExitCode;

/// Measured against the system's allocator (`docs/decisions/allocator.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let code = cli::run(std::env::args_os(), &cli::Environment::of_process(), &cli::Hooks { agent: agent::run });
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
