//! The three streams of a run. Writing never fails for a command: see [`Terminal::process`].

use std::cell::RefCell;
use std::io::{self, Read, Write};

/// What a process that died of SIGPIPE reports, which is how a writer without a reader ends.
const BROKEN_PIPE_EXIT: i32 = 128 + 13;

/// Standard input, output and error.
pub struct Terminal {
    input: RefCell<Box<dyn Read>>,
    output: RefCell<Box<dyn Write>>,
    error: RefCell<Box<dyn Write>>,
}

impl Terminal {
    /// The streams of this process. When the reader of one goes away the process ends with status 141, as programs
    /// that do not ignore SIGPIPE do; any other failure to write is not reported, there being nowhere to report it.
    pub fn process() -> Terminal {
        Terminal::new(io::stdin(), EndOnBrokenPipe(io::stdout()), EndOnBrokenPipe(io::stderr()))
    }

    /// Streams of the caller's choice.
    pub fn new(input: impl Read + 'static, output: impl Write + 'static, error: impl Write + 'static) -> Terminal {
        Terminal {
            input: RefCell::new(Box::new(input)),
            output: RefCell::new(Box::new(output)),
            error: RefCell::new(Box::new(error)),
        }
    }

    /// Writes `text` and a newline to standard output.
    pub fn say(&self, text: impl AsRef<str>) {
        self.write(format!("{}\n", text.as_ref()).as_bytes());
    }

    /// Writes bytes to standard output as they are.
    pub fn write(&self, bytes: &[u8]) {
        put(&self.output, bytes);
    }

    /// Writes `text` and a newline to standard error.
    pub fn complain(&self, text: impl AsRef<str>) {
        put(&self.error, format!("{}\n", text.as_ref()).as_bytes());
    }

    /// Reads standard input to its end.
    pub fn read_input(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.input.borrow_mut().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn put(stream: &RefCell<Box<dyn Write>>, bytes: &[u8]) {
    let mut stream = stream.borrow_mut();
    // The one failure that matters, a broken pipe, has ended the process inside the stream.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
}

struct EndOnBrokenPipe<W>(W);

impl<W: Write> Write for EndOnBrokenPipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        end_if_broken(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        end_if_broken(self.0.flush())
    }
}

fn end_if_broken<T>(result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(BROKEN_PIPE_EXIT);
    }
    result
}
