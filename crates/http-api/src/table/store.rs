//! Keys, transactions, sessions, events, coordinates.

use super::{Answers, BLOCKING, CAS, DC, Kind, MODES, Operation, Parameter, RequestBody, Route, Tells, parameter, run};
use crate::routes::{coordinate, event, kv, session, txn};

const KV_READ: &[Parameter] = &[
    parameter("raw", Kind::Flag, "Answer the bare value."),
    parameter("recurse", Kind::Flag, "All entries whose keys start so."),
    parameter("keys", Kind::Flag, "Names of all keys that start so."),
    parameter("separator", Kind::Text, "With keys: cut each name after the first occurrence of this."),
];
const KV_WRITE: &[Parameter] = &[
    parameter("flags", Kind::Number, "Free number stored with the value."),
    parameter("acquire", Kind::Text, "Lock the key for this session."),
    parameter("release", Kind::Text, "Unlock the key this session holds."),
];
const KV_DELETE: &[Parameter] = &[parameter("recurse", Kind::Flag, "Delete all keys that start so.")];
const EVENT_FIRE: &[Parameter] = &[
    parameter("node", Kind::Text, "Regular expression for names of nodes the event is for."),
    parameter("service", Kind::Text, "Regular expression for services of those nodes."),
    parameter("tag", Kind::Text, "Regular expression for tags of those services."),
];
const EVENT_LIST: &[Parameter] = &[parameter("name", Kind::Text, "Only events of this name.")];
const SEGMENT: &[Parameter] = &[parameter("segment", Kind::Text, "Only coordinates of this network segment.")];

pub(super) const ROUTES: &[Route] = &[
    Route::subtree(
        "/v1/kv/",
        "key",
        &[
            Operation::get("Read an entry, all entries below a prefix, or their names.", run!(kv::get))
                .with(&[KV_READ, DC, BLOCKING, MODES])
                .telling(Tells::All),
            Operation::put("Write an entry.", run!(kv::put)).with(&[KV_WRITE, CAS, DC]).taking(RequestBody::Raw),
            Operation::delete("Delete an entry or all entries below a prefix.", run!(kv::delete))
                .with(&[KV_DELETE, CAS, DC]),
        ],
    ),
    Route::exact(
        "/v1/txn",
        &[Operation::put("Run several operations, all or nothing.", run!(txn::put))
            .with(&[DC, MODES])
            .taking(RequestBody::Json)
            .telling(Tells::Freshness)],
    ),
    Route::exact(
        "/v1/session/create",
        &[Operation::put("Create a session.", run!(session::create)).with(&[DC]).taking(RequestBody::Json)],
    ),
    Route::subtree(
        "/v1/session/destroy/",
        "id",
        &[Operation::put("End a session.", run!(session::destroy)).with(&[DC])],
    ),
    Route::subtree(
        "/v1/session/renew/",
        "id",
        &[Operation::put("Restart a session's TTL.", run!(session::renew)).with(&[DC])],
    ),
    Route::subtree(
        "/v1/session/info/",
        "id",
        &[Operation::get("Read a session.", run!(session::info)).with(&[DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::subtree(
        "/v1/session/node/",
        "node",
        &[Operation::get("List a node's sessions.", run!(session::of_node))
            .with(&[DC, BLOCKING, MODES])
            .telling(Tells::All)],
    ),
    Route::exact(
        "/v1/session/list",
        &[Operation::get("List all sessions.", run!(session::list)).with(&[DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::subtree(
        "/v1/event/fire/",
        "name",
        &[Operation::put("Fire a user event.", run!(event::fire)).with(&[EVENT_FIRE, DC]).taking(RequestBody::Raw)],
    ),
    Route::exact(
        "/v1/event/list",
        &[Operation::get("List the newest user events this agent has seen.", run!(event::list))
            .with(&[EVENT_LIST, BLOCKING])
            .telling(Tells::Index)],
    ),
    Route::exact(
        "/v1/coordinate/datacenters",
        &[Operation::get("Coordinates of servers, by datacenter.", run!(coordinate::datacenters))],
    ),
    Route::exact(
        "/v1/coordinate/nodes",
        &[Operation::get("Coordinates of all nodes.", run!(coordinate::nodes))
            .with(&[SEGMENT, DC, BLOCKING, MODES])
            .telling(Tells::All)],
    ),
    Route::subtree(
        "/v1/coordinate/node/",
        "node",
        &[Operation::get("Coordinates of a node.", run!(coordinate::node))
            .with(&[SEGMENT, DC, BLOCKING, MODES])
            .telling(Tells::All)],
    ),
    Route::exact(
        "/v1/coordinate/update",
        &[Operation::put("Report a node's coordinate.", run!(coordinate::update))
            .with(&[DC])
            .taking(RequestBody::Json)
            .answering(Answers::Empty)],
    ),
];
