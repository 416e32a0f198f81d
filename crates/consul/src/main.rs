//! The one binary: agent and command line.
fn main() {}
