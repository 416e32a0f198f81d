//! A log to write tests against: commands are encoded, applied at the next index and published.

#![allow(dead_code, unreachable_pub)]

use serde::Serialize;
use state::{Applied, Effect, Outcome, Store, Writer};
use types::command::{SystemMetadataEntry, SystemMetadataRequest, TombstoneRequest};
use types::connect_ca::ProviderSettings;
use types::txn::{TxnKvOp, TxnRequest};
use types::{
    CaConfiguration, CaProviderState, CaRequest, CaRoot, DeregisterRequest, DirEntry, GoDuration, HealthCheck, Key,
    KvRequest, MessageType, NodeService, PreparedQuery, PreparedQueryRequest, RegisterRequest, Session, SessionOp,
    SessionRequest, TxnOp, TxnResponse,
};

pub struct Log {
    pub writer: Writer,
    pub store: Store,
    pub next: u64,
}

impl Log {
    pub fn new() -> Log {
        let (writer, store) = Writer::new();
        Log { writer, store, next: 1 }
    }

    pub fn apply_only(&mut self, command: &[u8]) -> Applied {
        let applied = self.writer.apply(self.next, command);
        self.next += 1;
        applied
    }

    pub fn apply(&mut self, command: &[u8]) -> Applied {
        let applied = self.apply_only(command);
        self.writer.publish();
        applied
    }

    /// Applies a command that must not be refused.
    pub fn ok(&mut self, command: &[u8]) {
        let applied = self.apply(command);
        assert!(!matches!(applied.outcome, Outcome::Error(_)), "{:?}", applied.outcome);
    }

