//! Script checks: a program's exit code decides (0 passing, 1 warning, other critical); what it prints is the output.
//!
//! A script leads a process group of its own, so that all it started can be killed with it. Its standard output and
//! error are one pipe, which keeps what it prints in order.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout_at;
use types::{CheckStatus, GoDuration};
use wire::quote::go_quote;

use super::{Outcome, Run, cause};
use crate::output::Tail;

const READ_BYTES: usize = 8 * 1024;
/// What a pipe holds unless told otherwise, thus what can be left in it when the script has ended.
const PIPE_BYTES: usize = 64 * 1024;

pub(super) async fn run(run: &Run<'_>, args: &[String]) -> Outcome {
    let mut script = match Script::start(args) {
        Ok(script) => script,
        Err(error) => {
            tracing::error!(target: "agent", check = run.check, error = error.as_str(), "Check failed to invoke");
            return Outcome::critical_at_once(error);
        }
    };
    let mut tail = Tail::new(run.output_max_bytes);
    let Ok(ended) = timeout_at(run.deadline, script.end(&mut tail)).await else {
        let timeout = GoDuration::from(run.timeout);
        tracing::warn!(target: "agent", check = run.check, timeout = %timeout, "Timed out running check");
        script.kill();
        // Whatever it says of its end, it was too late.
        let _ = script.end(&mut tail).await;
        let captured = tail.into_captured();
        let blank = if captured.is_empty() { "" } else { "\n\n" };
        return Outcome::critical_at_once(format!("Timed out ({timeout}) running check{blank}{captured}"));
    };
    let captured = tail.into_captured();
    tracing::trace!(target: "agent", check = run.check, output = captured.as_str(), "Check output");
    match ended {
        Ok(status) => Outcome::new(judge(status), captured),
        Err(error) => Outcome::critical_at_once(format!("wait: {}", cause::system_text(&error))),
    }
}

/// A death by signal has no code and is critical.
fn judge(status: ExitStatus) -> CheckStatus {
    match status.code() {
        Some(0) => CheckStatus::Passing,
        Some(1) => CheckStatus::Warning,
        _ => CheckStatus::Critical,
    }
}

/// A running script. Dropping it kills its group.
struct Script {
    child: Child,
    printed: pipe::Receiver,
    /// `None` once the script is reaped: its number may then be another's.
    group: Option<Pid>,
}

impl Script {
    /// The error is the whole text.
    fn start(args: &[String]) -> Result<Script, String> {
        let Some((program, arguments)) = args.split_first().filter(|(program, _)| !program.is_empty()) else {
            return Err("exec: no command".to_owned());
        };
        let (reader, writer) = io::pipe().map_err(|error| format!("pipe: {}", cause::system_text(&error)))?;
        let printed = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))
            .map_err(|error| format!("pipe: {}", cause::system_text(&error)))?;
        let errors = writer.try_clone().map_err(|error| format!("dup: {}", cause::system_text(&error)))?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(writer).stderr(errors);
        let child = command.spawn().map_err(|error| start_text(program, &error))?;
        // Our own writing ends go with the command; the pipe ends when the script's do.
        drop(command);
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Script { child, printed, group })
    }

    /// Collects what is printed until the script has ended and is reaped. What it started and left behind neither
    /// delays this nor is killed.
    async fn end(&mut self, tail: &mut Tail) -> io::Result<ExitStatus> {
        let mut buffer = vec![0; READ_BYTES];
        let mut is_open = true;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                read = self.printed.read(&mut buffer), if is_open => match read {
                    Ok(length) if length > 0 => tail.push(buffer.get(..length).unwrap_or_default()),
                    Ok(_) | Err(_) => is_open = false,
                },
            }
        };
        self.group = None;
        self.drain(&mut buffer, tail);
        status
    }

    /// Takes what is still in the pipe. Asks the system and not the runtime, which may not have heard of it yet.
    fn drain(&self, buffer: &mut [u8], tail: &mut Tail) {
        let mut left = PIPE_BYTES;
        while left > 0
            && let Ok(length) = nix::unistd::read(&self.printed, buffer)
            && length > 0
        {
            tail.push(buffer.get(..length).unwrap_or_default());
            left = left.saturating_sub(length);
        }
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // Fails when the group is gone already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Before the child's own drop, which has the runtime reap it.
        self.kill();
    }
}

/// Why a program did not start, in the reference's words: one without a slash is looked for in the path.
fn start_text(program: &str, error: &io::Error) -> String {
    let in_path = !program.contains('/');
    if in_path && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) {
        return format!("exec: {}: executable file not found in $PATH", go_quote(program));
    }
    format!("fork/exec {program}: {}", cause::system_text(error))
}

#[cfg(test)]
mod tests;
