//! The certificate authority's commands: conditions, indexes, serial numbers, wake-ups.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use common::{Log, ca_config, ca_request, ca_root, ca_state, command};
use state::{Outcome, Topic, Watch};
use types::{CaConfiguration, CaRequest, CaRoot, MessageType};

/// State of a Consul 1.14 server whose authority was made by commands 5 to 9 of its log.
const RECORDED: &[u8] = include_bytes!("fixtures/recorded/before.state.bin");

fn ca(request: CaRequest) -> Vec<u8> {
    command(MessageType::ConnectCa, &request)
}

fn has_fired(watch: &mut Watch) -> bool {
    Pin::new(watch).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn set_config(config: CaConfiguration) -> Vec<u8> {
    ca(CaRequest { config: Some(config), ..ca_request("set-config") })
}

fn set_roots(index: u64, roots: Vec<CaRoot>) -> CaRequest {
    CaRequest { index, roots, ..ca_request("set-roots") }
}

fn set_state(id: &str) -> Vec<u8> {
    ca(CaRequest { provider_state: Some(ca_state(id, "key")), ..ca_request("set-provider-state") })
}

#[test]
fn the_reference_s_bootstrap_gives_its_roots_configuration_and_indexes() {
    let mut theirs = Log::new();
    theirs.writer.restore(&mut &RECORDED[..]).unwrap();
    let theirs = theirs.store.snapshot();
    let config = CaConfiguration::clone(&theirs.ca_config().1.unwrap());
    let root = CaRoot::clone(&theirs.ca_roots().1[0]);

    let mut log = Log { next: 5, ..Log::new() };
    log.ok(&set_config(CaConfiguration { modify_index: 0, ..config.clone() }));
    log.ok(&set_state("id"));
    let serial = log.apply(&ca(ca_request("increment-provider-serial"))).outcome;
    assert_eq!(serial, Outcome::Serial(root.serial_number));
    log.ok(&set_state("id"));
    let config = CaConfiguration { modify_index: 5, ..config };
    let request = CaRequest { config: Some(config), ..set_roots(0, vec![root]) };
    let written = log.apply(&ca(CaRequest { op: "set-roots-config".into(), ..request })).outcome;
    assert_eq!(written, Outcome::Bool(true));
    log.ok(&ca(ca_request("increment-provider-serial")));

    let ours = log.store.snapshot();
    assert_eq!(ours.ca_roots(), theirs.ca_roots());
    assert_eq!(ours.ca_config(), theirs.ca_config());
    for row in ["connect-ca-roots", "connect-ca-builtin", "connect-ca-builtin-serial"] {
        assert_eq!(ours.table_index(row), theirs.table_index(row), "{row}");
    }
}

#[test]
fn a_configuration_with_a_modify_index_replaces_only_that_one() {
    let mut log = Log::new();
    let config = |modify_index| CaConfiguration { modify_index, ..ca_config("cluster") };
    assert_eq!(log.refused(&set_config(config(3))), "ModifyIndex did not match existing");
    assert_eq!(log.apply(&set_config(config(0))).outcome, Outcome::Nil);
    assert_eq!(log.refused(&set_config(config(1))), "ModifyIndex did not match existing");
    assert_eq!(log.apply(&set_config(config(2))).outcome, Outcome::Bool(true));
    let (index, stored) = log.store.snapshot().ca_config();
    assert_eq!((index, stored.unwrap().create_index), (4, 2));
}

#[test]
fn a_configuration_without_a_cluster_id_keeps_the_stored_one() {
    let mut log = Log::new();
    log.ok(&set_config(ca_config("cluster")));
    log.ok(&set_config(ca_config("")));
    assert_eq!(log.store.snapshot().ca_config().1.unwrap().cluster_id, "cluster");
}

#[test]
fn roots_need_exactly_one_active_and_an_id_each() {
    let mut log = Log::new();
    let refused = "there must be exactly one active CA";
    assert_eq!(log.refused(&ca(set_roots(0, vec![]))), refused);
    assert_eq!(log.refused(&ca(set_roots(0, vec![ca_root("a", false)]))), refused);
    assert_eq!(log.refused(&ca(set_roots(0, vec![ca_root("a", true), ca_root("b", true)]))), refused);
    assert_eq!(log.refused(&ca(set_roots(0, vec![ca_root("", true)]))), "Missing CA root ID");
    assert_eq!(log.store.snapshot().ca_roots(), (0, vec![]));
}

#[test]
fn roots_are_replaced_as_a_whole_and_only_at_their_table_s_index() {
    let mut log = Log::new();
    assert_eq!(log.apply(&ca(set_roots(0, vec![ca_root("a", true)]))).outcome, Outcome::Bool(true));
    assert_eq!(log.apply(&ca(set_roots(0, vec![ca_root("b", true)]))).outcome, Outcome::Bool(false));
    let roots = vec![ca_root("b", true), ca_root("a", false)];
    assert_eq!(log.apply(&ca(set_roots(1, roots))).outcome, Outcome::Bool(true));
    let (index, roots) = log.store.snapshot().ca_roots();
    let seen: Vec<_> = roots.iter().map(|r| (r.id.as_str(), r.active, r.create_index, r.modify_index)).collect();
    assert_eq!((index, seen), (3, vec![("a", false, 1, 3), ("b", true, 3, 3)]));
}

#[test]
fn roots_and_configuration_are_written_both_or_neither() {
    let mut log = Log::new();
    log.ok(&set_config(ca_config("cluster")));
    let request = |index, modify_index| CaRequest {
        op: "set-roots-config".into(),
        config: Some(CaConfiguration { modify_index, ..ca_config("") }),
        ..set_roots(index, vec![ca_root("a", true)])
    };
    assert_eq!(log.refused(&ca(request(0, 9))), "ModifyIndex did not match existing");
    assert_eq!(log.apply(&ca(request(9, 1))).outcome, Outcome::Bool(false));
    assert_eq!((log.store.snapshot().ca_roots().0, log.store.snapshot().ca_config().0), (0, 1));
    assert_eq!(log.apply(&ca(request(0, 1))).outcome, Outcome::Bool(true));
    assert_eq!((log.store.snapshot().ca_roots().0, log.store.snapshot().ca_config().0), (4, 4));
}

#[test]
fn the_provider_s_state_is_kept_by_id_until_it_is_deleted() {
    let mut log = Log::new();
    log.ok(&set_state("a"));
    log.ok(&set_state("a"));
    let (index, state) = log.store.snapshot().ca_provider_state("a");
    let state = state.unwrap();
    assert_eq!((index, state.create_index, state.private_key.as_str()), (2, 1, "key"));
    let delete = |id| ca(CaRequest { provider_state: Some(ca_state(id, "")), ..ca_request("delete-provider-state") });
    log.ok(&delete("none"));
    assert_eq!(log.index("connect-ca-builtin"), 2);
    log.ok(&delete("a"));
    assert_eq!(log.store.snapshot().ca_provider_state("a"), (4, None));
}

#[test]
fn serial_numbers_go_up_by_one_and_are_no_index() {
    let mut log = Log::new();
    let serials: Vec<_> = (0..3).map(|_| log.apply(&ca(ca_request("increment-provider-serial"))).outcome).collect();
    assert_eq!(serials, [Outcome::Serial(1), Outcome::Serial(2), Outcome::Serial(3)]);
    assert_eq!(log.store.snapshot().last_index(), 0);
}

#[test]
fn a_command_that_lacks_what_it_writes_is_refused() {
    let mut log = Log::new();
    for (op, text) in [
        ("set-config", "missing CA configuration"),
        ("set-provider-state", "missing CA provider state"),
        ("delete-provider-state", "missing CA provider state"),
        ("frob", "Invalid CA operation 'frob'"),
    ] {
        assert_eq!(log.refused(&ca(ca_request(op))), text);
    }
}

#[test]
fn roots_and_configuration_wake_those_who_wait_for_them() {
    let mut log = Log::new();
    let mut roots = log.store.watch([Topic::ca_roots()]);
    let mut config = log.store.watch([Topic::ca_config()]);
    let mut woken = |log: &mut Log, command: &[u8]| {
        log.ok(command);
        (has_fired(&mut roots), has_fired(&mut config))
    };
    assert_eq!(woken(&mut log, &set_state("a")), (false, false));
    assert_eq!(woken(&mut log, &set_config(ca_config("cluster"))), (false, true));
    assert_eq!(woken(&mut log, &ca(set_roots(0, vec![ca_root("a", true)]))), (true, true));
}
