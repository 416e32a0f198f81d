//! The crate's contract: fixtures of whole configurations, and what stands beside loading them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a broken fixture stops its test")]

mod contract;
mod fixtures;
mod support;
