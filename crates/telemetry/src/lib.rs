//! Log lines in the reference's shape, log files with rotation, live log streams; metrics ([`metrics`]).
//!
//! Code anywhere in the workspace logs with the `tracing` macros; the event's `target` is the dotted logger name and
//! its fields are the pairs of the line:
//!
//! ```text
//! tracing::info!(target: "agent.server.raft", { "leader-address" = %address }, "entering follower state");
//! 2026-11-25T13:52:24.829Z [INFO]  agent.server.raft: entering follower state: leader-address=10.0.0.1:8300
//! ```
//!
//! A `&str` field that is empty prints `""`; a `%display` field that is empty prints nothing, as the reference does for
//! its own string types. Lists go through [`List`]. Events of libraries (targets outside `agent`) appear at TRACE only,
//! under `agent`, and only from INFO upwards: what they say below that may hold headers or keys.
//!
//! [`init`] installs the process-wide subscriber and returns [`Logs`], the handle that changes levels and opens
//! streams. Lines for standard output wait until [`Logs::release`], so that the start-up banner comes first.

#![forbid(unsafe_code)]

mod error;
mod file;
mod format;
mod level;
mod list;
mod logs;
pub mod metrics;
mod notes;
mod output;
mod redact;
mod stream;
mod subscriber;
mod zone;

pub use error::LogError;
pub use file::FileSettings;
pub use level::parse_level;
pub use list::List;
pub use logs::{LogSettings, Logs, Seams, build, init};
pub use redact::redact_url;
pub use stream::{LogStream, STREAM_QUEUE_LINES};
pub use subscriber::LogSubscriber;
pub use tracing_core::Level;
pub use zone::Zone;