    /// Applies a command that must be refused; its text.
    pub fn refused(&mut self, command: &[u8]) -> String {
        match self.apply(command).outcome {
            Outcome::Error(text) => text,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn set(&mut self, key: &str, value: &str) -> u64 {
        let applied = self.apply(&kv("set", key, value, 0, ""));
        assert_eq!(applied.outcome, Outcome::Nil);
        applied.index
    }

    pub fn kv(&mut self, op: &str, key: &str, value: &str, modify_index: u64, session: &str) -> Outcome {
        self.apply(&kv(op, key, value, modify_index, session)).outcome
    }

    pub fn deregister(&mut self, node: &str, service_id: &str, check_id: &str) {
        self.ok(&deregister(node, service_id, check_id));
    }

    pub fn session(&mut self, node: &str, behavior: &str, lock_delay_seconds: i64, checks: &[&str]) -> String {
        let id = format!("session-{}", self.next);
        match self.apply(&create_session(&id, node, behavior, lock_delay_seconds, checks)).outcome {
            Outcome::Id(id) => id,
            other => panic!("no session: {other:?}"),
        }
    }

    pub fn destroy(&mut self, id: &str) -> Vec<Effect> {
        self.apply(&destroy_session(id)).effects
    }

    pub fn txn(&mut self, ops: Vec<TxnOp>) -> TxnResponse {
        match self.apply(&txn(ops)).outcome {
            Outcome::Txn(response) => response,
            other => panic!("not a transaction: {other:?}"),
        }
    }

    pub fn reap(&mut self, reap_index: u64) {
        let request = TombstoneRequest { op: "reap".into(), reap_index, ..TombstoneRequest::default() };
        self.ok(&command(MessageType::Tombstone, &request));
    }

    pub fn metadata(&mut self, key: &str, value: &str) {
        let entry = SystemMetadataEntry { key: key.into(), value: value.into(), ..SystemMetadataEntry::default() };
        let request =
            SystemMetadataRequest { op: "upsert".into(), entry: Some(entry), ..SystemMetadataRequest::default() };
        self.ok(&command(MessageType::SystemMetadata, &request));
    }

    pub fn index(&self, row: &str) -> u64 {
        self.store.snapshot().table_index(row)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.writer.snapshot().write_to(&mut bytes).expect("writing to memory");
        bytes
    }
}

pub fn command<T: Serialize>(kind: MessageType, payload: &T) -> Vec<u8> {
    types::command::encode(kind, payload).expect("commands encode")
}

pub fn entry(key: &str, value: &str, modify_index: u64, session: &str) -> DirEntry {
    DirEntry {
        key: Key::from(key),
        value: value.as_bytes().to_vec().into(),
        modify_index,
        session: session.into(),
        ..DirEntry::default()
    }
}

pub fn kv(op: &str, key: &str, value: &str, modify_index: u64, session: &str) -> Vec<u8> {
    let dir_ent = entry(key, value, modify_index, session);
    command(MessageType::Kvs, &KvRequest { op: op.into(), dir_ent, ..KvRequest::default() })
}

pub fn txn_kv(verb: &str, key: &str, value: &str, modify_index: u64, session: &str) -> TxnOp {
    let dir_ent = entry(key, value, modify_index, session);
    TxnOp { kv: Some(TxnKvOp { verb: verb.into(), dir_ent }), ..TxnOp::default() }
}

pub fn txn(ops: Vec<TxnOp>) -> Vec<u8> {
    command(MessageType::Txn, &TxnRequest { ops, ..TxnRequest::default() })
}

pub fn create_session(id: &str, node: &str, behavior: &str, lock_delay_seconds: i64, checks: &[&str]) -> Vec<u8> {
    let session = Session {
        id: id.into(),
        node: node.into(),
        behavior: behavior.into(),
        lock_delay: GoDuration(lock_delay_seconds * 1_000_000_000),
        node_checks: checks.iter().map(|c| (*c).to_owned()).collect(),
        ..Session::default()
    };
    command(MessageType::Session, &SessionRequest { op: SessionOp::Create, session, ..SessionRequest::default() })
}

pub fn destroy_session(id: &str) -> Vec<u8> {
    let session = Session { id: id.into(), ..Session::default() };
    command(MessageType::Session, &SessionRequest { op: SessionOp::Destroy, session, ..SessionRequest::default() })
}

pub fn query(op: &str, query: PreparedQuery) -> Vec<u8> {
    let request = PreparedQueryRequest { op: op.into(), query: Some(query), ..PreparedQueryRequest::default() };
    command(MessageType::PreparedQuery, &request)
}

pub fn register(builder: Registration) -> Vec<u8> {
    command(MessageType::Register, &builder.0)
}

pub fn deregister(node: &str, service_id: &str, check_id: &str) -> Vec<u8> {
    let request = DeregisterRequest {
        node: node.into(),
        service_id: service_id.into(),
        check_id: check_id.into(),
        ..DeregisterRequest::default()
    };
    command(MessageType::Deregister, &request)
}

pub fn ca_request(op: &str) -> CaRequest {
    CaRequest { op: op.into(), ..CaRequest::default() }
}

pub fn ca_config(cluster_id: &str) -> CaConfiguration {
    let config = ProviderSettings([("LeafCertTTL".to_owned(), "72h".into())].into());
    CaConfiguration { cluster_id: cluster_id.into(), provider: "consul".into(), config, ..CaConfiguration::default() }
}

pub fn ca_root(id: &str, active: bool) -> CaRoot {
    CaRoot { id: id.into(), active, root_cert: "cert".into(), ..CaRoot::default() }
}

pub fn ca_state(id: &str, private_key: &str) -> CaProviderState {
    CaProviderState { id: id.into(), private_key: private_key.into(), ..CaProviderState::default() }
}

pub struct Registration(pub RegisterRequest);

pub fn node(name: &str) -> Registration {
    Registration(RegisterRequest { node: name.into(), address: "10.0.0.1".into(), ..RegisterRequest::default() })
}

impl Registration {
    pub fn id(mut self, id: &str) -> Self {
        self.0.id = id.into();
        self
    }

    pub fn address(mut self, address: &str) -> Self {
        self.0.address = address.into();
        self
    }

    pub fn meta(mut self, key: &str, value: &str) -> Self {
        self.0.node_meta.insert(key.into(), value.into());
        self
    }

    pub fn service(mut self, service: NodeServiceBuilder) -> Self {
        self.0.service = Some(service.0);
        self
    }

    pub fn check(mut self, check: CheckBuilder) -> Self {
        let node = self.0.node.clone();
        self.0.checks.push(HealthCheck { node, ..check.0 });
        self
    }
}

pub struct NodeServiceBuilder(pub NodeService);

pub fn service(name: &str) -> NodeServiceBuilder {
    NodeServiceBuilder(NodeService { id: name.into(), service: name.into(), ..NodeService::default() })
}

impl NodeServiceBuilder {
    pub fn id(mut self, id: &str) -> Self {
        self.0.id = id.into();
        self
    }

    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.0.tags = tags.iter().map(|t| (*t).to_owned()).collect();
        self
    }

    pub fn proxy_for(mut self, destination: &str) -> Self {
        self.0.kind = "connect-proxy".into();
        self.0.proxy.destination_service_name = destination.into();
        self
    }

    pub fn native(mut self) -> Self {
        self.0.connect.native = true;
        self
    }
}

pub struct CheckBuilder(pub HealthCheck);

pub fn check(id: &str, status: &str) -> CheckBuilder {
    CheckBuilder(HealthCheck { check_id: id.into(), name: id.into(), status: status.into(), ..HealthCheck::default() })
}

impl CheckBuilder {
    pub fn of(mut self, service_id: &str) -> Self {
        self.0.service_id = service_id.into();
        self
    }
}
