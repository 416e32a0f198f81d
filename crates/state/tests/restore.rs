//! Writing the state out and reading it back, by Raft and by the log (`docs/spec/rpc-and-state.md` §6.4, §6.5).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Log, ca_config, ca_request, ca_root, ca_state, check, command, node, query, register, service};
use serde::Serialize;
use state::{Effect, Outcome, RestoreError, Topic};
use types::command::RestoreChunk;
use types::{
    AutopilotConfig, CaConfiguration, CaRequest, Coordinate, CoordinateEntry, DirEntry, MessageType, PreparedQuery,
    RegisterRequest,
};

/// A log with a row in every table.
fn full() -> Log {
    let mut log = Log::new();
    log.metadata("virtual-ips", "true");
    log.ok(&register(node("n1").id("11111111-2222-3333-4444-555555555555").meta("rack", "1")));
    log.ok(&register(node("n1").service(service("web").tags(&["a"])).check(check("up", "passing").of("web"))));
    log.ok(&register(node("N2").service(service("proxy").proxy_for("web")).check(check("Disk", "warning"))));
    log.ok(&register(node("n3").service(service("gone").native())));
    log.deregister("n3", "gone", "");
    let coordinate = CoordinateEntry { node: "n1".into(), segment: String::new(), coord: Some(Coordinate::origin()) };
    log.ok(&command(MessageType::CoordinateBatchUpdate, &[coordinate]));
    let session = log.session("n1", "release", 15, &[]);
    log.kv("lock", "a/held", "v", 0, &session);
    log.set("a/b", "");
    log.set("a/c", "x");
    log.kv("delete", "a/c", "", 0, "");
    log.ok(&query("create", PreparedQuery { id: "q".into(), name: "q".into(), session, ..PreparedQuery::default() }));
    let autopilot = types::autopilot::AutopilotSetConfigRequest::default();
    log.ok(&command(MessageType::Autopilot, &autopilot));
    let provider_state = Some(ca_state("state", "key"));
    let authority = [
        CaRequest { config: Some(ca_config("cluster")), ..ca_request("set-config") },
        CaRequest { roots: vec![ca_root("a", true), ca_root("b", false)], ..ca_request("set-roots") },
        CaRequest { provider_state, ..ca_request("set-provider-state") },
        ca_request("increment-provider-serial"),
    ];
    for request in authority {
        log.ok(&command(MessageType::ConnectCa, &request));
    }
    log.ok(&command(MessageType::Restore, &chunk(7, 0, 2, b"half")));
    log
}

fn chunk(id: u64, sequence: u32, chunks: u32, data: &[u8]) -> RestoreChunk {
    RestoreChunk { id, sequence, chunks, data: data.to_vec().into() }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    last_index: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    key: &'static str,
    value: u64,
}

/// A `state.bin` made by hand.
struct Archive(Vec<u8>);

impl Archive {
    fn new(last_index: u64) -> Archive {
        Archive(wire::msgpack::to_vec(&Header { last_index }).unwrap())
    }

