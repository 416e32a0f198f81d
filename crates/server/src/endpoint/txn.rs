//! Transactions: vetted as a whole before anything reaches the log (`docs/spec/http-api.md` §7).

use std::sync::LazyLock;

use state::Outcome;
use telemetry::metrics::{self, Sample};
use types::method::{Indexed, TxnApply, TxnRead, TxnReadReply, TxnReadRequest};
use types::txn::{TxnCheckOp, TxnKvOp, TxnNodeOp, TxnServiceOp};
use types::{KvOp, MessageType, QueryMeta, RpcError, TxnError, TxnOp, TxnRequest, TxnResponse};

use super::catalog::{check_node_id, normalise_service};
use crate::server::{Handle, Server, Shared};

static APPLY: LazyLock<Sample> = LazyLock::new(|| metrics::sample("txn.apply"));
static READ: LazyLock<Sample> = LazyLock::new(|| metrics::sample("txn.read"));

impl Handle<TxnApply> for Server {
    async fn handle(&self, mut request: TxnRequest) -> Result<TxnResponse, RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let _timing = APPLY.timing();
        self.shared.check_leader()?;
        let errors = self.vet(&mut request);
        if !errors.is_empty() {
            return Ok(TxnResponse { errors, ..TxnResponse::default() });
        }
        match self.shared.propose(MessageType::Txn, &request).await? {
            Outcome::Txn(response) => Ok(response),
            Outcome::Error(what) => {
                Ok(TxnResponse { errors: vec![TxnError { op_index: 0, what }], ..TxnResponse::default() })
            }
            other => Err(RpcError::other(format!("unexpected outcome of a transaction: {other:?}"))),
        }
    }
}

impl Handle<TxnRead> for Server {
    async fn handle(&self, request: TxnReadRequest) -> Result<TxnReadReply, RpcError> {
        self.shared.check_datacenter(&request.options.datacenter)?;
        let _timing = READ.timing();
        self.shared.check_consistency(request.options.consistency).await?;
        let mut txn = request.txn;
        let errors = self.vet(&mut txn);
        if !errors.is_empty() {
            return Ok(Indexed { value: TxnResponse { errors, ..TxnResponse::default() }, meta: QueryMeta::default() });
        }
        let value = self.shared.store.snapshot().txn_read(txn.ops);
        // A read-only transaction never blocks and so tells no index but the smallest.
        Ok(Indexed { value, meta: self.shared.meta(1) })
    }
}

impl Server {
    /// Checks every operation and fills what it leaves out; answers all faults.
    fn vet(&self, request: &mut TxnRequest) -> Vec<TxnError> {
        let faults = request.ops.iter_mut().enumerate().filter_map(|(op_index, op)| {
            let fault = vet_op(&self.shared, op).err()?;
            Some(TxnError { op_index, what: fault.to_string() })
        });
        faults.collect()
    }
}

fn vet_op(shared: &Shared, op: &mut TxnOp) -> Result<(), RpcError> {
    if let Some(kv) = &op.kv {
        return vet_kv(shared, kv);
    }
    if let Some(node) = &mut op.node {
        return vet_node(shared, node);
    }
    if let Some(service) = &mut op.service {
        return vet_service(service);
    }
    if let Some(check) = &mut op.check {
        vet_check(check);
        return Ok(());
    }
    Err(RpcError::other("no operation specified"))
}

fn vet_kv(shared: &Shared, op: &TxnKvOp) -> Result<(), RpcError> {
    let verb = KvOp::parse(&op.verb);
    if op.dir_ent.key.is_empty() && verb != Some(KvOp::DeleteTree) {
        return Err(RpcError::other("Must provide key"));
    }
    if verb == Some(KvOp::Lock) && shared.lock_delays.holds(op.dir_ent.key.as_bytes()) {
        let key = &op.dir_ent.key;
        return Err(RpcError::other(format!("failed to lock key \"{key}\" due to lock delay")));
    }
    Ok(())
}

fn vet_node(shared: &Shared, op: &mut TxnNodeOp) -> Result<(), RpcError> {
    if op.verb == "get" {
        return Ok(());
    }
    if op.node.node.is_empty() {
        return Err(RpcError::other("Must provide node"));
    }
    check_node_id(&op.node.id)?;
    if op.node.datacenter.is_empty() {
        op.node.datacenter.clone_from(&shared.config.datacenter);
    }
    Ok(())
}

fn vet_service(op: &mut TxnServiceOp) -> Result<(), RpcError> {
    if op.verb == "get" {
        return Ok(());
    }
    normalise_service(&mut op.service)
}

fn vet_check(op: &mut TxnCheckOp) {
    if op.check.check_id.is_empty() {
        op.check.check_id.clone_from(&op.check.name);
    }
}
