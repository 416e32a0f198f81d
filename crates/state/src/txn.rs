//! Transactions: all operations or none (`docs/spec/http-api.md` §7, `docs/spec/rpc-and-state.md` §7.2).

use std::fmt::Write;
use std::sync::Arc;

use types::txn::{TxnCheckOp, TxnKvOp, TxnNodeOp, TxnServiceOp};
use types::{DirEntry, Key, KvOp, Node, TxnError, TxnOp, TxnResponse, TxnResult};

use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::kv::KvRefusal;
use crate::watch::Touched;

/// What an operation yields: usually nothing or one result.
type OpResult = Result<Vec<TxnResult>, String>;

impl Tx<'_> {
    /// Runs every operation, each on what the earlier ones left, and reports every failure; after one the caller drops
    /// the changes. The error variant is the answer of a transaction that failed.
    pub(crate) fn run_ops(&mut self, ops: Vec<TxnOp>) -> Result<TxnResponse, TxnResponse> {
        let mut answer = TxnResponse::default();
        for (op_index, op) in ops.into_iter().enumerate() {
            match self.run_op(op) {
                Ok(results) => answer.results.extend(results),
                Err(what) => answer.errors.push(TxnError { op_index, what }),
            }
        }
        if answer.errors.is_empty() {
            return Ok(answer);
        }
        answer.results.clear();
        Err(answer)
    }

    fn run_op(&mut self, op: TxnOp) -> OpResult {
        if let Some(kv) = op.kv {
            return self.kv_op(kv);
        }
        if let Some(node) = op.node {
            return self.node_op(node);
        }
        if let Some(service) = op.service {
            return self.service_op(service);
        }
        if let Some(check) = op.check {
            return self.check_op(check);
        }
        Err("no operation specified".to_owned())
    }

    fn kv_op(&mut self, op: TxnKvOp) -> OpResult {
        let entry = op.dir_ent;
        let key = entry.key.clone();
        let name = || quoted(&key);
        let stored = self.root.kv.get(key.as_bytes()).cloned();
        let Some(verb) = KvOp::parse(&op.verb) else { return Err(unknown_verb("KV", &op.verb)) };
        let written = match verb {
            KvOp::Set => self.kv_set(entry),
            KvOp::Cas => self.kv_cas(entry).ok_or_else(|| format!("failed to set key {}, index is stale", name()))?,
            KvOp::Lock => self.kv_lock(entry).map_err(|refusal| match refusal {
                KvRefusal::NotHeld => format!("failed to lock key {}, lock is already held", name()),
                other => other.to_string(),
            })?,
            KvOp::Unlock => self.kv_unlock(entry).map_err(|refusal| match refusal {
                KvRefusal::NotHeld => {
                    format!("failed to unlock key {}, lock isn't held, or is held by another session", name())
                }
                other => other.to_string(),
            })?,
            KvOp::Delete => {
                self.kv_delete(&key);
                return Ok(Vec::new());
            }
            KvOp::DeleteTree => {
                self.kv_delete_tree(&key);
                return Ok(Vec::new());
            }
            KvOp::DeleteCas => {
                if self.kv_delete_cas(&key, entry.modify_index) {
                    return Ok(Vec::new());
                }
                return Err(format!("failed to delete key {}, index is stale", name()));
            }
            KvOp::Get => {
                return Ok(vec![kv_result(stored.ok_or_else(|| format!("key {} doesn't exist", name()))?)]);
            }
            KvOp::GetOrEmpty => {
                return Ok(vec![stored.map_or_else(|| without_value(&entry), kv_result)]);
            }
            KvOp::GetTree => {
                return Ok(self.root.kv.under(key.as_bytes()).map(|entry| kv_result(Arc::clone(entry))).collect());
            }
            KvOp::CheckSession => {
                let missing = || format!("failed to check session, key {} doesn't exist", name());
                let stored = stored.ok_or_else(missing)?;
                if stored.session != entry.session {
                    let (current, wanted) =
                        (wire::quote::go_quote(&stored.session), wire::quote::go_quote(&entry.session));
                    return Err(format!(
                        "failed session check for key {}, current session {current} != {wanted}",
                        name()
                    ));
                }
                stored
            }
            KvOp::CheckIndex => {
                let stored = stored.ok_or_else(|| format!("failed to check index, key {} doesn't exist", name()))?;
                if stored.modify_index != entry.modify_index {
                    return Err(format!(
                        "failed index check for key {}, current modify index {} != {}",
                        name(),
                        stored.modify_index,
                        entry.modify_index
                    ));
                }
                stored
            }
            KvOp::CheckNotExists => {
                return if stored.is_some() { Err(format!("key {} exists", name())) } else { Ok(Vec::new()) };
            }
            KvOp::None => return Err(unknown_verb("KV", &op.verb)),
        };
        Ok(vec![without_value(&written)])
    }

    fn node_op(&mut self, op: TxnNodeOp) -> OpResult {
        let node = op.node;
        let wanted = Node { id: node.id.clone(), node: node.node.clone(), ..Node::default() };
        let (peer, modify_index) = (node.peer_name.clone(), node.modify_index);
        let name = wire::quote::go_quote(&wanted.node);
        match op.verb.as_str() {
            "get" => {
                if self.find_node(&peer, &wanted).is_none() {
                    return Err(format!("node {name} doesn't exist"));
                }
            }
            "set" => self.set_node(node)?,
            "cas" => {
                if !self.cas_node(node)? {
                    return Err(format!("failed to set node {name}, index is stale"));
                }
            }
            "delete" => {
                self.delete_node(&peer, &wanted.node);
                return Ok(Vec::new());
            }
            "delete-cas" => {
                if self.delete_node_cas(&peer, &wanted.node, modify_index) {
                    return Ok(Vec::new());
                }
                return Err(format!("failed to delete node {name}, index is stale"));
            }
            verb => return Err(unknown_verb("Node", verb)),
        }
        let found = self.find_node(&peer, &wanted);
        Ok(found.into_iter().map(|node| TxnResult { node: Some(node), ..TxnResult::default() }).collect())
    }

    fn find_node(&self, peer: &str, wanted: &Node) -> Option<Arc<Node>> {
        let nodes = &self.root.nodes;
        if wanted.id.is_empty() { nodes.get(peer, &wanted.node) } else { nodes.by_id(peer, &wanted.id) }.cloned()
    }

    fn service_op(&mut self, op: TxnServiceOp) -> OpResult {
        let (node, service) = (op.node, op.service);
        let (peer, id, modify_index) = (service.peer_name.clone(), service.id.clone(), service.modify_index);
        let name = || format!("service {} on node {}", wire::quote::go_quote(&id), wire::quote::go_quote(&node));
        match op.verb.as_str() {
            "get" => {
                if self.root.services.get(&peer, &node, &id).is_none() {
                    return Err(format!("{} doesn't exist", name()));
                }
            }
            "set" => self.set_service(&node, service)?,
            "cas" => {
                if !self.cas_service(&node, service)? {
                    return Err(format!("failed to set {}, index is stale", name()));
                }
            }
            "delete" => {
                self.delete_service(&peer, &node, &id);
                return Ok(Vec::new());
            }
            "delete-cas" => {
                if self.delete_service_cas(&peer, &node, &id, modify_index) {
                    return Ok(Vec::new());
                }
                return Err(format!("failed to delete {}, index is stale", name()));
            }
            verb => return Err(unknown_verb("Service", verb)),
        }
        let found = self.root.services.get(&peer, &node, &id).cloned();
        Ok(found.into_iter().map(|service| TxnResult { service: Some(service), ..TxnResult::default() }).collect())
    }

    fn check_op(&mut self, op: TxnCheckOp) -> OpResult {
        let check = op.check;
        let (peer, node, id) = (check.peer_name.clone(), check.node.clone(), check.check_id.clone());
        let modify_index = check.modify_index;
        let name = || format!("check {} on node {}", wire::quote::go_quote(&id), wire::quote::go_quote(&node));
        match op.verb.as_str() {
            "get" => {
                if self.root.checks.get(&peer, &node, &id).is_none() {
                    return Err(format!("{} doesn't exist", name()));
                }
            }
            "set" => self.set_check(check)?,
            "cas" => {
                if !self.cas_check(check)? {
                    return Err(format!("failed to set {}, index is stale", name()));
                }
            }
            "delete" => {
                self.delete_check(&peer, &node, &id);
                return Ok(Vec::new());
            }
            "delete-cas" => {
                if self.delete_check_cas(&peer, &node, &id, modify_index) {
                    return Ok(Vec::new());
                }
                return Err(format!("failed to delete {}, index is stale", name()));
            }
            verb => return Err(unknown_verb("Check", verb)),
        }
        let found = self.root.checks.get(&peer, &node, &id).cloned();
        Ok(found.into_iter().map(|check| TxnResult { check: Some(check), ..TxnResult::default() }).collect())
    }
}

