//! The types of records in a state (`docs/spec/cli.md` §7.3).

/// The number of the record type that holds a key and its value.
pub(crate) const KV: u8 = 2;

/// Numbers and names of the record types. 37 (the end of a peering) never got a name.
const KINDS: [(u8, &str); 40] = [
    (0, "Register"),
    (1, "Deregister"),
    (2, "KVS"),
    (3, "Session"),
    (4, "ACL"),
    (5, "Tombstone"),
    (6, "CoordinateBatchUpdate"),
    (7, "PreparedQuery"),
    (8, "Txn"),
    (9, "Autopilot"),
    (10, "Area"),
    (11, "ACLBootstrap"),
    (12, "Intention"),
    (13, "ConnectCA"),
    (14, "ConnectCAProviderState"),
    (15, "ConnectCAConfig"),
    (16, "Index"),
    (17, "ACLToken"),
    (18, "ACLTokenDelete"),
    (19, "ACLPolicy"),
    (20, "ACLPolicyDelete"),
    (21, "ConnectCALeaf"),
    (22, "ConfigEntry"),
    (23, "ACLRole"),
    (24, "ACLRoleDelete"),
    (25, "ACLBindingRule"),
    (26, "ACLBindingRuleDelete"),
    (27, "ACLAuthMethod"),
    (28, "ACLAuthMethodDelete"),
    (29, "ChunkingState"),
    (30, "FederationState"),
    (31, "SystemMetadata"),
    (32, "ServiceVirtualIP"),
    (33, "FreeVirtualIP"),
    (34, "KindServiceName"),
    (35, "Peering"),
    (36, "PeeringDelete"),
    (38, "PeeringTrustBundle"),
    (39, "PeeringTrustBundleDelete"),
    (40, "PeeringSecret"),
];

/// The known record types: number and name.
pub fn record_kinds() -> impl Iterator<Item = (u8, &'static str)> {
    KINDS.into_iter()
}

/// The name of a record type, `Unknown(NUMBER)` for numbers without one.
pub fn kind_name(kind: u8) -> String {
    match record_kinds().find(|(number, _)| *number == kind) {
        Some((_, name)) => name.to_owned(),
        None => format!("Unknown({kind})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference() {
        let cases = [
            (0, "Register"),
            (2, "KVS"),
            (29, "ChunkingState"),
            (36, "PeeringDelete"),
            (37, "Unknown(37)"),
            (38, "PeeringTrustBundle"),
            (40, "PeeringSecret"),
            (41, "Unknown(41)"),
            (255, "Unknown(255)"),
        ];
        for (kind, name) in cases {
            assert_eq!(kind_name(kind), name);
        }
    }
}
