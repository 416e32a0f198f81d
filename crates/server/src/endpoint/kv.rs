//! Keys and values.

use std::sync::{Arc, LazyLock};

use state::{Outcome, Topic};
use telemetry::metrics::{self, Sample};
use types::method::{Indexed, KeyListRequest, KeyRequest, KvApply, KvGet, KvList, KvListKeys};
use types::{DirEntry, Key, KvOp, KvRequest, MessageType, RpcError};

use crate::server::{Handle, Server};
use crate::write::checked;

const APPLY_FAILED: &str = "raft apply failed: ";

static APPLY: LazyLock<Sample> = LazyLock::new(|| metrics::sample("kvs.apply"));

impl Handle<KvApply> for Server {
    async fn handle(&self, request: KvRequest) -> Result<bool, RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let _timing = APPLY.timing();
        let op = KvOp::parse(&request.op);
        if request.dir_ent.key.is_empty() && op != Some(KvOp::DeleteTree) {
            return Err(RpcError::other("Must provide key"));
        }
        if op == Some(KvOp::Lock) {
            self.shared.check_leader()?;
            if self.shared.lock_delays.holds(request.dir_ent.key.as_bytes()) {
                return Ok(false);
            }
        }
        let outcome = self.shared.propose(MessageType::Kvs, &request).await?;
        match checked(outcome, APPLY_FAILED)? {
            Outcome::Bool(done) => Ok(done),
            _ => Ok(true),
        }
    }
}

impl Handle<KvGet> for Server {
    async fn handle(&self, request: KeyRequest) -> Result<Indexed<Option<Arc<DirEntry>>>, RpcError> {
        let key = request.key.as_bytes();
        self.shared.read(&request.options, || vec![Topic::key(key)], |s| s.kv_get(key)).await
    }
}

impl Handle<KvList> for Server {
    async fn handle(&self, request: KeyRequest) -> Result<Indexed<Vec<Arc<DirEntry>>>, RpcError> {
        let prefix = request.key.as_bytes();
        let topics = || vec![self.shared.store.snapshot().kv_list_topic(prefix)];
        self.shared.read(&request.options, topics, |s| s.kv_list(prefix)).await
    }
}

impl Handle<KvListKeys> for Server {
    async fn handle(&self, request: KeyListRequest) -> Result<Indexed<Vec<Key>>, RpcError> {
        let prefix = request.prefix.as_bytes();
        let separator = request.separator.as_slice();
        let topics = || vec![self.shared.store.snapshot().kv_list_topic(prefix)];
        self.shared.read(&request.options, topics, |s| s.kv_keys(prefix, separator)).await
    }
}
