//! Subscriptions on the server port: their protocol buffers, and gRPC's frames over HTTP/2.
//!
//! A client agent opens one [`Channel`] to a server and subscribes to as many services as it has views of; a server
//! answers whole connections with [`serve`], from whatever implements [`Subscriptions`]. The crate knows neither agent
//! nor state. The rules are those of `docs/spec/rpc-and-state.md` §8; the other end may be the reference's.

#![forbid(unsafe_code)]

mod channel;
mod convert;
mod frame;
pub mod proto;
mod serve;
mod status;
#[cfg(test)]
mod tests;

pub use channel::{Channel, Subscription};
pub use convert::ConvertError;
pub use frame::Encoded;
pub use serve::{Events, Subscriptions, serve};
pub use status::{Code, Status};

/// Path of the only method there is.
const SUBSCRIBE_PATH: &str = "/subscribe.StateChangeSubscription/Subscribe";
/// What gRPC's messages are.
const CONTENT_TYPE: &str = "application/grpc";
/// Of a request's or a response's headers, and of trailers.
const MAX_HEADERS_BYTES: u32 = 64 * 1024;
