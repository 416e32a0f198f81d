//! The messages of `docs/spec/rpc-and-state.md` §8.2, as far as they are used: fields that are not here are skipped.
//!
//! Names are those of the wire in our spelling. Fields without a value are zero.
#![allow(missing_docs)]

mod catalog;

use std::fmt;

pub use catalog::*;

/// What a subscription is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Topic {
    Unknown = 0,
    ServiceHealth = 1,
    ServiceHealthConnect = 2,
    MeshConfig = 3,
    ServiceResolver = 4,
    IngressGateway = 5,
    ServiceIntentions = 6,
    ServiceList = 7,
    ServiceDefaults = 8,
}

/// Asks for a snapshot and everything after it. The fields marked old are all that clients before 1.14 fill.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct SubscribeRequest {
    #[prost(enumeration = "Topic", tag = "1")]
    pub topic: i32,
    /// Old.
    #[prost(string, tag = "2")]
    pub key: String,
    #[prost(string, tag = "3")]
    pub token: String,
    /// Index of the last event received; 0 for none.
    #[prost(uint64, tag = "4")]
    pub index: u64,
    #[prost(string, tag = "5")]
    pub datacenter: String,
    /// Old.
    #[prost(string, tag = "6")]
    pub namespace: String,
    /// Old.
    #[prost(string, tag = "7")]
    pub partition: String,
    /// Old.
    #[prost(string, tag = "8")]
    pub peer_name: String,
    #[prost(oneof = "Subject", tags = "9, 10")]
    pub subject: Option<Subject>,
}

impl fmt::Debug for SubscribeRequest {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeRequest")
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("index", &self.index)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Subject {
    #[prost(bool, tag = "9")]
    WildcardSubject(bool),
    #[prost(message, tag = "10")]
    NamedSubject(NamedSubject),
}

#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NamedSubject {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(string, tag = "3")]
    pub partition: String,
    #[prost(string, tag = "4")]
    pub peer_name: String,
}

/// One message of a subscription.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// Nothing for a kind of event that is not known here.
    #[prost(oneof = "Payload", tags = "2, 3, 4, 10")]
    pub payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Payload {
    #[prost(bool, tag = "2")]
    EndOfSnapshot(bool),
    #[prost(bool, tag = "3")]
    NewSnapshotToFollow(bool),
    #[prost(message, tag = "4")]
    EventBatch(EventBatch),
    #[prost(message, tag = "10")]
    ServiceHealth(Box<ServiceHealthUpdate>),
}

/// The events of one index.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventBatch {
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CatalogOp {
    Register = 0,
    Deregister = 1,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ServiceHealthUpdate {
    #[prost(enumeration = "CatalogOp", tag = "1")]
    pub op: i32,
    #[prost(message, optional, tag = "2")]
    pub check_service_node: Option<CheckServiceNode>,
}

impl Event {
    /// An instance is as given now.
    pub fn register(index: u64, instance: &types::CheckServiceNode) -> Event {
        Event::health(index, CatalogOp::Register, instance.into())
    }

    /// An instance is no more: only what names it is told.
    pub fn deregister(index: u64, instance: &types::CheckServiceNode) -> Event {
        let node = Node {
            node: instance.node.node.clone(),
            peer_name: instance.node.peer_name.clone(),
            raft_index: Some(RaftIndex::default()),
            ..Node::default()
        };
        let instance = CheckServiceNode {
            node: Some(node),
            service: Some(NodeService::from(&*instance.service)),
            checks: Vec::new(),
        };
        Event::health(index, CatalogOp::Deregister, instance)
    }

    fn health(index: u64, op: CatalogOp, instance: CheckServiceNode) -> Event {
        let update = ServiceHealthUpdate { op: op.into(), check_service_node: Some(instance) };
        Event { index, payload: Some(Payload::ServiceHealth(Box::new(update))) }
    }

    /// The snapshot is complete.
    pub fn end_of_snapshot(index: u64) -> Event {
        Event { index, payload: Some(Payload::EndOfSnapshot(true)) }
    }

    /// What the subscriber has is of no use: a snapshot comes.
    pub fn new_snapshot_to_follow() -> Event {
        Event { index: 0, payload: Some(Payload::NewSnapshotToFollow(true)) }
    }

    /// Its length as a message.
    pub fn encoded_bytes(&self) -> usize {
        prost::Message::encoded_len(self)
    }

    /// All events of one index as one message: itself if it is one.
    pub fn of_index(index: u64, mut events: Vec<Event>) -> Event {
        if events.len() == 1
            && let Some(event) = events.pop()
        {
            return event;
        }
        Event { index, payload: Some(Payload::EventBatch(EventBatch { events })) }
    }
}
