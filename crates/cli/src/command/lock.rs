//! `lock`: one at a time, or a few, across a datacenter (docs/spec/cli.md §6.3).

mod hold;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::Child;

use self::hold::{Contender, Hold, Holding};
use super::{Command, Run};
use crate::child;
use crate::client::{block_on, connect, read_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;
use crate::signal::Signals;

/// How long a child may take to end after SIGTERM.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// The exit code for a failed child, when asked for.
const CHILD_FAILED_EXIT: i32 = 2;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "lock",
    "Runs a program while holding a lock",
    "[options] prefix child...",
    "Takes a lock on a key prefix, runs a program, and gives the lock up when the program ends. Others that lock the same \
     prefix wait meanwhile. With -n, so many may hold it at a time, and all must agree on the number.\n\nThe program \
     finds CONSUL_LOCK_HELD=true in its environment. If the lock is lost, or on SIGINT or SIGTERM, the program gets \
     SIGTERM, and five seconds later SIGKILL; programs it started itself are not told. Unless -child-exit-code is given, \
     a program that fails is not a failure of lock.",
    Run::Handler(lock),
)
.examples(&[
    ("One backup at a time", "consul lock service/backup ./backup.sh"),
    ("Give up after half a minute", "consul lock -timeout=30s service/backup ./backup.sh"),
    ("Three workers at a time", "consul lock -n=3 service/worker ./work.sh"),
])
.groups(Groups::CS)
.flags_of_its_own(&[
    Flag::bool("child-exit-code", "Exit with 2 when the program fails."),
    Flag::int("monitor-retry", "How often in a row the lock may fail to be checked, a second apart, before it counts as lost.")
        .defaults_to("3"),
    Flag::int("n", "How many may hold the lock at a time.").defaults_to("1"),
    Flag::text("name", "Name of the session; made from the program and the prefix when left out."),
    Flag::bool("pass-stdin", "Let the program read standard input."),
    Flag::bool("shell", "Run the program through a shell, that of SHELL if set.").defaults_to("true"),
    Flag::duration("timeout", "How long to wait for the lock; 0 waits for ever."),
    Flag::duration("try", "Old name of -timeout."),
    Flag::bool("verbose", "Print each step."),
])];

fn lock(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let limit = u64::try_from(values.int("n")).ok().filter(|n| *n > 0);
    let limit = limit.ok_or_else(|| Error::failed("Lock holder limit must be positive"))?;
    let [prefix, child @ ..] = invocation.args.as_slice() else {
        return Err(Error::failed("Key prefix and child command must be specified"));
    };
    if child.is_empty() {
        return Err(Error::failed("Key prefix and child command must be specified"));
    }
    let timeout = timeout(invocation)?;
    let retries = u32::try_from(values.int("monitor-retry"))
        .map_err(|_| Error::failed("Number for 'monitor-retry' must be >= 0"))?;
    let prefix = prefix.strip_prefix('/').unwrap_or(prefix);
    let name = match values.text("name") {
        "" => format!("Consul lock for '{}' at '{prefix}'", child.join(" ")),
        name => name.to_string(),
    };
    let client = connect(invocation)?;
    block_on(async {
        let mut signals = Signals::listen()?;
        client
            .agent()
            .self_info(&read_options(invocation))
            .await
            .map_err(|e| Error::failed(format!("Error querying Consul agent: {e}")))?;
        let hold = Hold::new(prefix, limit, name, retries);
        verbose(invocation, hold.description());
        verbose(invocation, "Attempting lock acquisition");
        let contender = hold.contend(&client).await.map_err(refused)?;
        let outcome = contend(invocation, child, timeout, &contender, &mut signals).await;
        contender.end().await;
        outcome
    })
}

fn refused(error: api::Error) -> Error {
    Error::failed(format!("Lock acquisition failed: {error}"))
}

/// From the wait for the lock to its release.
async fn contend(
    invocation: &Invocation<'_>,
    child: &[String],
    timeout: Option<Duration>,
    contender: &Contender,
    signals: &mut Signals,
) -> Outcome {
    let acquired = tokio::select! {
        _ = signals.next() => None,
        acquired = contender.acquire(timeout) => acquired.map_err(refused)?,
    };
    let Some(holding) = acquired else {
        let cause = if timeout.is_some() { "Shutdown triggered or timeout" } else { "Shutdown triggered" };
        return Err(Error::failed(format!("{cause} during lock acquisition")));
    };
    let ended = run(invocation, child, contender.lost(&holding), signals).await;
    if !matches!(ended, Ended::Stopped) {
        verbose(invocation, "Child terminated, releasing lock");
    }
    release(invocation, contender, holding).await?;
    match ended {
        Ended::Failed if invocation.values.bool("child-exit-code") => Err(Error::Exit(CHILD_FAILED_EXIT)),
        _ => Ok(()),
    }
}