    fn with<T: Serialize>(mut self, kind: u8, value: &T) -> Archive {
        self.0.push(kind);
        wire::msgpack::to_writer(&mut self.0, value).unwrap();
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Archive {
        self.0.extend_from_slice(bytes);
        self
    }

    fn restore(&self) -> Result<Log, RestoreError> {
        let mut log = Log::new();
        log.writer.restore(&mut self.0.as_slice()).map(|()| log)
    }
}

#[test]
fn a_restored_state_writes_the_same_bytes() {
    let bytes = full().bytes();
    let mut other = Log::new();
    other.writer.restore(&mut bytes.as_slice()).unwrap();
    assert_eq!(other.bytes(), bytes);
}

#[test]
fn a_restored_state_goes_on_like_the_one_it_was_taken_from() {
    let mut log = full();
    let mut other = Log::new();
    other.writer.restore(&mut log.bytes().as_slice()).unwrap();
    other.next = log.next;
    for log in [&mut log, &mut other] {
        log.ok(&register(node("n1").service(service("web").tags(&["b"]))));
        log.ok(&register(node("n3").service(service("native").native())));
        log.deregister("n2", "", "");
        log.deregister("n1", "", "");
        log.set("z", "1");
    }
    assert_eq!(log.bytes(), other.bytes());
    assert_eq!(log.store.snapshot().usage(), other.store.snapshot().usage());
}

#[test]
fn an_authority_s_configuration_without_a_provider_is_left_out() {
    let log = Archive::new(5).with(15, &CaConfiguration::default()).restore().unwrap();
    assert_eq!(log.store.snapshot().ca_config(), (0, None));
}

#[test]
fn a_serial_number_is_no_index_of_the_restored_state() {
    let archive = Archive::new(5).with(16, &Row { key: "connect-ca-builtin-serial", value: 1_000 });
    let mut log = Log::new();
    let applied = log.apply(&command(MessageType::Restore, &chunk(1, 0, 1, &archive.0)));
    assert_eq!(applied.outcome, Outcome::Index(6));
    assert_eq!(log.index("connect-ca-builtin-serial"), 1_000);
}

#[test]
fn records_without_a_table_are_kept_in_their_place() {
    let entry = DirEntry { key: "k".into(), modify_index: 5, create_index: 5, ..DirEntry::default() };
    let archive = Archive::new(5)
        .with(17, &"token 1")
        .with(17, &"token 2")
        .with(19, &"policy")
        .with(2, &entry)
        .with(12, &"intention")
        .with(22, &"config entry")
        .with(16, &Row { key: "acl-tokens", value: 3 })
        .with(16, &Row { key: "kvs", value: 5 })
        .with(35, &"peering")
        .raw(b"\x1d\x81\xa8ChunkMap\x80");
    let log = archive.restore().unwrap();
    assert_eq!(log.bytes(), archive.0);
    assert_eq!(log.index("acl-tokens"), 3);
}

#[test]
fn records_that_do_not_belong_in_a_snapshot_are_named() {
    let cases = [
        (64, "msg type <64> is a Consul Enterprise log entry. Consul OSS cannot restore it"),
        (120, "msg type <120> is a Consul Enterprise log entry. Consul OSS cannot restore it"),
        (1, "Unrecognized msg type 1"),
        (34, "Unrecognized msg type 34"),
        (50, "Unrecognized msg type 50"),
    ];
    for (kind, text) in cases {
        let refused = Archive::new(1).with(kind, &"x").restore().err().unwrap();
        assert_eq!(refused.to_string(), text);
    }
}

#[test]
fn a_truncated_or_wrong_record_leaves_the_state_as_it_was() {
    let archive = full().bytes();
    for bytes in [&archive[..archive.len() - 1], &archive[..archive.len() / 2], b"\x2a", b""] {
        let mut log = Log::new();
        log.set("mine", "1");
        let before = log.bytes();
        assert!(log.writer.restore(&mut &bytes[..]).is_err());
        assert_eq!(log.bytes(), before);
    }
}

#[test]
fn rows_of_an_old_snapshot_without_peer_names_come_from_the_registrations() {
    let request = RegisterRequest { node: "n1".into(), create_index: 3, modify_index: 4, ..RegisterRequest::default() };
    let archive = Archive::new(9).with(0, &request).with(16, &Row { key: "nodes", value: 9 });
    let log = archive.restore().unwrap();
    assert_eq!((log.index("nodes"), log.index("peer.~:nodes"), log.index("peer.~:node.n1")), (9, 4, 4));
}

#[test]
fn older_shapes_of_virtual_ips_and_the_acl_bootstrap_are_read() {
    let archive = Archive::new(9)
        .raw(b"\x20\x82\xa7Service\x81\xa4Name\xa3web\xa2IP\xa4\x00\x00\x00\x07")
        .raw(b"\x0b\x82\xaeAllowBootstrap\xc2\xabModifyIndex\x05");
    let log = archive.restore().unwrap();
    let (_, ip) = log.store.snapshot().virtual_ip("", "web");
    assert_eq!(ip.unwrap().to_string(), "240.0.0.7");
    assert_eq!(log.index("acl-token-bootstrap"), 5);
}

#[test]
fn no_virtual_ip_is_assigned_while_registrations_are_restored() {
    let mut request = RegisterRequest { node: "n1".into(), ..RegisterRequest::default() };
    request.service = Some(service("web").native().0);
    let log = Archive::new(2).with(0, &request).restore().unwrap();
    assert_eq!(log.store.snapshot().virtual_ip("", "web").1, None);
}

#[test]
fn a_restore_by_the_log_replaces_everything_and_jumps_past_every_index_in_it() {
    let source = full();
    let bytes = {
        let mut source = Log::new();
        source.next = 1000;
        source.set("theirs", "1");
        source.bytes()
    };
    drop(source);
    let mut log = Log::new();
    log.set("mine", "1");
    let half = bytes.len() / 2;
    let first = log.apply(&command(MessageType::Restore, &chunk(1, 0, 2, &bytes[..half])));
    assert_eq!((first.outcome, first.effects), (Outcome::Nil, vec![]));
    let last = log.apply(&command(MessageType::Restore, &chunk(1, 1, 2, &bytes[half..])));
    assert_eq!((last.outcome, last.index), (Outcome::Index(1001), 1001));
    assert_eq!(last.effects, [Effect::Restored]);
    let snapshot = log.store.snapshot();
    assert!(snapshot.kv_get(b"mine").1.is_none());
    assert_eq!(snapshot.kv_get(b"theirs").0, 1000);
    assert_eq!(log.next, 4);
    assert_eq!(log.set("next", "1"), 1002, "the log's entry 4");
}

#[test]
fn the_offset_survives_a_raft_snapshot_but_not_an_archive() {
    let mut source = Log::new();
    source.next = 1000;
    source.set("theirs", "1");
    let mut log = Log::new();
    log.ok(&command(MessageType::Restore, &chunk(1, 0, 1, &source.bytes())));
    let bytes = log.bytes();

    let mut follower = Log::new();
    follower.writer.restore(&mut bytes.as_slice()).unwrap();
    follower.next = log.next;
    assert_eq!(follower.set("k", "1"), log.set("k", "1"));
    assert_eq!(follower.bytes(), log.bytes());

    let mut elsewhere = Log::new();
    elsewhere.ok(&command(MessageType::Restore, &chunk(1, 0, 1, &bytes)));
    assert_eq!(elsewhere.set("k", "1"), 1002, "one past the highest index in the archive");
}

#[test]
fn a_restore_of_older_data_still_moves_forward() {
    let archive = {
        let mut source = Log::new();
        source.set("theirs", "1");
        source.bytes()
    };
    let mut log = Log::new();
    log.next = 50;
    let applied = log.apply(&command(MessageType::Restore, &chunk(1, 0, 1, &archive)));
    assert_eq!(applied.index, 51);
}

#[test]
fn a_bad_archive_in_the_log_is_refused_and_changes_nothing() {
    let mut log = full();
    log.next = 100;
    let before = log.store.snapshot();
    let waiting = log.store.watch([Topic::nodes("")]);
    let text = log.refused(&command(MessageType::Restore, &chunk(9, 0, 1, b"\x80\x63\xc0")));
    assert_eq!(
        text,
        "failed to restore snapshot: msg type <99> is a Consul Enterprise log entry. Consul OSS cannot restore it"
    );
    assert_eq!(log.store.snapshot().nodes("", &Default::default()), before.nodes("", &Default::default()));
    assert_eq!(log.store.snapshot().index_offset(), 0);
    drop(waiting);
}

#[test]
fn parts_must_come_in_order() {
    for (parts, text) in [
        (vec![chunk(1, 1, 2, b"")], "restore part 1 of 2 came without the parts before it"),
        (vec![chunk(1, 0, 3, b""), chunk(1, 2, 3, b"")], "restore part 2 of 3 came without the parts before it"),
        (vec![chunk(1, 0, 2, b""), chunk(1, 1, 3, b"")], "restore part 1 of 3 came without the parts before it"),
        (
            vec![chunk(1, 0, 2, b""), chunk(2, 0, 2, b""), chunk(1, 1, 2, b"")],
            "restore part 1 of 2 came without the parts before it",
        ),
        (vec![chunk(1, 3, 3, b"")], "restore part 3 of 3 does not exist"),
    ] {
        let mut log = Log::new();
        let (last, first) = parts.split_last().unwrap();
        for part in first {
            log.ok(&command(MessageType::Restore, part));
        }
        assert_eq!(log.refused(&command(MessageType::Restore, last)), text);
    }
}

#[test]
fn a_restore_can_be_completed_after_a_raft_snapshot_between_its_parts() {
    let archive = full().bytes();
    let half = archive.len() / 2;
    let mut log = Log::new();
    log.ok(&command(MessageType::Restore, &chunk(1, 0, 2, &archive[..half])));
    let mut follower = Log::new();
    follower.writer.restore(&mut log.bytes().as_slice()).unwrap();
    follower.next = log.next;
    for log in [&mut log, &mut follower] {
        log.ok(&command(MessageType::Restore, &chunk(1, 1, 2, &archive[half..])));
    }
    assert_eq!(log.bytes(), follower.bytes());
    assert_eq!(log.store.snapshot().kv_get(b"a/b").1.map(|e| e.value.len()), Some(0));
}

#[test]
fn what_this_version_cannot_apply_stops_the_server() {
    let cases: [(&[u8], &str); 5] = [
        (&[], "empty log entry"),
        (&[99, 0x80], "failed to apply request: unknown command type 99"),
        (&[10, 0x80], "failed to apply request: command type 10 (Area) is not supported"),
        (&[17, 0x80], "failed to apply request: command type 17 (ACLToken) is not supported"),
        (&[2, 0xc1], "failed to decode request of type KVS: "),
    ];
    for (command, text) in cases {
        let applied = Log::new().apply(command);
        let [Effect::Fatal(fatal)] = applied.effects.as_slice() else { panic!("{command:?} is not fatal") };
        assert!(fatal.starts_with(text), "{fatal}");
        assert_eq!(applied.outcome, Outcome::Error(fatal.clone()));
    }
}

#[test]
fn an_unknown_command_that_may_be_ignored_is() {
    let applied = Log::new().apply(&[0x80 | 99, 0x80]);
    assert_eq!((applied.outcome, applied.effects), (Outcome::Nil, vec![]));
}

#[test]
fn the_legacy_acl_command_is_refused_and_not_fatal() {
    let applied = Log::new().apply(&[4, 0x80]);
    let text = "legacy ACL command has been removed with the legacy ACL system";
    assert_eq!((applied.outcome, applied.effects), (Outcome::Error(text.into()), vec![]));
}

#[test]
fn autopilot_s_configuration_changes_by_comparison() {
    let mut log = Log::new();
    let request = |cas, modify_index| types::autopilot::AutopilotSetConfigRequest {
        config: AutopilotConfig { modify_index, ..AutopilotConfig::default() },
        cas,
        ..Default::default()
    };
    let mut apply = |request| log.apply(&command(MessageType::Autopilot, &request)).outcome;
    assert_eq!(apply(request(true, 0)), Outcome::Bool(false), "nothing is stored yet");
    assert_eq!(apply(request(false, 0)), Outcome::Nil);
    assert_eq!(apply(request(true, 1)), Outcome::Bool(false));
    assert_eq!(apply(request(true, 2)), Outcome::Bool(true));
    let (index, stored) = log.store.snapshot().autopilot_config();
    assert_eq!((index, stored.unwrap().create_index), (4, 2));
}
