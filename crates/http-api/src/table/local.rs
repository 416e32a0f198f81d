//! The agent itself: what it is, its services and checks, profiles of it.

use super::{
    Action, Answers, BLOCKING, DC, FILTER, Kind, Operation, Parameter, RequestBody, Route, Tells, When, parameter, run,
};
use crate::routes::{
    agent, agent_check, agent_health, agent_host, agent_maintenance, agent_metrics, agent_service, connect_ca,
};

const MONITOR: &[Parameter] = &[
    parameter("loglevel", Kind::Text, "TRACE, DEBUG, INFO (by default), WARN or ERR."),
    parameter("logjson", Kind::Flag, "One JSON object a line."),
];
const MAINTENANCE: &[Parameter] = &[
    parameter("enable", Kind::Boolean, "Enter or leave maintenance."),
    parameter("reason", Kind::Text, "Why; shown with the check."),
];
const NOTE: &[Parameter] = &[parameter("note", Kind::Text, "Becomes the check's output.")];
const FORMAT: &[Parameter] = &[parameter("format", Kind::Text, "Another form of the answer: text or prometheus.")];
const MEMBERS: &[Parameter] = &[
    parameter("wan", Kind::Text, "Not empty: the pool of servers across datacenters."),
    parameter("segment", Kind::Text, "Network segment."),
];
const WAN: &[Parameter] = &[parameter("wan", Kind::Text, "The pool of servers across datacenters.")];
const PRUNE: &[Parameter] = &[parameter("prune", Kind::Flag, "Also forget the member.")];
const HASH: &[Parameter] = &[parameter("hash", Kind::Text, "Wait until the service's content hash differs.")];
const REPLACE: &[Parameter] =
    &[parameter("replace-existing-checks", Kind::Flag, "Remove checks of the service the request does not list.")];

const TOKENS: Action = Action::Later("the store of agent tokens");
const LEAVES: Action = Action::Later("signing of leaf certificates");
const AUTHORIZATION: Action = Action::Later("authorization of mesh connections");
const PROFILES: Action = Action::Later("profiling");

const fn ttl_report(does: &'static str, action: Action) -> Operation {
    Operation::put(does, action).with(&[NOTE]).answering(Answers::Empty)
}

const PROFILE: &[Operation] = &[
    Operation::get("Profile this process.", PROFILES).answering(Answers::Binary),
    Operation::post("Profile this process.", PROFILES).answering(Answers::Binary),
];

const COMMAND_LINE: &[Operation] = &[
    Operation::get("The command line of this process.", run!(agent_host::command_line)).answering(Answers::Text),
    Operation::post("The command line of this process.", run!(agent_host::command_line)).answering(Answers::Text),
];

const fn profile(pattern: &'static str, argument: &'static str) -> Route {
    Route { when: When::Debug, ..Route::subtree(pattern, argument, PROFILE) }
}

