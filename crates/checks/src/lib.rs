//! Health checks run by interval: scripts, HTTP, TCP, UDP, gRPC, HTTP/2 ping, Docker
//! (`docs/spec/server-operations.md` §13).
//!
//! A [`Runner`] runs each [`CheckPlan`] in a task of its own and hands what came out to a [`Sink`]. This crate knows
//! nothing of the agent: TTL and alias checks, which need its state, belong there.

#![forbid(unsafe_code)]

pub mod output;
mod plan;
mod probe;
mod runner;
mod verdict;

pub use plan::{CheckPlan, Probe, ProbeTls, Thresholds};
pub use probe::TlsSettings;
pub use runner::{MIN_INTERVAL, Runner, RunningCheck, Sink};
pub use verdict::Verdict;
