//! The catalog, health, prepared queries.

use super::{
    Answers, BLOCKING, CACHED, DC, FILTER, Kind, MODES, NEAR, NODE_META, Operation, Parameter, RequestBody, Route, TAG,
    Tells, When, parameter, run,
};
use crate::routes::{catalog, health, query};

const PASSING: &[Parameter] =
    &[parameter("passing", Kind::Boolean, "Only instances whose every check passes; on when empty.")];
const PEER: &[Parameter] = &[parameter("peer", Kind::Text, "Instances imported from this peering.")];
const MERGE: &[Parameter] =
    &[parameter("merge-central-config", Kind::Flag, "Merge the central configuration into proxies and gateways.")];
const QUERY_EXECUTE: &[Parameter] = &[
    parameter("limit", Kind::Number, "Longest list of nodes."),
    parameter("connect", Kind::Boolean, "Instances that speak the mesh protocol."),
];

pub(super) const ROUTES: &[Route] = &[
    Route::exact(
        "/v1/catalog/register",
        &[Operation::put("Register a node, a service, checks.", run!(catalog::register)).taking(RequestBody::Json)],
    ),
    Route::exact(
        "/v1/catalog/deregister",
        &[Operation::put("Remove a node, a service or a check.", run!(catalog::deregister)).taking(RequestBody::Json)],
    ),
    Route::exact(
        "/v1/catalog/datacenters",
        &[Operation::get("Names of known datacenters, nearest first.", run!(catalog::datacenters)).with(&[CACHED])],
    ),
    Route::exact(
        "/v1/catalog/nodes",
        &[Operation::get("List nodes.", run!(catalog::nodes))
            .with(&[NEAR, NODE_META, FILTER, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::exact(
        "/v1/catalog/services",
        &[Operation::get("List names of services with their tags.", run!(catalog::services))
            .with(&[NODE_META, FILTER, CACHED, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/catalog/service/",
        "service",
        &[Operation::get("List a service's instances.", run!(catalog::service))
            .with(&[TAG, NEAR, NODE_META, FILTER, CACHED, MERGE, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/catalog/connect/",
        "service",
        &[Operation::get("List a service's instances in the mesh.", run!(catalog::connect))
            .with(&[NEAR, NODE_META, FILTER, CACHED, MERGE, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/catalog/node/",
        "node",
        &[Operation::get("Read a node and its services, by ID.", run!(catalog::node))
            .with(&[FILTER, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/catalog/node-services/",
        "node",
        &[Operation::get("Read a node and its services, as a list.", run!(catalog::node_services))
            .with(&[FILTER, MERGE, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/catalog/gateway-services/",
        "gateway",
        &[Operation::get("List a gateway's services.", run!(catalog::gateway_services))
            .with(&[DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/health/node/",
        "node",
        &[Operation::get("List a node's checks.", run!(health::node))
            .with(&[FILTER, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/health/checks/",
        "service",
        &[Operation::get("List a service's checks.", run!(health::checks))
            .with(&[NEAR, NODE_META, FILTER, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/health/state/",
        "state",
        &[Operation::get("List checks with a status, or any.", run!(health::state))
            .with(&[NEAR, NODE_META, FILTER, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/health/service/",
        "service",
        &[Operation::get("List a service's instances with their checks.", run!(health::service))
            .with(&[PASSING, TAG, NEAR, NODE_META, FILTER, PEER, CACHED, MERGE, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/health/connect/",
        "service",
        &[Operation::get("List a service's instances in the mesh with their checks.", run!(health::connect))
            .with(&[PASSING, NEAR, NODE_META, FILTER, PEER, CACHED, MERGE, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::subtree(
        "/v1/health/ingress/",
        "service",
        &[Operation::get("List a service's ingress gateways with their checks.", run!(health::ingress))
            .with(&[PASSING, TAG, NEAR, NODE_META, FILTER, CACHED, MERGE, DC, BLOCKING, MODES])
            .telling(Tells::AllWithMode)],
    ),
    Route::exact(
        "/v1/query",
        &[
            Operation::get("List prepared queries.", run!(query::list))
                .with(&[DC, BLOCKING, MODES])
                .telling(Tells::AllWithMode),
            Operation::post("Create a prepared query.", run!(query::create)).with(&[DC]).taking(RequestBody::Json),
        ],
    ),
    Route {
        pattern: "/v1/query/",
        argument: "id",
        operations: &[
            Operation::get("Read a prepared query.", run!(query::read))
                .with(&[DC, BLOCKING, MODES])
                .telling(Tells::AllWithMode),
            Operation::put("Change a prepared query.", run!(query::update))
                .with(&[DC])
                .taking(RequestBody::Json)
                .answering(Answers::Empty),
            Operation::delete("Delete a prepared query.", run!(query::delete)).with(&[DC]).answering(Answers::Empty),
        ],
        endings: &[
            (
                "/execute",
                &[Operation::get("Run a prepared query.", run!(query::execute))
                    .with(&[QUERY_EXECUTE, NEAR, CACHED, DC, MODES])
                    .telling(Tells::AllWithMode)],
            ),
            (
                "/explain",
                &[Operation::get("Show a prepared query as it would run.", run!(query::explain))
                    .with(&[QUERY_EXECUTE, NEAR, DC, MODES])
                    .telling(Tells::AllWithMode)],
            ),
        ],
        answers_options_with_json: true,
        when: When::Always,
    },
];
