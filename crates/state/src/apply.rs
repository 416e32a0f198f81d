//! Commands of the log: decode, dispatch, answer (`docs/spec/rpc-and-state.md` §5).

use std::time::Duration;

use serde::de::DeserializeOwned;
use types::autopilot::AutopilotSetConfigRequest;
use types::command::{IGNORE_UNKNOWN, RestoreChunk, SystemMetadataRequest, TombstoneRequest};
use types::{
    CaRequest, CoordinateEntry, DeregisterRequest, Key, KvOp, KvRequest, MessageType, PreparedQueryRequest,
    RegisterRequest, SessionOp, SessionRequest, TxnRequest, TxnResponse,
};

use crate::store::Writer;
use crate::table::kv::KvRefusal;

/// What a command answers its proposer.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done; there is nothing to say.
    Nil,
    /// Whether a conditional write took place.
    Bool(bool),
    /// ID of what was created.
    Id(String),
    /// The state's index after a restore.
    Index(u64),
    /// A serial number for a certificate.
    Serial(u64),
    /// Results or errors of a transaction.
    Txn(TxnResponse),
    /// The command was refused and changed nothing; the text is for the caller.
    Error(String),
}

/// What a command asks of those who have a clock; never part of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A session exists now. Its timer, if `ttl` is a positive duration, is the leader's.
    SessionCreated {
        /// ID of the session.
        id: String,
        /// TTL as given, possibly empty.
        ttl: String,
    },
    /// A session is gone, whatever the cause.
    SessionDestroyed {
        /// ID of the session.
        id: String,
    },
    /// A key lost its lock because the session ended: nobody may lock it for this long.
    LockDelay {
        /// The key.
        key: Key,
        /// At most [`crate::LOCK_DELAY_LIMIT`].
        delay: Duration,
    },
    /// Tombstones with this index were written: reap them (command 5) after their time to live.
    Tombstoned {
        /// Index to reap.
        index: u64,
    },
    /// The whole state was replaced.
    Restored,
    /// The log holds something this version cannot apply: the server must stop, else it would diverge
    /// (`docs/spec/rpc-and-state.md` §5).
    Fatal(String),
}

/// The result of one log entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer to the proposer.
    pub outcome: Outcome,
    /// The state's index of this entry.
    pub index: u64,
    /// What is left to do outside of the state, in order.
    pub effects: Vec<Effect>,
}

/// Why a command has no regular answer.
pub(crate) enum Stop {
    /// The proposer is told; the state is unchanged.
    Refused(String),
    /// No server of this version can go on.
    Fatal(String),
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Stop::Refused(text)
    }
}

pub(crate) fn apply(writer: &mut Writer, log_index: u64, command: &[u8]) -> Applied {
    let index = log_index.saturating_add(writer.root.offset);
    let mut effects = Vec::new();
    let outcome = match dispatch(writer, index, command, &mut effects) {
        Ok(outcome) => outcome,
        Err(Stop::Refused(text)) => Outcome::Error(text),
        Err(Stop::Fatal(text)) => {
            effects.push(Effect::Fatal(text.clone()));
            Outcome::Error(text)
        }
    };
    // A restore moves the offset, and with it the index of its own entry.
    let index = log_index.saturating_add(writer.root.offset);
    Applied { outcome, index, effects }
}

