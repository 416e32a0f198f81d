//! Whole pools in one thread, on a simulated network and a simulated clock: the core alone, without sockets and sleeps.
//!
//! Everything that is left to chance follows from a seed; a scenario that fails names it.
//!
//! ```text
//! PROCONSUL_SEED=7 cargo test -p gossip --test simulation a_crash      # replays one seed
//! PROCONSUL_SEEDS=100 cargo test --release -p gossip --test simulation # 100 new seeds for each scenario
//! cargo test --release -p gossip --test simulation -- --ignored        # the large pools too
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of a test fail as the test would")]

mod links;
mod node;
mod queue;
mod random;
mod scenarios;
mod seeds;
mod world;
