//! How long commands take to apply (`docs/spec/server-operations.md` §17.4, FSM).

use std::time::Instant;

use serde::Deserialize;
use telemetry::metrics::{self, Sample};
use types::MessageType;
use types::command::IGNORE_UNKNOWN;

/// Metric of each command, and the operations that tell its series apart; none where there is but one.
const COMMANDS: &[(MessageType, &str, &[&str])] = &[
    (MessageType::Register, "fsm.register", &[]),
    (MessageType::Deregister, "fsm.deregister", &[]),
    (MessageType::Kvs, "fsm.kvs", &["set", "delete", "delete-cas", "delete-tree", "cas", "lock", "unlock"]),
    (MessageType::Session, "fsm.session", &["create", "destroy"]),
    (MessageType::Tombstone, "fsm.tombstone", &["reap"]),
    (MessageType::CoordinateBatchUpdate, "fsm.coordinate.batch-update", &[]),
    (MessageType::PreparedQuery, "fsm.prepared-query", &["create", "update", "delete"]),
    (MessageType::Txn, "fsm.txn", &[]),
    (MessageType::Autopilot, "fsm.autopilot", &[]),
    (
        MessageType::ConnectCa,
        "fsm.ca",
        &[
            "set-config",
            "set-roots",
            "set-roots-config",
            "set-provider-state",
            "delete-provider-state",
            "increment-provider-serial",
        ],
    ),
    (MessageType::SystemMetadata, "fsm.system_metadata", &["upsert", "delete"]),
];

/// The samples of all commands, resolved once.
pub(super) struct Timings {
    commands: Vec<Command>,
    persist: Sample,
}

struct Command {
    kind: MessageType,
    samples: Samples,
}

enum Samples {
    One(Sample),
    ByOperation(Vec<(&'static str, Sample)>),
}

/// The part of a command that names its operation.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Operation<'a> {
    #[serde(default, borrow)]
    op: &'a str,
}

impl Timings {
    pub(super) fn new() -> Timings {
        let commands = COMMANDS
            .iter()
            .map(|(kind, name, operations)| Command { kind: *kind, samples: Samples::new(name, operations) });
        Timings { commands: commands.collect(), persist: metrics::sample("fsm.persist") }
    }

    /// Takes the time of one command down. Commands and operations that do not exist are refused, not timed.
    pub(super) fn applied(&self, command: &[u8], start: Instant) {
        if let Some(sample) = self.sample(command) {
            sample.record_since(start);
        }
    }

    /// Times the writing of a snapshot.
    pub(super) fn persist(&self) -> Sample {
        self.persist.clone()
    }

    fn sample(&self, command: &[u8]) -> Option<&Sample> {
        let (type_byte, payload) = command.split_first()?;
        let kind = MessageType::from_number(type_byte & !IGNORE_UNKNOWN)?;
        let command = self.commands.iter().find(|command| command.kind == kind)?;
        match &command.samples {
            Samples::One(sample) => Some(sample),
            Samples::ByOperation(samples) => {
                let found: Operation<'_> = wire::msgpack::from_slice(payload).ok()?;
                samples.iter().find(|(op, _)| *op == found.op).map(|(_, sample)| sample)
            }
        }
    }
}

impl Samples {
    fn new(name: &'static str, operations: &'static [&'static str]) -> Samples {
        if operations.is_empty() {
            return Samples::One(metrics::sample(name));
        }
        let samples = operations.iter().map(|op| (*op, metrics::sample_with(name, &[("op", *op)])));
        Samples::ByOperation(samples.collect())
    }
}

#[cfg(test)]
mod tests {
    use types::command::encode;
    use types::{CaRequest, KvRequest, SessionOp, SessionRequest};

    use super::*;

    /// What the sample of a command is, or nothing.
    fn found(command: &[u8]) -> String {
        Timings::new().sample(command).map(|sample| format!("{sample:?}")).unwrap_or_default()
    }

    fn kv(op: &str) -> Vec<u8> {
        let request = KvRequest { op: op.to_owned(), token: "t".to_owned(), ..KvRequest::default() };
        encode(MessageType::Kvs, &request).unwrap()
    }

    #[test]
    fn a_command_has_the_sample_of_its_kind_and_operation() {
        let session = SessionRequest { op: SessionOp::Destroy, ..SessionRequest::default() };
        let ca = CaRequest { op: "set-roots".to_owned(), ..CaRequest::default() };
        let cases = [
            (kv("set"), "fsm.kvs", "\"set\""),
            (kv("delete-cas"), "fsm.kvs", "\"delete-cas\""),
            (encode(MessageType::Session, &session).unwrap(), "fsm.session", "\"destroy\""),
            (encode(MessageType::ConnectCa, &ca).unwrap(), "fsm.ca", "\"set-roots\""),
            (vec![MessageType::Register as u8, 0xc0], "fsm.register", ""),
            (vec![MessageType::CoordinateBatchUpdate as u8 | IGNORE_UNKNOWN, 0x90], "fsm.coordinate.batch-update", ""),
        ];
        for (command, name, op) in cases {
            let sample = found(&command);
            assert!(sample.contains(&format!("\"{name}\"")) && sample.contains(op), "{name}: {sample}");
        }
    }

    #[test]
    fn what_does_not_exist_is_not_timed() {
        let dance = kv("dance");
        let cases: [&[u8]; 5] = [&[], &[127], &[MessageType::Kvs as u8], &[MessageType::Kvs as u8, 0xff], &dance];
        for command in cases {
            assert_eq!(found(command), "");
        }
    }
}