fn dispatch(writer: &mut Writer, index: u64, command: &[u8], effects: &mut Vec<Effect>) -> Result<Outcome, Stop> {
    let Some((&type_byte, payload)) = command.split_first() else {
        return Err(Stop::Fatal("empty log entry".to_owned()));
    };
    let number = type_byte & !IGNORE_UNKNOWN;
    let Some(kind) = MessageType::from_number(number) else {
        if type_byte & IGNORE_UNKNOWN != 0 {
            return Ok(Outcome::Nil);
        }
        return Err(Stop::Fatal(format!("failed to apply request: unknown command type {number}")));
    };
    match kind {
        MessageType::Register => {
            let request: RegisterRequest = decode(kind, payload)?;
            writer.change_atomically(index, effects, |tx| tx.register(request))?;
            Ok(Outcome::Nil)
        }
        MessageType::Deregister => {
            let request: DeregisterRequest = decode(kind, payload)?;
            writer.change(index, effects, |tx| tx.deregister(&request));
            Ok(Outcome::Nil)
        }
        MessageType::Kvs => kvs(writer, index, decode(kind, payload)?, effects),
        MessageType::Session => session(writer, index, decode(kind, payload)?, effects),
        MessageType::LegacyAcl => {
            Err(Stop::Refused("legacy ACL command has been removed with the legacy ACL system".to_owned()))
        }
        MessageType::Tombstone => {
            let request: TombstoneRequest = decode(kind, payload)?;
            if request.op != "reap" {
                return Err(Stop::Refused(format!("Invalid Tombstone operation '{}'", request.op)));
            }
            writer.change(index, effects, |tx| tx.reap_tombstones(request.reap_index));
            Ok(Outcome::Nil)
        }
        MessageType::CoordinateBatchUpdate => {
            let updates: Vec<CoordinateEntry> = decode(kind, payload)?;
            writer.change(index, effects, |tx| tx.update_coordinates(updates));
            Ok(Outcome::Nil)
        }
        MessageType::PreparedQuery => prepared_query(writer, index, decode(kind, payload)?, effects),
        MessageType::Txn => {
            let request: TxnRequest = decode(kind, payload)?;
            let answer = writer.change_atomically(index, effects, |tx| tx.run_ops(request.ops));
            Ok(Outcome::Txn(answer.unwrap_or_else(|refused| refused)))
        }
        MessageType::Autopilot => {
            let request: AutopilotSetConfigRequest = decode(kind, payload)?;
            let cas = request.cas;
            let written = writer.change(index, effects, |tx| tx.set_autopilot(request));
            Ok(if cas { Outcome::Bool(written) } else { Outcome::Nil })
        }
        MessageType::ConnectCa => connect_ca(writer, index, decode(kind, payload)?, effects),
        MessageType::SystemMetadata => system_metadata(writer, index, decode(kind, payload)?, effects),
        MessageType::Restore => {
            let chunk: RestoreChunk = decode(kind, payload)?;
            restore(writer, index, chunk, effects)
        }
        other => Err(Stop::Fatal(format!("failed to apply request: command type {number} ({}) is not supported", {
            other.label()
        }))),
    }
}

fn decode<T: DeserializeOwned>(kind: MessageType, payload: &[u8]) -> Result<T, Stop> {
    wire::msgpack::from_slice(payload)
        .map_err(|e| Stop::Fatal(format!("failed to decode request of type {}: {e}", kind.label())))
}

fn kvs(writer: &mut Writer, index: u64, request: KvRequest, effects: &mut Vec<Effect>) -> Result<Outcome, Stop> {
    let entry = request.dir_ent;
    writer.change(index, effects, |tx| match KvOp::parse(&request.op) {
        Some(KvOp::Set) => {
            tx.kv_set(entry);
            Ok(Outcome::Nil)
        }
        Some(KvOp::Delete) => {
            tx.kv_delete(&entry.key);
            Ok(Outcome::Nil)
        }
        Some(KvOp::DeleteCas) => Ok(Outcome::Bool(tx.kv_delete_cas(&entry.key, entry.modify_index))),
        Some(KvOp::DeleteTree) => {
            tx.kv_delete_tree(&entry.key);
            Ok(Outcome::Nil)
        }
        Some(KvOp::Cas) => Ok(Outcome::Bool(tx.kv_cas(entry).is_some())),
        Some(KvOp::Lock) => lock_outcome(tx.kv_lock(entry).map(drop)),
        Some(KvOp::Unlock) => lock_outcome(tx.kv_unlock(entry).map(drop)),
        _ => Err(Stop::Refused(format!("Invalid KVS operation '{}'", request.op))),
    })
}

fn lock_outcome(result: Result<(), KvRefusal>) -> Result<Outcome, Stop> {
    match result {
        Ok(()) => Ok(Outcome::Bool(true)),
        Err(KvRefusal::NotHeld) => Ok(Outcome::Bool(false)),
        Err(refusal) => Err(Stop::Refused(refusal.to_string())),
    }
}