pub(super) const ROUTES: &[Route] = &[
    Route::exact("/v1/agent/self", &[Operation::get("Describe this agent.", run!(agent::describe))]),
    Route::exact("/v1/agent/host", &[Operation::get("Describe this machine.", run!(agent_host::describe))]),
    Route::exact(
        "/v1/agent/monitor",
        &[Operation::get("Stream this agent's log.", run!(agent::monitor)).with(&[MONITOR]).answering(Answers::Text)],
    ),
    Route::exact(
        "/v1/agent/reload",
        &[Operation::put("Read the configuration again.", run!(agent::reload)).answering(Answers::Empty)],
    ),
    Route::exact(
        "/v1/agent/leave",
        &[Operation::put("Leave the cluster and stop.", run!(agent::leave)).answering(Answers::Empty)],
    ),
    Route::exact("/v1/agent/openapi", &[Operation::get("This API as an OpenAPI document.", run!(agent::openapi))]),
    Route::exact("/v1/agent/members", &[Operation::get("List members.", run!(agent::members)).with(&[MEMBERS])]),
    Route::subtree(
        "/v1/agent/join/",
        "address",
        &[Operation::put("Join another agent.", run!(agent::join)).with(&[WAN]).answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/force-leave/",
        "node",
        &[Operation::put("Declare a failed member gone.", run!(agent::force_leave))
            .with(&[PRUNE, WAN])
            .answering(Answers::Empty)],
    ),
    Route::exact(
        "/v1/agent/metrics",
        &[Operation::get("Metrics of the last interval.", run!(agent_metrics::show)).with(&[FORMAT])],
    ),
    Route::exact(
        "/v1/agent/metrics/stream",
        &[Operation::get("Stream metrics, interval by interval.", run!(agent_metrics::stream))],
    ),
    Route::exact(
        "/v1/agent/maintenance",
        &[Operation::put("Enter or leave maintenance.", run!(agent_maintenance::node))
            .with(&[MAINTENANCE])
            .answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/token/",
        "kind",
        &[Operation::put("Set one of the agent's own tokens.", TOKENS)
            .taking(RequestBody::Json)
            .answering(Answers::Empty)],
    ),
    Route::exact(
        "/v1/agent/services",
        &[Operation::get("List services registered with this agent.", run!(agent_service::list)).with(&[FILTER])],
    ),
    Route::subtree(
        "/v1/agent/service/",
        "id",
        &[Operation::get("Read a service of this agent.", run!(agent_service::read)).with(&[HASH, BLOCKING])],
    ),
    Route::exact(
        "/v1/agent/service/register",
        &[Operation::put("Register a service.", run!(agent_service::register))
            .with(&[REPLACE])
            .taking(RequestBody::Json)
            .answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/service/deregister/",
        "id",
        &[Operation::put("Remove a service.", run!(agent_service::deregister)).answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/service/maintenance/",
        "id",
        &[Operation::put("Take a service into or out of maintenance.", run!(agent_maintenance::service))
            .with(&[MAINTENANCE])
            .answering(Answers::Empty)],
    ),
    Route::exact(
        "/v1/agent/checks",
        &[Operation::get("List checks registered with this agent.", run!(agent_check::list)).with(&[FILTER])],
    ),
    Route::exact(
        "/v1/agent/check/register",
        &[Operation::put("Register a check.", run!(agent_check::register))
            .taking(RequestBody::Json)
            .answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/check/deregister/",
        "id",
        &[Operation::put("Remove a check.", run!(agent_check::deregister)).answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/check/pass/",
        "id",
        &[ttl_report("Report that a TTL check passes.", run!(agent_check::pass))],
    ),
    Route::subtree(
        "/v1/agent/check/warn/",
        "id",
        &[ttl_report("Report that a TTL check warns.", run!(agent_check::warn))],
    ),
    Route::subtree(
        "/v1/agent/check/fail/",
        "id",
        &[ttl_report("Report that a TTL check fails.", run!(agent_check::fail))],
    ),
    Route::subtree(
        "/v1/agent/check/update/",
        "id",
        &[Operation::put("Report a TTL check's status and output.", run!(agent_check::update))
            .taking(RequestBody::Json)
            .answering(Answers::Empty)],
    ),
    Route::subtree(
        "/v1/agent/health/service/id/",
        "id",
        &[Operation::get("Health of a service on this agent.", run!(agent_health::by_id)).with(&[FORMAT])],
    ),
    Route::subtree(
        "/v1/agent/health/service/name/",
        "name",
        &[Operation::get("Health of a service's instances on this agent.", run!(agent_health::by_name))
            .with(&[FORMAT])],
    ),
    Route::exact(
        "/v1/agent/connect/authorize",
        &[Operation::post("Decide whether a peer in the mesh may connect.", AUTHORIZATION).taking(RequestBody::Json)],
    ),
    Route::exact(
        "/v1/agent/connect/ca/roots",
        &[Operation::get("Root certificates, from the agent's cache.", run!(connect_ca::agent_roots))
            .with(&[DC, BLOCKING])
            .telling(Tells::All)],
    ),
    Route::subtree(
        "/v1/agent/connect/ca/leaf/",
        "service",
        &[Operation::get("A service's certificate and key.", LEAVES).with(&[BLOCKING]).telling(Tells::Index)],
    ),
    profile("/debug/pprof/", "name"),
    Route { when: When::Debug, ..Route::exact("/debug/pprof/cmdline", COMMAND_LINE) },
    profile("/debug/pprof/profile", ""),
    profile("/debug/pprof/symbol", ""),
    profile("/debug/pprof/trace", ""),
];
