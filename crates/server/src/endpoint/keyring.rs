//! The keys that gossip is encrypted with (`docs/spec/gossip.md` §15).

use std::collections::BTreeMap;

use gossip::{KeyOperation, KeyReply};
use types::RpcError;
use types::method::{InternalKeyringOperation, KeyringRequest, KeyringResponse};
use wire::json::base64_bytes::{self, IllegalBase64};

use crate::server::{Handle, Server};

/// Most members that may pass an answer on as well.
const RELAY_FACTOR_MAX: u8 = 5;
/// The operation without a key.
const LIST: &str = "list";

impl Handle<InternalKeyringOperation> for Server {
    /// Runs the operation in every pool of this server; what went wrong in one stands in its answer.
    async fn handle(&self, request: KeyringRequest) -> Result<Vec<KeyringResponse>, RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        if request.relay_factor > RELAY_FACTOR_MAX {
            return Err(RpcError::other(format!("Relay factor must be in range: [0, {RELAY_FACTOR_MAX}]")));
        }
        if request.local_only && request.operation != LIST {
            return Err(RpcError::other("local-only can only be set for list requests"));
        }
        let (lan, wan) = (self.shared.members.lan(), self.shared.members.wan());
        // Who forwards it, or asks for this datacenter alone, does not mean the servers of the others.
        let wan = wan.filter(|_| !request.local_only && !request.forwarded);
        let pools = wan.map(|pool| (pool, true)).into_iter().chain([(lan, false)]);
        let mut answers = Vec::with_capacity(2);
        for (pool, wan) in pools {
            let answer = match operation(&request)? {
                Ok(operation) => pool.keys(operation, request.relay_factor).await,
                Err(fault) => Err(fault.to_string()),
            };
            let answer = answer.map_or_else(refused, shown);
            answers.push(KeyringResponse { wan, datacenter: self.shared.config.datacenter.clone(), ..answer });
        }
        Ok(answers)
    }
}

/// The operation asked for, or what is wrong with its key.
fn operation(request: &KeyringRequest) -> Result<Result<KeyOperation, IllegalBase64>, RpcError> {
    let with_key: fn(Vec<u8>) -> KeyOperation = match request.operation.as_str() {
        LIST => return Ok(Ok(KeyOperation::List)),
        "install" => KeyOperation::Install,
        "use" => KeyOperation::Use,
        "remove" => KeyOperation::Remove,
        other => return Err(RpcError::other(format!("Invalid keyring operation: {other:?}"))),
    };
    Ok(base64_bytes::decode(request.key.as_bytes()).map(with_key))
}

fn shown(reply: KeyReply) -> KeyringResponse {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let counts = |keys: BTreeMap<String, usize>| keys.into_iter().map(|(key, n)| (key, count(n))).collect();
    KeyringResponse {
        messages: reply.messages,
        keys: counts(reply.keys),
        primary_keys: counts(reply.primary_keys),
        num_nodes: count(reply.nodes),
        error: reply.error.unwrap_or_default(),
        ..KeyringResponse::default()
    }
}

fn refused(error: String) -> KeyringResponse {
    KeyringResponse { error, ..KeyringResponse::default() }
}
