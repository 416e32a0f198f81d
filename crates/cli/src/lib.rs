//! The command line: one file per command group, talking to an agent only through its HTTP API.
