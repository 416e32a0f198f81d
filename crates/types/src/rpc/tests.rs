//! Every method there and back, its names against the reference's, and bytes as real agents send them.

mod bytes;
mod samples;

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::IgnoredAny;

use super::{Route, RpcMethod};
use crate::method::{METHODS, Method, SessionGet, SessionRenew};
use crate::{Consistency, QueryOptions};
use samples::Sampled;

/// Fields that many requests and replies have, by the name that stands for them in the samples.
const GROUPS: &[(&str, &str)] = &[
    ("DATACENTER", "Datacenter NodeMetaFilters Source PeerName QO"),
    ("NODE", "Datacenter Node PeerName MergeCentralConfig QO"),
    (
        "SERVICE",
        "Datacenter PeerName NodeMetaFilters ServiceName ServiceKind ServiceTag ServiceTags ServiceAddress TagFilter \
        Source Connect Ingress MergeCentralConfig QO",
    ),
    ("SESSION", "Datacenter SessionID Session QO"),
    ("EXECUTE", "Datacenter QueryIDOrName Limit Connect Source Agent QO"),
    (
        "QO",
        "Token MinQueryIndex MaxQueryTime AllowStale RequireConsistent UseCache MaxStaleDuration MaxAge \
        MustRevalidate StaleIfError Filter AllowNotModifiedResponse",
    ),
    ("QM", "Index LastContact KnownLeader ConsistencyLevel NotModified Backend ResultsFilteredByACLs"),
];

/// Names of a map's keys, sorted; none for anything else.
fn keys(encoded: &[u8]) -> Vec<String> {
    let map: Result<BTreeMap<String, IgnoredAny>, _> = wire::msgpack::from_slice(encoded);
    map.map(|map| map.into_keys().collect()).unwrap_or_default()
}

/// The names in a text, sorted, with the groups spelled out.
fn names(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in text.split_whitespace() {
        match GROUPS.iter().find(|(group, _)| *group == name) {
            Some((_, fields)) => all.extend(names(fields)),
            None => all.push(name.to_owned()),
        }
    }
    all.sort();
    all
}

/// A map with all these keys, each nil.
fn nils(keys: &[String]) -> Vec<u8> {
    let values: BTreeMap<&str, ()> = keys.iter().map(|key| (key.as_str(), ())).collect();
    wire::msgpack::to_vec(&values).unwrap()
}

fn request_bytes<M: RpcMethod>(request: &M::Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    M::encode_request(request, &mut bytes).unwrap();
    bytes
}

fn reply_bytes<M: RpcMethod>(reply: &M::Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    M::encode_reply(reply, &mut bytes).unwrap();
    bytes
}

/// One method: its samples come back, have the reference's names, and nil stands for every field.
fn check<M: RpcMethod + Sampled>()
where
    M::Request: Debug,
    M::Reply: Debug,
{
    let (request, reply) = (M::request(), M::reply());
    let (asked, answered) = (request_bytes::<M>(&request), reply_bytes::<M>(&reply));
    let asked_again = M::decode_request(&asked).unwrap();
    let answered_again = M::decode_reply(&answered).unwrap();
    assert_eq!(format!("{asked_again:?}"), format!("{request:?}"), "{}", M::NAME);
    assert_eq!(format!("{answered_again:?}"), format!("{reply:?}"), "{}", M::NAME);
    assert_eq!(request_bytes::<M>(&asked_again), asked, "{}", M::NAME);
    assert_eq!(keys(&asked), names(M::REQUEST_FIELDS), "{}", M::NAME);
    assert_eq!(keys(&answered), names(M::REPLY_FIELDS), "{}", M::NAME);
    M::decode_reply(b"\xc0").unwrap();
    M::decode_reply(&if M::REPLY_FIELDS.is_empty() { answered.clone() } else { nils(&keys(&answered)) }).unwrap();
    // An event always has a payload, and a session's operation a name.
    if !matches!(M::NAME, "Internal.EventFire" | "Session.Apply") {
        M::decode_request(b"\xc0").unwrap();
        M::decode_request(&nils(&keys(&asked))).unwrap();
    }
    for whole in [&asked, &answered] {
        let cut = &whole[..whole.len() - 1];
        assert!(M::decode_request(cut).is_err() && M::decode_reply(cut).is_err(), "{}", M::NAME);
    }
}

macro_rules! check_all {
    ($($method:ident)*) => {
        /// Names of the methods, as `for_each_method` lists them.
        const LISTED: &[&str] = &[$(<crate::method::$method as Method>::NAME),*];

        fn check_every_method() {
            $(check::<crate::method::$method>();)*
        }
    };
}
crate::for_each_method!(check_all);

#[test]
fn no_method_is_forgotten() {
    assert_eq!(LISTED, METHODS);
}

#[test]
fn every_method_comes_back() {
    check_every_method();
}

#[test]
fn bytes_are_appended() {
    let request = crate::method::KvGet::request();
    let mut out = b"header".to_vec();
    crate::method::KvGet::encode_request(&request, &mut out).unwrap();
    assert_eq!(out, [b"header".as_slice(), &request_bytes::<crate::method::KvGet>(&request)].concat());
}

#[test]
fn a_renewal_never_allows_a_stale_answer() {
    let options = QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() };
    let request = crate::method::SessionSpecificRequest { session_id: "s".into(), options };
    let renewed = SessionRenew::decode_request(&request_bytes::<SessionRenew>(&request)).unwrap();
    assert_eq!(renewed.options.consistency, Consistency::Default);
    let read = SessionGet::decode_request(&request_bytes::<SessionGet>(&request)).unwrap();
    assert_eq!(read.options.consistency, Consistency::Stale);
    assert_eq!(SessionRenew::ROUTE, Route::Leader);
    assert!(SessionRenew::read_options(&request).is_none());
}

#[test]
fn what_a_request_tells_of_its_way() {
    use crate::method::{EventFire, KvApply, OperatorRaftGetConfiguration, SnapshotRequest, StatusLeader};
    let datacenter = "dc2".to_owned();
    assert_eq!(StatusLeader::datacenter(&datacenter), "dc2");
    assert_eq!(KvApply::datacenter(&KvApply::request()), "dc2");
    assert!(KvApply::read_options(&KvApply::request()).is_none());
    assert!(EventFire::read_options(&EventFire::request()).is_none());
    let request = SnapshotRequest { datacenter, allow_stale: true, ..SnapshotRequest::default() };
    let options = OperatorRaftGetConfiguration::read_options(&request).unwrap();
    assert_eq!(options.consistency, Consistency::Stale);
    assert_eq!(OperatorRaftGetConfiguration::datacenter(&request), "dc2");
}
