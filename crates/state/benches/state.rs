//! Benchmarks of the state.
fn main() {}
