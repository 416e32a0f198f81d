//! Records of a snapshot that this version has no table for, kept byte for byte so that nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::MessageType;

/// The record types kept, in the order in which a snapshot lists them among the others.
pub(crate) const KEPT: [MessageType; 12] = [
    MessageType::LegacyAcl,
    MessageType::AclToken,
    MessageType::AclPolicy,
    MessageType::AclRole,
    MessageType::AclBindingRule,
    MessageType::AclAuthMethod,
    MessageType::Intention,
    MessageType::ConfigEntry,
    MessageType::FederationState,
    MessageType::Peering,
    MessageType::PeeringTrustBundle,
    MessageType::PeeringSecret,
];

/// Raw msgpack values by record type, in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpaqueRecords {
    by_type: Arc<BTreeMap<MessageType, Vec<Vec<u8>>>>,
}

impl OpaqueRecords {
    pub(crate) fn push(&mut self, kind: MessageType, value: Vec<u8>) {
        Arc::make_mut(&mut self.by_type).entry(kind).or_default().push(value);
    }

    pub(crate) fn of(&self, kind: MessageType) -> impl Iterator<Item = &[u8]> {
        self.by_type.get(&kind).into_iter().flatten().map(Vec::as_slice)
    }
}