fn session(
    writer: &mut Writer,
    index: u64,
    request: SessionRequest,
    effects: &mut Vec<Effect>,
) -> Result<Outcome, Stop> {
    writer.change(index, effects, |tx| match request.op {
        SessionOp::Create => Ok(Outcome::Id(tx.create_session(request.session)?)),
        SessionOp::Destroy => {
            tx.destroy_session(&request.session.id);
            Ok(Outcome::Nil)
        }
    })
}

fn prepared_query(
    writer: &mut Writer,
    index: u64,
    request: PreparedQueryRequest,
    effects: &mut Vec<Effect>,
) -> Result<Outcome, Stop> {
    let Some(query) = request.query else {
        return Err(Stop::Refused("missing prepared query".to_owned()));
    };
    writer.change(index, effects, |tx| match request.op.as_str() {
        "create" | "update" => {
            tx.set_query(query)?;
            Ok(Outcome::Nil)
        }
        "delete" => {
            tx.delete_query(&query.id);
            Ok(Outcome::Nil)
        }
        op => Err(Stop::Refused(format!("Invalid PreparedQuery operation '{op}'"))),
    })
}

fn connect_ca(writer: &mut Writer, index: u64, request: CaRequest, effects: &mut Vec<Effect>) -> Result<Outcome, Stop> {
    let config = || request.config.ok_or_else(|| "missing CA configuration".to_owned());
    let state = || request.provider_state.ok_or_else(|| "missing CA provider state".to_owned());
    writer.change(index, effects, |tx| match request.op.as_str() {
        "set-config" => {
            let config = config()?;
            let conditional = config.modify_index != 0;
            tx.set_ca_config(config)?;
            Ok(if conditional { Outcome::Bool(true) } else { Outcome::Nil })
        }
        "set-roots" => Ok(Outcome::Bool(tx.set_ca_roots(request.index, request.roots)?)),
        "set-roots-config" => Ok(Outcome::Bool(tx.set_ca_roots_and_config(request.index, request.roots, config()?)?)),
        "set-provider-state" => {
            tx.set_ca_provider_state(state()?);
            Ok(Outcome::Bool(true))
        }
        "delete-provider-state" => {
            tx.delete_ca_provider_state(&state()?.id);
            Ok(Outcome::Bool(true))
        }
        "increment-provider-serial" => Ok(Outcome::Serial(tx.next_ca_serial())),
        op => Err(Stop::Refused(format!("Invalid CA operation '{op}'"))),
    })
}

fn system_metadata(
    writer: &mut Writer,
    index: u64,
    request: SystemMetadataRequest,
    effects: &mut Vec<Effect>,
) -> Result<Outcome, Stop> {
    let Some(entry) = request.entry else {
        return Err(Stop::Refused("missing system metadata entry".to_owned()));
    };
    writer.change(index, effects, |tx| match request.op.as_str() {
        "upsert" => {
            tx.set_metadata(entry)?;
            Ok(Outcome::Nil)
        }
        "delete" => {
            tx.delete_metadata(&entry.key);
            Ok(Outcome::Nil)
        }
        op => Err(Stop::Refused(format!("Invalid SystemMetadata operation '{op}'"))),
    })
}

fn restore(writer: &mut Writer, index: u64, chunk: RestoreChunk, effects: &mut Vec<Effect>) -> Result<Outcome, Stop> {
    let Some(parts) = writer.root.chunks.accept(chunk).map_err(Stop::Refused)? else {
        return Ok(Outcome::Nil);
    };
    let (mut root, highest) = crate::restore::archive(&mut parts.reader())
        .map_err(|e| Stop::Refused(format!("failed to restore snapshot: {e}")))?;
    let log_index = index - writer.root.offset;
    let index = index.max(highest).saturating_add(1);
    root.offset = index.saturating_sub(log_index);
    root.generation = writer.root.generation + 1;
    writer.root = root;
    writer.touched = crate::watch::Touched::everything();
    effects.push(Effect::Restored);
    Ok(Outcome::Index(index))
}
