//! The methods a server answers, one file per noun.

mod autopilot;
mod catalog;
mod connect_ca;
mod coordinate;
mod event;
mod health;
mod keyring;
mod kv;
mod operator;
mod prepared_query;
mod selection;
mod session;
mod sort;
mod status;
mod txn;

/// Peer name of what is registered in this datacenter itself.
pub(crate) const LOCAL: &str = "";
