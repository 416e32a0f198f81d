//! A request and a reply of every method with every field set, and the names they have in the reference
//! (`docs/spec/rpc-and-state.md` §4). Names in capitals stand for the fields that many have.

mod catalog;
mod cluster;
mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use wire::GoTime;

use crate::method::*;
use crate::rpc::RpcMethod;
use crate::{Backend, Consistency, QueryMeta, QueryOptions, QuerySource, Want};
use catalog::*;
use cluster::*;
use store::*;

/// A method with samples.
pub(super) trait Sampled: RpcMethod {
    /// Keys of a request that is a map.
    const REQUEST_FIELDS: &'static str;
    /// Keys of a reply that is a map.
    const REPLY_FIELDS: &'static str;

    fn request() -> Self::Request;
    fn reply() -> Self::Reply;
}

macro_rules! samples {
    ($($name:ident $asked:literal $request:expr => $answered:literal $reply:expr;)*) => {
        $(impl Sampled for $name {
            const REQUEST_FIELDS: &'static str = $asked;
            const REPLY_FIELDS: &'static str = $answered;

            fn request() -> Self::Request { $request }
            fn reply() -> Self::Reply { $reply }
        })*
    };
}

samples! {
    KvApply "Datacenter DirEnt Op Token" kv_request() => "" true;
    KvGet "Datacenter Key QO" key_request() => "Entries QM" found(Some(entry()));
    KvList "Datacenter Key QO" key_request() => "Entries QM" found(vec![entry(), entry()]);
    KvListKeys "Datacenter Prefix Seperator QO" key_list_request() => "Keys QM" found(vec!["a/".into(), "b".into()]);
    SessionApply "Datacenter Op Session Token" session_request() => "" "id".to_owned();
    SessionGet "SESSION" session_specific() => "Sessions QM" found(Some(session().into()));
    SessionList "SESSION" only_options() => "Sessions QM" found(vec![session().into()]);
    SessionNodeSessions "NODE" node_request() => "Sessions QM" found(vec![session().into()]);
    SessionRenew "SESSION" SessionSpecificRequest { options: fresh(), ..session_specific() }
        => "Sessions QM" found(Some(session().into()));
    TxnApply "Datacenter Ops Token" txn_request() => "Results Errors" txn_response();
    TxnRead "Datacenter Ops QO" TxnReadRequest { txn: txn_request(), options: options() }
        => "Results Errors QM" found(txn_response());
    CatalogRegister "Datacenter ID Node Address TaggedAddresses NodeMeta Service Check Checks SkipNodeUpdate PeerName \
        Token CreateIndex ModifyIndex" register_request() => "" ();
    CatalogDeregister "Datacenter Node ServiceID CheckID PeerName Token" deregister_request() => "" ();
    CatalogListDatacenters "" () => "" vec!["dc1".to_owned(), "dc2".to_owned()];
    CatalogListNodes "DATACENTER" datacenter_request() => "Nodes QM" found(vec![node().into()]);
    CatalogListServices "DATACENTER" datacenter_request()
        => "Services QM" found(BTreeMap::from([("web".to_owned(), words()), ("db".to_owned(), Vec::new())]));
    CatalogServiceNodes "SERVICE" service_request() => "ServiceNodes QM" found(vec![service_node()]);
    CatalogNodeServices "NODE" node_request() => "NodeServices QM" found(Some(node_services()));
    HealthNodeChecks "NODE" node_request() => "HealthChecks QM" found(vec![check().into()]);
    HealthServiceChecks "SERVICE" service_request() => "HealthChecks QM" found(vec![check().into()]);
    HealthChecksInState "Datacenter NodeMetaFilters State Source PeerName QO" checks_in_state()
        => "HealthChecks QM" found(vec![check().into()]);
    HealthServiceNodes "SERVICE" service_request() => "Nodes QM" found(vec![checked_instance()]);
    CatalogGatewayServices "SERVICE" service_request() => "Services QM" found(vec![gateway_service().into()]);
    CatalogVirtualIpForService "SERVICE" service_request() => "" "240.0.0.1".to_owned();
    PreparedQueryApply "Datacenter Op Query Token" query_request() => "" "id".to_owned();
    PreparedQueryGet "Datacenter QueryID QO" QuerySpecificRequest { query_id: "q".into(), options: options() }
        => "Queries QM" found(vec![query().into()]);
    PreparedQueryList "DATACENTER" datacenter_request() => "Queries QM" found(vec![query().into()]);
    PreparedQueryExplain "EXECUTE" execute_request() => "Query QM" found(query());
    PreparedQueryExecute "EXECUTE" execute_request()
        => "Service Nodes DNS Datacenter PeerName Failovers QM" execute_reply();
    CoordinateUpdateOne "Datacenter Node Segment Coord Token" coordinate_update() => "" ();
    CoordinateListDatacenters "" () => "" vec![area()];
    CoordinateListNodes "DATACENTER" datacenter_request() => "Coordinates QM" found(vec![coordinate()]);
    CoordinateNode "NODE" node_request() => "Coordinates QM" found(vec![coordinate()]);
    ConnectCaRoots "DATACENTER" datacenter_request() => "ActiveRootID TrustDomain Roots QM" found(roots());
    EventFire "Datacenter Name Payload QO" event_request() => "" ();
    StatusLeader "DATACENTER" "dc2".to_owned() => "" "10.0.0.1:8300".to_owned();
    StatusPeers "DATACENTER" "dc2".to_owned() => "" vec!["10.0.0.1:8300".to_owned()];
    StatusPing "" () => "" ();
    StatusRaftStats "" () => "LastContact LastTerm LastIndex" raft_stats();
    CatalogNodeServiceList "NODE" node_request() => "NodeServices QM" found(Some(node_services()));
    OperatorRaftRemovePeerById "Datacenter Address ID Token" remove_request() => "" ();
    OperatorRaftRemovePeerByAddress "Datacenter Address ID Token" remove_request() => "" ();
    OperatorAutopilotGetConfiguration "DATACENTER" datacenter_request()
        => "CleanupDeadServers LastContactThreshold MaxTrailingLogs MinQuorum ServerStabilizationTime \
        RedundancyZoneTag DisableUpgradeMigration UpgradeVersionTag CreateIndex ModifyIndex" autopilot_config();
    OperatorAutopilotSetConfiguration "Datacenter Config CAS Token" autopilot_request() => "" true;
    OperatorServerHealth "DATACENTER" datacenter_request() => "Healthy FailureTolerance Servers" operator_health();
    OperatorAutopilotState "DATACENTER" datacenter_request()
        => "Healthy FailureTolerance Servers Leader Voters" autopilot_state();
    InternalKeyringOperation "Operation Key Datacenter Forwarded RelayFactor LocalOnly QO" keyring_request()
        => "Responses" vec![keyring_response()];
    OperatorRaftGetConfiguration "DATACENTER"
        SnapshotRequest { datacenter: "dc2".into(), token: "t".into(), allow_stale: true }
        => "Servers Index" vec![raft_server()];
}

