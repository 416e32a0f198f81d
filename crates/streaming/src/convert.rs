//! From the domain's types to messages and back. What a message cannot hold (ingress hosts of upstreams) is left out.

mod check;
mod service;
mod value;

use std::sync::Arc;

use crate::proto;

/// A message does not hold what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// An instance comes without its node.
    #[error("an instance without a node")]
    NoNode,
    /// A node comes without its instance.
    #[error("an instance without a service")]
    NoService,
}

impl From<&types::CheckServiceNode> for proto::CheckServiceNode {
    fn from(instance: &types::CheckServiceNode) -> Self {
        proto::CheckServiceNode {
            node: Some((&*instance.node).into()),
            service: Some((&*instance.service).into()),
            checks: instance.checks.iter().map(|check| (&**check).into()).collect(),
        }
    }
}

impl TryFrom<proto::CheckServiceNode> for types::CheckServiceNode {
    type Error = ConvertError;

    fn try_from(instance: proto::CheckServiceNode) -> Result<Self, ConvertError> {
        Ok(types::CheckServiceNode {
            node: Arc::new(instance.node.ok_or(ConvertError::NoNode)?.into()),
            service: Arc::new(instance.service.ok_or(ConvertError::NoService)?.into()),
            checks: instance.checks.into_iter().map(|check| Arc::new(check.into())).collect(),
        })
    }
}

impl From<&types::Node> for proto::Node {
    fn from(node: &types::Node) -> Self {
        proto::Node {
            id: node.id.clone(),
            node: node.node.clone(),
            address: node.address.clone(),
            datacenter: node.datacenter.clone(),
            tagged_addresses: node.tagged_addresses.clone(),
            meta: node.meta.clone(),
            raft_index: raft_index(node.create_index, node.modify_index),
            partition: String::new(),
            peer_name: node.peer_name.clone(),
        }
    }
}

impl From<proto::Node> for types::Node {
    fn from(node: proto::Node) -> Self {
        let (create_index, modify_index) = indexes(node.raft_index.as_ref());
        types::Node {
            id: node.id,
            node: node.node,
            address: node.address,
            datacenter: node.datacenter,
            peer_name: node.peer_name,
            tagged_addresses: node.tagged_addresses,
            meta: node.meta,
            create_index,
            modify_index,
        }
    }
}

/// Always there: readers of the reference do not expect it to be missing.
fn raft_index(create_index: u64, modify_index: u64) -> Option<proto::RaftIndex> {
    Some(proto::RaftIndex { create_index, modify_index })
}

fn indexes(index: Option<&proto::RaftIndex>) -> (u64, u64) {
    index.map_or((0, 0), |index| (index.create_index, index.modify_index))
}

/// A number that the wire has 32 bits for.
fn narrow(number: i64) -> i32 {
    let limit = if number < 0 { i32::MIN } else { i32::MAX };
    i32::try_from(number).unwrap_or(limit)
}