fn kv_result(entry: Arc<DirEntry>) -> TxnResult {
    TxnResult { kv: Some(entry), ..TxnResult::default() }
}

fn without_value(entry: &DirEntry) -> TxnResult {
    let DirEntry { lock_index, key, flags, value: _, session, create_index, modify_index } = entry;
    kv_result(Arc::new(DirEntry {
        lock_index: *lock_index,
        key: key.clone(),
        flags: *flags,
        value: bytes::Bytes::new(),
        session: session.clone(),
        create_index: *create_index,
        modify_index: *modify_index,
    }))
}

fn unknown_verb(kind: &str, verb: &str) -> String {
    format!("unknown {kind} verb {}", wire::quote::go_quote(verb))
}

/// A key in double quotes as Go's `%q` writes it; bytes that are no UTF-8 become `\x..`.
fn quoted(key: &Key) -> String {
    let mut text = String::from('"');
    for chunk in key.as_bytes().utf8_chunks() {
        let valid = wire::quote::go_quote(chunk.valid());
        text.push_str(&valid[1..valid.len() - 1]);
        for byte in chunk.invalid() {
            let written = write!(text, "\\x{byte:02x}");
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
        }
    }
    text.push('"');
    text
}

/// Reads in transactions.
impl Snapshot {
    /// Runs operations that only read. One that would write fails, and with it the transaction.
    pub fn txn_read(&self, ops: Vec<TxnOp>) -> TxnResponse {
        let mut errors = Vec::new();
        for (op_index, op) in ops.iter().enumerate() {
            if writes(op) {
                errors.push(TxnError { op_index, what: "cannot write in a read-only transaction".to_owned() });
            }
        }
        if !errors.is_empty() {
            return TxnResponse { results: Vec::new(), errors };
        }
        let mut scratch = self.root.as_ref().clone();
        let (mut touched, mut effects) = (Touched::default(), Vec::new());
        let mut tx =
            Tx { root: &mut scratch, index: 0, restoring: false, touched: &mut touched, effects: &mut effects };
        tx.run_ops(ops).unwrap_or_else(|failed| failed)
    }
}

fn writes(op: &TxnOp) -> bool {
    let catalog_verb = |verb: &str| matches!(verb, "set" | "cas" | "delete" | "delete-cas");
    op.kv.as_ref().is_some_and(|kv| KvOp::parse(&kv.verb).is_some_and(KvOp::is_write))
        || op.node.as_ref().is_some_and(|node| catalog_verb(&node.verb))
        || op.service.as_ref().is_some_and(|service| catalog_verb(&service.verb))
        || op.check.as_ref().is_some_and(|check| catalog_verb(&check.verb))
}
