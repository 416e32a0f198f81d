//! A child process whose output can be waited for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use super::{POLL, READY_DEADLINE, in_time};

/// A running program. It is killed when dropped.
pub struct Process {
    child: Child,
    pub stdout: Output,
    pub stderr: Output,
}

/// How a program ended, and everything it printed.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What a program has printed so far, by whole lines.
#[derive(Clone)]
pub struct Output(watch::Receiver<String>);

/// Runs a program to its end.
pub async fn run(command: &mut Command) -> Ended {
    Process::spawn(command).ended().await
}

impl Process {
    pub fn spawn(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = Output::follow(child.stdout.take().expect("piped"));
        let stderr = Output::follow(child.stderr.take().expect("piped"));
        Process { child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a child of ours");
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> Ended {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            if begin.elapsed() > READY_DEADLINE {
                self.kill();
                panic!("the program did not end:\n{}{}", self.stdout.text(), self.stderr.text());
            }
            tokio::time::sleep(POLL).await;
        };
        Ended { code: status.code(), stdout: self.stdout.all().await, stderr: self.stderr.all().await }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn follow(pipe: impl Read + Send + 'static) -> Output {
        let (sender, receiver) = watch::channel(String::new());
        // Ends with the pipe.
        thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                sender.send_modify(|text| text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
        });
        Output(receiver)
    }

    /// What was printed so far.
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Waits until the text was printed; answers everything printed until then.
    pub async fn says(&self, text: &str) -> String {
        self.says_times(text, 1).await
    }

    /// Waits until the text was printed so many times.
    pub async fn says_times(&self, text: &str, times: usize) -> String {
        let mut output = self.0.clone();
        let wait = output.wait_for(|printed| printed.matches(text).count() >= times);
        match tokio::time::timeout(READY_DEADLINE, wait).await {
            Ok(Ok(printed)) => printed.clone(),
            Ok(Err(_)) => panic!("the program ended without printing {text:?}:\n{}", self.text()),
            Err(_) => panic!("waited in vain for {text:?}:\n{}", self.text()),
        }
    }

    /// Waits for the end of the output.
    async fn all(&self) -> String {
        let mut output = self.0.clone();
        in_time("the end of the output", async { while output.changed().await.is_ok() {} }).await;
        self.text()
    }
}
