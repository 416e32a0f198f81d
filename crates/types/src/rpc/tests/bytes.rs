//! Bytes as real agents send them, put together by hand.

use std::time::Duration;

use super::{reply_bytes, request_bytes};
use crate::method::{
    CatalogListNodes, CatalogNodeServiceList, CatalogNodeServices, CatalogRegister, CatalogServiceNodes, EventFire,
    HealthNodeChecks, HealthServiceNodes, Indexed, InternalKeyringOperation, KeyRequest, KvApply, KvGet, KvListKeys,
    OperatorServerHealth, SessionApply, SessionGet, StatusLeader, StatusPing,
};
use crate::rpc::RpcMethod;
use crate::{Consistency, QueryMeta, QueryOptions};

/// A map of raw keys and of values that are given encoded.
fn map(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0xde];
    bytes.extend(u16::try_from(entries.len()).unwrap().to_be_bytes());
    for (key, value) in entries {
        bytes.extend(raw(key));
        bytes.extend_from_slice(value);
    }
    bytes
}

/// A short string of the raw family.
fn raw(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let mut bytes = if length < 32 { vec![0xa0 | length] } else { vec![0xda, 0, length] };
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn a_read_is_written_as_the_reference_writes_it() {
    let options = QueryOptions {
        datacenter: "dc1".into(),
        token: "t".into(),
        min_index: 300,
        max_wait: Duration::from_secs(10),
        consistency: Consistency::Stale,
        ..QueryOptions::default()
    };
    let mut want = vec![0x8e];
    for (key, value) in [
        ("Datacenter", &b"\xa3dc1"[..]),
        ("Key", b"\xa1k"),
        ("Token", b"\xa1t"),
        ("MinQueryIndex", b"\xcd\x01\x2c"),
        ("MaxQueryTime", b"\xcf\x00\x00\x00\x02\x54\x0b\xe4\x00"),
        ("AllowStale", b"\xc3"),
        ("RequireConsistent", b"\xc2"),
        ("UseCache", b"\xc2"),
        ("MaxStaleDuration", b"\x00"),
        ("MaxAge", b"\x00"),
        ("MustRevalidate", b"\xc2"),
        ("StaleIfError", b"\x00"),
        ("Filter", b"\xa0"),
        ("AllowNotModifiedResponse", b"\xc2"),
    ] {
        want.extend(raw(key));
        want.extend_from_slice(value);
    }
    assert_eq!(request_bytes::<KvGet>(&KeyRequest { key: "k".into(), options }), want);
}

#[test]
fn no_answer_is_an_empty_map() {
    assert_eq!(reply_bytes::<CatalogRegister>(&()), b"\x80");
    assert_eq!((request_bytes::<StatusPing>(&()), reply_bytes::<StatusPing>(&())), (vec![0x80], vec![0x80]));
    StatusPing::decode_request(&map(&[("Later", b"\x93\x01\x02\x03")])).unwrap();
}

#[test]
fn keys_nobody_knows_are_skipped_and_missing_ones_are_zero() {
    let body = map(&[
        ("Node", b"\xd9\x02n1"),
        ("Partition", b"\xa7default"),
        ("Nested", b"\x81\xa1a\x92\xc0\xc4\x01x"),
        ("Datacenter", b"\xa3dc1"),
        ("MaxQueryTime", b"\xd3\xff\xff\xff\xff\xff\xff\xff\xff"),
    ]);
    let request = CatalogNodeServices::decode_request(&body).unwrap();
    assert_eq!((request.node.as_str(), request.options.datacenter.as_str()), ("n1", "dc1"));
    assert_eq!((request.options.max_wait, request.options.consistency), (Duration::ZERO, Consistency::Default));
}

#[test]
fn a_struct_may_be_a_list() {
    // Datacenter, NodeMetaFilters, Source, PeerName, Token, MinQueryIndex, MaxQueryTime, AllowStale, RequireConsistent.
    let body = b"\x99\xa3dc2\x81\xa4rack\xa1r\x93\xa3dc2\xa0\xa2n1\xa0\xa1t\x05\x01\xc2\xc3";
    let request = CatalogListNodes::decode_request(body).unwrap();
    assert_eq!(request.node_meta["rack"], "r");
    assert_eq!((request.source.datacenter.as_str(), request.source.node.as_str()), ("dc2", "n1"));
    let options = QueryOptions {
        datacenter: "dc2".into(),
        token: "t".into(),
        min_index: 5,
        max_wait: Duration::from_nanos(1),
        consistency: Consistency::Consistent,
        ..QueryOptions::default()
    };
    assert_eq!(request.options, options);
}

#[test]
fn values_of_a_wrong_kind_are_refused() {
    let refused: [(&str, bool); 6] = [
        ("negative index", KvGet::decode_request(&map(&[("MinQueryIndex", b"\xff")])).is_err()),
        ("relay factor", InternalKeyringOperation::decode_request(&map(&[("RelayFactor", b"\xcd\x01\x00")])).is_err()),
        ("binary name", CatalogNodeServices::decode_request(&map(&[("Node", b"\xc4\x01a")])).is_err()),
        ("number for text", StatusLeader::decode_request(&map(&[("Datacenter", b"\x01")])).is_err()),
        ("text for a struct", CatalogListNodes::decode_request(b"\xa1x").is_err()),
        ("more than one value", StatusPing::decode_request(b"\x80\x80").is_err()),
    ];
    for (what, is_refused) in refused {
        assert!(is_refused, "{what}");
    }
}

#[test]
fn byte_slices_come_as_text_or_as_binary() {
    for value in [&b"\xa2hi"[..], b"\xc4\x02hi"] {
        let entry = [&b"\x82\xa3Key\xa1k\xa5Value"[..], value].concat();
        let request = KvApply::decode_request(&map(&[("Op", b"\xa3set"), ("DirEnt", &entry)])).unwrap();
        assert_eq!((request.dir_ent.key.as_bytes(), &request.dir_ent.value[..]), (&b"k"[..], &b"hi"[..]));
    }
}

#[test]
fn tags_count_only_with_their_switch() {
    let tags = b"\x92\xa1a\xa1b";
    let tags_of = |entries: &[(&str, &[u8])]| HealthServiceNodes::decode_request(&map(entries)).unwrap().tags;
    assert!(tags_of(&[("ServiceTags", tags), ("ServiceTag", b"\xa1c")]).is_empty());
    assert_eq!(tags_of(&[("TagFilter", b"\xc3"), ("ServiceTags", tags)]), ["a", "b"]);
    assert_eq!(tags_of(&[("TagFilter", b"\xc3"), ("ServiceTags", tags), ("ServiceTag", b"\xa1c")]), ["c"]);
    assert!(tags_of(&[("TagFilter", b"\xc3"), ("ServiceTags", b"\xc0")]).is_empty());
}

#[test]
fn an_older_client_names_its_session_elsewhere() {
    let of = |entries: &[(&str, &[u8])]| SessionGet::decode_request(&map(entries)).unwrap().session_id;
    assert_eq!(of(&[("Session", b"\xa1a")]), "a");
    assert_eq!(of(&[("Session", b"\xa1a"), ("SessionID", b"\xa1b")]), "b");
}

#[test]
fn an_operation_on_a_session_that_nobody_knows_is_named() {
    for (op, want) in
        [(&b"\xa0"[..], "Invalid session operation \"\""), (b"\xa4stop", "Invalid session operation \"stop\"")]
    {
        let refused = SessionApply::decode_request(&map(&[("Op", op)])).unwrap_err();
        assert_eq!(refused.to_string(), want);
    }
}

#[test]
fn the_separator_is_misspelled() {
    let body = map(&[("Prefix", b"\xa2a/"), ("Seperator", b"\xa1/"), ("Separator", b"\xa1-")]);
    assert_eq!(KvListKeys::decode_request(&body).unwrap().separator, b"/");
}

#[test]
fn what_is_not_there_yet_is_refused() {
    let peer = map(&[("PeerName", b"\xa3far"), ("Node", b"\xa1n")]);
    let text = |error: wire::msgpack::Error| error.to_string();
    for refused in [
        CatalogListNodes::decode_request(&peer).map_err(text).err(),
        HealthNodeChecks::decode_request(&peer).map_err(text).err(),
    ] {
        assert_eq!(refused.as_deref(), Some("objects imported from a peer are not there yet"));
    }
    let by_address = map(&[("ServiceAddress", b"\xa810.0.0.1")]);
    let refused = CatalogServiceNodes::decode_request(&by_address).map_err(text).err();
    assert_eq!(refused.as_deref(), Some("services by address are not there yet"));
}

#[test]
fn an_event_is_fired_at_any_server_with_its_whole_encoding() {
    let fired = crate::UserEvent { id: "i".into(), name: "deploy".into(), version: 1, ..crate::UserEvent::default() };
    let event = map(&[
        ("Datacenter", b"\xa0"),
        ("Name", b"\xa6deploy"),
        ("Payload", b"\xb2\x83\xa2ID\xa1i\xa1n\xa6deploy\xa1v\x01"),
        ("AllowStale", b"\xc3"),
        ("Token", b"\xa1t"),
    ]);
    let request = EventFire::decode_request(&event).unwrap();
    assert_eq!((&request.event, request.token.as_str()), (&fired, "t"));
    let written = request_bytes::<EventFire>(&request);
    let switched_on = [&raw("AllowStale")[..], b"\xc3"].concat();
    assert!(written.windows(switched_on.len()).any(|window| window == switched_on));
}

#[test]
fn an_unknown_node_has_a_list_of_services_without_a_node() {
    let nothing = map(&[("NodeServices", &map(&[("Node", b"\xc0"), ("Services", b"\xc0")])), ("Index", b"\x07")]);
    let reply = CatalogNodeServiceList::decode_reply(&nothing).unwrap();
    assert!(reply.value.is_none() && reply.meta.index == 7);
    let reply = CatalogNodeServices::decode_reply(&map(&[("NodeServices", b"\xc0"), ("Index", b"\x07")])).unwrap();
    assert!(reply.value.is_none() && reply.meta.index == 7);
    let written = reply_bytes::<CatalogNodeServiceList>(&Indexed { value: None, meta: QueryMeta::default() });
    assert!(CatalogNodeServiceList::decode_reply(&written).unwrap().value.is_none());
}

#[test]
fn a_zero_time_is_fifteen_bytes_and_a_status_a_number() {
    let server = map(&[
        ("ID", b"\xa1x"),
        ("SerfStatus", b"\x01"),
        ("LastContact", b"\xcd\x01\x00"),
        ("StableSince", b"\xaf\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff"),
    ]);
    let body = map(&[("Healthy", b"\xc3"), ("Servers", &[&b"\x91"[..], &server].concat())]);
    let health = OperatorServerHealth::decode_reply(&body).unwrap();
    let [server] = health.servers.as_slice() else { panic!("one server") };
    assert_eq!(server.serf_status, crate::autopilot::NodeStatus::Alive);
    assert!(server.stable_since.is_zero() && server.last_contact.0 == 256 && health.healthy);
}
