//! Contracts of the whole crate that need its inner seams.

mod cluster;
mod faults;
mod snapshots;

#[path = "../tests/ledger/mod.rs"]
mod ledger;
