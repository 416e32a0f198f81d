//! Agent configuration: every key declared once, files and flags merged, checked and turned into a runtime configuration.
//!
//! [`load`] reads every source in order and yields a [`RuntimeConfig`] with the warnings to log. The keys themselves
//! stand in [`table::AGENT_KEYS`] and the agent's flags in [`AGENT_FLAGS`]. [`unavailable`] names settings that ask for
//! a capability this build does not have yet; [`reload_diff`] tells what a reload applies.
//!
//! Behaviour and error texts follow `docs/spec/config.md`; [`ConfigError::locations`] adds file, line and column.

#![forbid(unsafe_code)]

mod address;
mod build;
mod capability;
mod debug;
mod decode;
mod definition;
mod deprecated;
mod duration;
mod environment;
mod error;
mod flag;
mod identity;
mod load;
mod merge;
mod meta;
mod place;
mod reload;
mod runtime;
mod secret;
mod sockaddr;
mod source;
pub mod table;
mod value;

pub use address::{TemplateError, expand_template};
pub use capability::{Capability, EXISTING, Unavailable, idle, unavailable};
pub use debug::BuildInfo;
pub use definition::{
    CheckDefinition, CheckSpec, ConnectDefinition, ExposePath, HttpHandler, OpaqueMap, ProxyDefinition, ServiceAddress,
    ServiceCheck, ServiceDefinition, ServiceKind, Upstream, WatchDefinition, WatchError, WatchHandler, WatchKind,
    Weights, check_faults, service_faults,
};
pub use environment::{Environment, InterfaceAddress, InterfaceFlags};
pub use error::{ConfigError, Problem};
pub use flag::{AGENT_FLAGS, FlagError, FlagKind, FlagSpec, FlagTarget, Flags, agent_flag};
pub use identity::{NODE_ID_FILE, node_id};
pub use load::{Loaded, load};
pub use place::Place;
pub use reload::{Change, ReloadPlan, reload_diff};
pub use runtime::*;
pub use secret::{Secret, SecretMap};
