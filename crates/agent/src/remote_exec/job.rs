//! What is to be run.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use tokio::process::Command;

const SCRIPT_MODE: u32 = 0o750;
/// Silence after which a sign of life is due, unless the job says otherwise.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);

/// A job as it is stored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Job {
    /// A line for the shell.
    command: String,
    /// A program with its arguments; goes before everything else.
    args: Vec<String>,
    /// A script, base64.
    script: String,
    /// Nanoseconds.
    wait: i64,
}

/// A command that can be started, and the file it needs.
pub(super) struct Prepared {
    pub(super) command: Command,
    _script: Option<tempfile::TempPath>,
}

impl Job {
    pub(super) fn wait(&self) -> Duration {
        u64::try_from(self.wait).ok().filter(|nanos| *nanos > 0).map_or(WAIT_DEFAULT, Duration::from_nanos)
    }

    /// The command of this job.
    pub(super) async fn command(&self) -> io::Result<Prepared> {
        if let Some((program, arguments)) = self.args.split_first() {
            let mut command = Command::new(program);
            command.args(arguments);
            return Ok(Prepared { command, _script: None });
        }
        if self.script.is_empty() {
            return Ok(Prepared { command: in_shell(&self.command), _script: None });
        }
        let script = base64::engine::general_purpose::STANDARD.decode(&self.script).map_err(io::Error::other)?;
        let written = tokio::task::spawn_blocking(move || write_script(&script)).await;
        let path = written.map_err(io::Error::other)??;
        let command = in_shell(&path.to_string_lossy());
        Ok(Prepared { command, _script: Some(path) })
    }
}

fn write_script(script: &[u8]) -> io::Result<tempfile::TempPath> {
    let mut file = tempfile::Builder::new().prefix("rexec").tempfile()?;
    file.write_all(script)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(SCRIPT_MODE))?;
    // Closed before it is run: a file that is open for writing cannot be.
    Ok(file.into_temp_path())
}

fn in_shell(line: &str) -> Command {
    let shell = std::env::var("SHELL").unwrap_or_default();
    let mut command = Command::new(if shell.is_empty() { "/bin/sh" } else { &shell });
    command.arg("-c").arg(line);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn prints(job: &str) -> String {
        let job: Job = serde_json::from_str(job).unwrap();
        let mut prepared = job.command().await.unwrap();
        let output = prepared.command.output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[tokio::test]
    async fn a_job_is_a_line_a_program_or_a_script() {
        assert_eq!(prints(r#"{"Command":"echo $((1 + 1))"}"#).await, "2\n");
        assert_eq!(prints(r#"{"Args":["echo","$((1"]}"#).await, "$((1\n");
        assert_eq!(prints(r#"{"Script":"IyEvYmluL3NoCmVjaG8gaGVsbG8K"}"#).await, "hello\n");
    }

    #[test]
    fn a_job_says_how_long_silence_may_last() {
        let job = |text| serde_json::from_str::<Job>(text).unwrap().wait();
        assert_eq!(job("{}"), WAIT_DEFAULT);
        assert_eq!(job(r#"{"Wait":3000000000}"#), Duration::from_secs(3));
    }
}
