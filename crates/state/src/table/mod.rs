//! The tables, one per file: rows, secondary indexes, the rules of writing and the reads.

pub(crate) mod autopilot;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod connect;
pub(crate) mod connect_ca;
pub(crate) mod coordinate;
pub(crate) mod dump;
pub(crate) mod index;
pub(crate) mod kind_name;
pub(crate) mod kv;
pub(crate) mod node;
pub(crate) mod opaque;
pub(crate) mod prepared_query;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod system_metadata;
pub(crate) mod template;
pub(crate) mod usage;
pub(crate) mod virtual_ip;
