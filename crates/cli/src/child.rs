//! Child processes of `lock` and `watch` (docs/spec/cli.md §6.3, §6.4).

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use wire::quote::go_quote;

use crate::environment::Environment;
use crate::source::system_text;

const DEFAULT_SHELL: &str = "/bin/sh";

/// The command that runs `args`: through the user's shell as one line, or directly. Its outputs are ours and its input
/// is empty, until the caller says otherwise.
pub(crate) fn command(args: &[String], shell: bool, environment: &Environment) -> Command {
    let mut command = if shell {
        let mut command = Command::new(environment.get("SHELL").unwrap_or(DEFAULT_SHELL));
        command.arg("-c").arg(args.join(" "));
        command
    } else {
        let (program, rest) = args.split_first().map_or((OsStr::new(""), &[][..]), |(p, r)| (OsStr::new(p), r));
        let mut command = Command::new(program);
        command.args(rest);
        command
    };
    command.stdin(Stdio::null());
    command
}

/// Starts it. The error is the cause as the reference words it.
pub(crate) fn start(command: &mut Command) -> Result<Child, String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if !program.contains('/') => {
            format!("exec: {}: executable file not found in $PATH", go_quote(&program))
        }
        _ => format!("fork/exec {program}: {}", system_text(&error)),
    })
}

/// `None` for success, else `exit status 3` or `signal: killed`.
pub(crate) fn failure(status: ExitStatus) -> Option<String> {
    if status.success() {
        return None;
    }
    if let Some(code) = status.code() {
        return Some(format!("exit status {code}"));
    }
    let signal = status.signal().map_or_else(|| "unknown".to_string(), signal_text);
    let dumped = if status.core_dumped() { " (core dumped)" } else { "" };
    Some(format!("signal: {signal}{dumped}"))
}

fn signal_text(number: i32) -> String {
    let names = [
        (1, "hangup"),
        (2, "interrupt"),
        (3, "quit"),
        (4, "illegal instruction"),
        (6, "aborted"),
        (8, "floating point exception"),
        (9, "killed"),
        (11, "segmentation fault"),
        (13, "broken pipe"),
        (14, "alarm clock"),
        (15, "terminated"),
    ];
    names
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| format!("signal {number}"), |(_, name)| name.to_string())
}

/// The process ID of a child that runs.
pub(crate) fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
}

/// Sends a signal to the child itself, not to what it started.
pub(crate) fn send(pid: Pid, signal: Signal) -> Result<(), String> {
    kill_process(pid, signal).map_err(|errno| system_text(&errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<String> {
        line.iter().map(|w| w.to_string()).collect()
    }

    fn run(args: &[&str], shell: bool) -> Result<ExitStatus, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        runtime.block_on(async {
            let mut child = start(&mut command(&words(args), shell, &Environment::default()))?;
            Ok(child.wait().await.expect("a status"))
        })
    }

    #[test]
    fn how_a_child_ended_is_told_as_the_reference_tells_it() {
        for (line, text) in [
            ("exit 0", None),
            ("exit 3", Some("exit status 3")),
            ("kill -KILL $$", Some("signal: killed")),
            ("kill -TERM $$", Some("signal: terminated")),
        ] {
            let status = run(&[line], true).expect(line);
            assert_eq!(failure(status).as_deref(), text, "{line}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        for (program, text) in [
            ("/no/such/program", "fork/exec /no/such/program: no such file or directory"),
            ("no-such-program", "exec: \"no-such-program\": executable file not found in $PATH"),
        ] {
            assert_eq!(run(&[program], false).map(drop), Err(text.to_string()));
        }
    }

    #[test]
    fn the_shell_gets_the_words_as_one_line() {
        assert!(run(&["test", "a", "=", "a", "&&", "true"], true).expect("a status").success());
    }
}