/// The time to wait for the lock; whichever of the two flags comes last counts.
fn timeout(invocation: &Invocation<'_>) -> Result<Option<Duration>, Error> {
    let last = invocation.values.given().map(|(name, _)| name).filter(|name| matches!(*name, "timeout" | "try")).last();
    let timeout = last.map_or(wire::GoDuration::ZERO, |name| invocation.values.duration(name));
    if timeout < wire::GoDuration::ZERO {
        return Err(Error::failed("Timeout must be positive"));
    }
    Ok(Some(timeout.as_std()).filter(|t| !t.is_zero()))
}

fn verbose(invocation: &Invocation<'_>, text: impl AsRef<str>) {
    if invocation.values.bool("verbose") {
        invocation.terminal.say(text);
    }
}

/// How the child came to its end.
enum Ended {
    /// By itself, well.
    Succeeded,
    /// By itself, badly, or it never started.
    Failed,
    /// Because it was told to.
    Stopped,
}

async fn run(
    invocation: &Invocation<'_>,
    child: &[String],
    lost: impl Future<Output = ()>,
    signals: &mut Signals,
) -> Ended {
    let terminal = invocation.terminal;
    verbose(invocation, "Starting handler");
    let mut command = child::command(child, invocation.values.bool("shell"), invocation.environment);
    command.env("CONSUL_LOCK_HELD", "true");
    if invocation.values.bool("pass-stdin") {
        verbose(invocation, "Stdin passed to handler process");
        command.stdin(Stdio::inherit());
    }
    let mut child = match child::start(&mut command) {
        Ok(child) => child,
        Err(error) => {
            terminal.complain(format!("Error starting handler: {error}"));
            return Ended::Failed;
        }
    };
    tokio::select! {
        status = child.wait() => return report(invocation, status),
        signal = signals.next() => {
            if let Some(Err(error)) = child::pid(&child).map(|pid| child::send(pid, signal)) {
                terminal.complain(format!("Warning, could not forward signal: {error}"));
            }
            verbose(invocation, "Shutdown triggered, killing child");
        }
        () = lost => verbose(invocation, "Lock lost, killing child"),
    }
    stop(invocation, &mut child).await;
    report(invocation, child.wait().await);
    Ended::Stopped
}

/// Says how a child that ended by itself, or was told to, failed.
fn report(invocation: &Invocation<'_>, status: io::Result<ExitStatus>) -> Ended {
    let failure = match status {
        Ok(status) => child::failure(status),
        Err(error) => Some(error.to_string()),
    };
    let Some(cause) = failure else { return Ended::Succeeded };
    invocation.terminal.complain(format!("Error running handler: {cause}"));
    Ended::Failed
}

/// Ends the child: politely, and then not.
async fn stop(invocation: &Invocation<'_>, child: &mut Child) {
    let Some(pid) = child::pid(child) else {
        return verbose(invocation, "No child process to kill");
    };
    verbose(invocation, format!("Terminating child pid {}", shown(pid)));
    if let Err(error) = child::send(pid, Signal::TERM) {
        invocation.terminal.complain(format!("Failed to terminate {}: {error}", shown(pid)));
    }
    if tokio::time::timeout(GRACE_PERIOD, child.wait()).await.is_ok() {
        return verbose(invocation, "Child terminated");
    }
    verbose(invocation, format!("Child did not exit after grace period of {}s", GRACE_PERIOD.as_secs()));
    verbose(invocation, format!("Killing child pid {}", shown(pid)));
    if let Err(error) = child.kill().await {
        invocation.terminal.complain(format!("Failed to kill {}: {error}", shown(pid)));
    }
}

fn shown(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

/// Gives the lock up, and removes its key unless somebody else has it by now.
async fn release(invocation: &Invocation<'_>, contender: &Contender, holding: Holding) -> Outcome {
    holding.release().await.map_err(|e| Error::failed(format!("Lock release failed: {e}")))?;
    match contender.destroy().await {
        Ok(()) => verbose(invocation, "Cleanup succeeded"),
        Err(api::Error::LockInUse | api::Error::SemaphoreInUse) => {
            verbose(invocation, "Cleanup aborted, lock in use");
        }
        Err(error) => return Err(Error::failed(format!("Lock cleanup failed: {error}"))),
    }
    Ok(())
}
