//! Runs command lines in this process and keeps what they print.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::rc::Rc;

use cli::{Environment, Hooks, Terminal};

/// What the stand-in for the agent answers, to be told from every exit code of the command line itself.
pub(crate) const AGENT_EXIT: i32 = 42;

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

/// Runs `consul` with these arguments, environment variables and standard input.
pub(crate) fn run_with(args: &[&str], environment: &[(&str, &str)], input: &str) -> Ran {
    let (stdout, stderr) = (Kept::default(), Kept::default());
    let terminal = Terminal::new(Cursor::new(input.as_bytes().to_vec()), stdout.clone(), stderr.clone());
    let environment: Environment = environment.iter().copied().collect();
    let argv = std::iter::once("consul").chain(args.iter().copied()).map(OsString::from);
    let exit = cli::run_on(argv, &environment, &Hooks { agent: |_| AGENT_EXIT }, &terminal);
    Ran { exit, stdout: stdout.text(), stderr: stderr.text() }
}

/// Runs `consul` with these arguments where no agent is.
#[allow(dead_code, reason = "not every test file needs each of the two")]
pub(crate) fn run(args: &[&str]) -> Ran {
    run_with(args, &[("CONSUL_HTTP_ADDR", "127.0.0.1:1")], "")
}