fn options() -> QueryOptions {
    QueryOptions {
        datacenter: "dc2".into(),
        token: "t".into(),
        consistency: Consistency::Stale,
        max_stale: Duration::from_secs(3),
        min_index: 1 << 40,
        max_wait: Duration::from_millis(1500),
        filter: "a == b".into(),
        want: Want::Answer,
    }
}

fn fresh() -> QueryOptions {
    QueryOptions { consistency: Consistency::Consistent, ..options() }
}

fn found<T>(value: T) -> Indexed<T> {
    Indexed { value, meta: meta() }
}

fn meta() -> QueryMeta {
    QueryMeta {
        index: 70_000,
        last_contact: Duration::from_millis(5),
        known_leader: true,
        backend: Backend::Streaming,
        filtered_by_acls: true,
        version: None,
        waited: false,
    }
}

fn words() -> Vec<String> {
    vec!["x".into(), "y".into()]
}

fn strings() -> BTreeMap<String, String> {
    BTreeMap::from([("k".to_owned(), "v".to_owned())])
}

fn source() -> QuerySource {
    QuerySource { datacenter: "dc2".into(), node: "n1".into(), segment: "s".into() }
}

fn time() -> GoTime {
    GoTime::from_unix(1_600_000_000, 123)
}

fn config_map() -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([("a".to_owned(), serde_json::json!({ "b": [1, -1, 0.5, "c", null, true] }))])
}
