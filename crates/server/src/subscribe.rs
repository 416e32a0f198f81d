//! Subscriptions to the instances of services (`docs/spec/rpc-and-state.md` §8.3).
//!
//! One feed a service follows the state for all who subscribed to it, and only while somebody has: it makes the events
//! of a change once, and its subscribers send the same bytes. Any server answers that has ever known a leader. There
//! are no tokens to judge yet: everybody sees everything.

mod difference;
mod feed;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use net::{BoxConn, BoxFuture};
use streaming::proto::{Subject, SubscribeRequest, Topic};
use streaming::{Code, Encoded, Events, Status, Subscriptions};
use tokio::sync::broadcast;
use types::RpcError;
use types::query::Consistency;

use self::feed::{Feeds, Joined, Key, Lookup, Told, reset};
use crate::server::{Server, Shared};

impl Server {
    /// Answers connections for subscriptions. To be asked for once: feeds are shared by what one answer serves.
    pub fn subscriptions(&self) -> Arc<dyn rpc::Streams> {
        let shared = self.shared.clone();
        let feeds = Feeds::new(shared.store.clone(), shared.stopping.clone());
        Arc::new(Door { service: Arc::new(Service { shared: shared.clone(), feeds }), shared })
    }

    /// Answers connections for subscriptions when there shall be none (`rpc.enable_streaming`).
    pub fn no_subscriptions(&self) -> Arc<dyn rpc::Streams> {
        Arc::new(Door { service: Arc::new(Refusal), shared: self.shared.clone() })
    }
}

/// Connections after their type byte.
struct Door {
    service: Arc<dyn Subscriptions>,
    shared: Arc<Shared>,
}

impl rpc::Streams for Door {
    fn serve(&self, conn: BoxConn, _from: SocketAddr) -> BoxFuture<'static, ()> {
        streaming::serve(conn, self.service.clone(), self.shared.stopping.clone())
    }
}

struct Refusal;

impl Subscriptions for Refusal {
    fn subscribe(&self, _request: SubscribeRequest) -> BoxFuture<'static, Result<Box<dyn Events>, Status>> {
        let text = "unknown service subscribe.StateChangeSubscription";
        Box::pin(async move { Err(Status::new(Code::Unimplemented, text)) })
    }
}

struct Service {
    shared: Arc<Shared>,
    feeds: Arc<Feeds>,
}

impl Subscriptions for Service {
    fn subscribe(&self, request: SubscribeRequest) -> BoxFuture<'static, Result<Box<dyn Events>, Status>> {
        let (shared, feeds) = (self.shared.clone(), self.feeds.clone());
        Box::pin(async move {
            shared.check_datacenter(&request.datacenter).map_err(|error| refused(&error))?;
            shared.check_consistency(Consistency::Stale).await.map_err(|error| refused(&error))?;
            let index = request.index;
            let joined = feeds.join(key_of(request)?)?;
            Ok(Box::new(Source::new(joined, index)) as Box<dyn Events>)
        })
    }
}

/// A server that cannot answer now; another may.
fn refused(error: &RpcError) -> Status {
    let code = match error {
        RpcError::NoLeader | RpcError::Shutdown => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, error.to_string())
}

/// What a request is about: by its subject, or by the old fields when it has none.
fn key_of(request: SubscribeRequest) -> Result<Key, Status> {
    let topic = request.topic();
    let (name, peer) = match request.subject {
        Some(Subject::WildcardSubject(true)) => (None, String::new()),
        Some(Subject::NamedSubject(named)) => (Some(named.key), named.peer_name),
        Some(Subject::WildcardSubject(false)) | None => (Some(request.key), request.peer_name),
    };
    if name.as_ref().is_some_and(String::is_empty) {
        let text = "either WildcardSubject or NamedSubject.Key is required";
        return Err(Status::new(Code::InvalidArgument, text));
    }
    let lookup = match topic {
        Topic::ServiceHealth => Lookup::Named,
        Topic::ServiceHealthConnect => Lookup::Mesh,
        other => {
            let text = format!("subscriptions to topic {other:?} are not there yet");
            return Err(Status::new(Code::Unimplemented, text));
        }
    };
    let Some(name) = name else {
        let text = format!("topic {topic:?} does not support wildcard subscriptions");
        return Err(Status::new(Code::InvalidArgument, text));
    };
    Ok(Key { lookup, peer: peer.to_lowercase(), service: name.to_lowercase() })
}

/// What one subscriber is told: how things are, unless it knows, then what changes.
struct Source {
    opening: std::vec::IntoIter<Encoded>,
    joined: Joined,
}

impl Source {
    /// `index` is the last one the subscriber knows, 0 for none.
    fn new(joined: Joined, index: u64) -> Source {
        let state = &joined.state;
        let opening = if index == 0 {
            vec![state.snapshot()]
        } else if state.newest_batch == Some(index) {
            Vec::new()
        } else {
            vec![Encoded::of([streaming::proto::Event::new_snapshot_to_follow()]), state.snapshot()]
        };
        Source { opening: opening.into_iter(), joined }
    }
}

impl Events for Source {
    fn next(&mut self) -> BoxFuture<'_, Result<Encoded, Status>> {
        Box::pin(async move {
            if let Some(messages) = self.opening.next() {
                return Ok(messages);
            }
            match self.joined.news.recv().await {
                Ok(Told::News(messages)) => Ok(messages),
                Ok(Told::Over(status)) => Err(status),
                // Too slow: what it missed is gone.
                Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => Err(reset()),
            }
        })
    }
}
