//! Keys, sessions, transactions, prepared queries.

use std::sync::Arc;

use bytes::Bytes;
use wire::GoDuration;

use super::catalog::{check, checked_instance, node, service};
use super::{meta, options, source, strings, words};
use crate::method::{KeyListRequest, KeyRequest, QueryExecuteReply, QueryExecuteRequest, SessionSpecificRequest};
use crate::prepared_query::{QueryDns, QueryFailover, QueryFailoverTarget, QueryTemplate, ServiceQuery};
use crate::txn::{TxnCheckOp, TxnKvOp, TxnNodeOp, TxnServiceOp};
use crate::{
    DirEntry, Key, KvRequest, PreparedQuery, PreparedQueryRequest, QuerySource, ServiceCheckRef, Session, SessionOp,
    SessionRequest, TxnError, TxnOp, TxnRequest, TxnResponse, TxnResult,
};

pub(super) fn key_request() -> KeyRequest {
    KeyRequest { key: Key::from(&b"a\xff"[..]), options: options() }
}

pub(super) fn key_list_request() -> KeyListRequest {
    KeyListRequest { prefix: "a".into(), separator: b"/".to_vec(), options: options() }
}

pub(super) fn session_specific() -> SessionSpecificRequest {
    SessionSpecificRequest { session_id: "s".into(), options: options() }
}

pub(super) fn execute_request() -> QueryExecuteRequest {
    QueryExecuteRequest {
        query_id_or_name: "q".into(),
        limit: -1,
        connect: true,
        source: source(),
        agent: QuerySource { node: "n2".into(), ..source() },
        source_ip: "10.0.0.9".into(),
        options: options(),
    }
}

pub(super) fn dir_entry() -> DirEntry {
    DirEntry {
        lock_index: 1,
        key: "k".into(),
        flags: u64::MAX,
        value: Bytes::from_static(b"\x00\xff"),
        session: "s".into(),
        create_index: 2,
        modify_index: 3,
    }
}

pub(super) fn entry() -> Arc<DirEntry> {
    Arc::new(dir_entry())
}

pub(super) fn kv_request() -> KvRequest {
    KvRequest { datacenter: "dc2".into(), op: "cas".into(), dir_ent: dir_entry(), token: "t".into() }
}

pub(super) fn session() -> Session {
    Session {
        id: "s".into(),
        name: "lock".into(),
        node: "n1".into(),
        lock_delay: GoDuration::from_secs(15),
        behavior: "delete".into(),
        ttl: "10s".into(),
        node_checks: words(),
        service_checks: vec![ServiceCheckRef { id: "c".into(), namespace: "ns".into() }],
        checks: words(),
        create_index: 2,
        modify_index: 3,
    }
}

pub(super) fn session_request() -> SessionRequest {
    SessionRequest { datacenter: "dc2".into(), op: SessionOp::Destroy, session: session(), token: "t".into() }
}

/// The read takes its datacenter and token from its options: they are the same here.
pub(super) fn txn_request() -> TxnRequest {
    let ops = vec![
        TxnOp { kv: Some(TxnKvOp { verb: "get".into(), dir_ent: dir_entry() }), ..TxnOp::default() },
        TxnOp { node: Some(TxnNodeOp { verb: "get".into(), node: node() }), ..TxnOp::default() },
        TxnOp {
            service: Some(TxnServiceOp { verb: "get".into(), node: "n1".into(), service: service() }),
            ..TxnOp::default()
        },
        TxnOp { check: Some(TxnCheckOp { verb: "get".into(), check: check() }), ..TxnOp::default() },
    ];
    TxnRequest { datacenter: "dc2".into(), ops, token: "t".into() }
}

pub(super) fn txn_response() -> TxnResponse {
    let results = vec![
        TxnResult { kv: Some(entry()), ..TxnResult::default() },
        TxnResult { node: Some(node().into()), ..TxnResult::default() },
        TxnResult { service: Some(service().into()), ..TxnResult::default() },
        TxnResult { check: Some(check().into()), ..TxnResult::default() },
    ];
    TxnResponse { results, errors: vec![TxnError { op_index: 2, what: "w".into() }] }
}

pub(super) fn query() -> PreparedQuery {
    PreparedQuery {
        id: "q".into(),
        name: "near".into(),
        session: "s".into(),
        token: "t".into(),
        template: QueryTemplate { r#type: "name_prefix_match".into(), regexp: ".".into(), remove_empty_tags: true },
        service: ServiceQuery {
            service: "web".into(),
            failover: QueryFailover {
                nearest_n: 2,
                datacenters: words(),
                targets: vec![QueryFailoverTarget { peer: "far".into(), datacenter: "dc3".into() }],
            },
            only_passing: true,
            ignore_check_ids: words(),
            near: "_agent".into(),
            tags: words(),
            node_meta: strings(),
            service_meta: strings(),
            connect: true,
            peer: "far".into(),
        },
        dns: QueryDns { ttl: "10s".into() },
        create_index: 2,
        modify_index: 3,
    }
}

pub(super) fn query_request() -> PreparedQueryRequest {
    PreparedQueryRequest { datacenter: "dc2".into(), op: "update".into(), query: Some(query()), token: "t".into() }
}

pub(super) fn execute_reply() -> QueryExecuteReply {
    QueryExecuteReply {
        service: "web".into(),
        nodes: vec![checked_instance()],
        dns: QueryDns { ttl: "10s".into() },
        datacenter: "dc3".into(),
        peer_name: "far".into(),
        failovers: 2,
        meta: meta(),
    }
}
