//! The crate's contract: fixtures of whole configurations, and what stands beside loading them.

mod contract;
mod fixtures;
mod support;
