//! Access control.

use super::{
    Action, Answers, BLOCKING, DC, Kind, MODES, Operation, Parameter, RequestBody, Route, Tells, parameter, run,
};
use crate::routes::acl;

const EXPANDED: &[Parameter] = &[parameter("expanded", Kind::Flag, "Include the policies and roles a token reaches.")];
const TOKEN_FILTERS: &[Parameter] = &[
    parameter("policy", Kind::Text, "Only tokens linked to this policy."),
    parameter("role", Kind::Text, "Only tokens linked to this role."),
    parameter("authmethod", Kind::Text, "Only tokens made by logins of this auth method."),
];
const ROLE_FILTERS: &[Parameter] = &[parameter("policy", Kind::Text, "Only roles linked to this policy.")];
const RULE_FILTERS: &[Parameter] = &[parameter("authmethod", Kind::Text, "Only rules of this auth method.")];

const ACLS: Action = Action::Later("the ACL system");

const fn read(does: &'static str) -> Operation {
    Operation::get(does, ACLS).with(&[DC, BLOCKING, MODES]).telling(Tells::All)
}

const fn write(does: &'static str) -> Operation {
    Operation::put(does, ACLS).with(&[DC]).taking(RequestBody::Json)
}

const fn remove(does: &'static str) -> Operation {
    Operation::delete(does, ACLS).with(&[DC])
}

/// A legacy endpoint that only says it is gone.
const fn gone(method: Operation) -> Operation {
    method.answering(Answers::Text)
}

const GONE_GET: &[Operation] = &[gone(Operation::get("Removed with the legacy ACL system.", run!(acl::gone)))];
const GONE_PUT: &[Operation] = &[gone(Operation::put("Removed with the legacy ACL system.", run!(acl::gone)))];
const GONE_POST: &[Operation] = &[gone(Operation::post("Removed with the legacy ACL system.", run!(acl::gone)))];

pub(super) const ROUTES: &[Route] = &[
    Route::exact("/v1/acl/bootstrap", &[Operation::put("Make the first token.", ACLS)]),
    Route::exact(
        "/v1/acl/login",
        &[Operation::post("Trade a bearer token of an auth method for a token.", ACLS).taking(RequestBody::Json)],
    ),
    Route::exact("/v1/acl/logout", &[Operation::post("Delete the token of the request.", ACLS)]),
    Route::exact("/v1/acl/replication", &[Operation::get("State of ACL replication.", ACLS).with(&[DC])]),
    Route::exact(
        "/v1/acl/tokens",
        &[Operation::get("List tokens.", ACLS).with(&[TOKEN_FILTERS, DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::exact("/v1/acl/token", &[write("Create a token.")]),
    Route::exact("/v1/acl/token/self", &[read("Read the token of the request.")]),
    Route::subtree(
        "/v1/acl/token/",
        "accessor",
        &[
            Operation::get("Read a token.", ACLS).with(&[EXPANDED, DC, BLOCKING, MODES]).telling(Tells::All),
            write("Change a token, or clone it below /clone."),
            remove("Delete a token."),
        ],
    ),
    Route::exact("/v1/acl/policies", &[read("List policies.")]),
    Route::exact("/v1/acl/policy", &[write("Create a policy.")]),
    Route::subtree(
        "/v1/acl/policy/",
        "id",
        &[read("Read a policy."), write("Change a policy."), remove("Delete a policy.")],
    ),
    Route::subtree("/v1/acl/policy/name/", "name", &[read("Read a policy by name.")]),
    Route::exact(
        "/v1/acl/roles",
        &[Operation::get("List roles.", ACLS).with(&[ROLE_FILTERS, DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::exact("/v1/acl/role", &[write("Create a role.")]),
    Route::subtree("/v1/acl/role/", "id", &[read("Read a role."), write("Change a role."), remove("Delete a role.")]),
    Route::subtree("/v1/acl/role/name/", "name", &[read("Read a role by name.")]),
    Route::exact(
        "/v1/acl/binding-rules",
        &[Operation::get("List binding rules.", ACLS).with(&[RULE_FILTERS, DC, BLOCKING, MODES]).telling(Tells::All)],
    ),
    Route::exact("/v1/acl/binding-rule", &[write("Create a binding rule.")]),
    Route::subtree(
        "/v1/acl/binding-rule/",
        "id",
        &[read("Read a binding rule."), write("Change a binding rule."), remove("Delete a binding rule.")],
    ),
    Route::exact("/v1/acl/auth-methods", &[read("List auth methods.")]),
    Route::exact("/v1/acl/auth-method", &[write("Write an auth method.")]),
    Route::subtree(
        "/v1/acl/auth-method/",
        "name",
        &[read("Read an auth method."), write("Write an auth method."), remove("Delete an auth method.")],
    ),
    Route::exact(
        "/v1/internal/acl/authorize",
        &[Operation::post("Which of some actions the request's token may take.", ACLS)
            .with(&[DC])
            .taking(RequestBody::Json)],
    ),
    Route::exact("/v1/acl/create", GONE_PUT),
    Route::exact("/v1/acl/update", GONE_PUT),
    Route::subtree("/v1/acl/destroy/", "id", GONE_PUT),
    Route::subtree("/v1/acl/info/", "id", GONE_GET),
    Route::subtree("/v1/acl/clone/", "id", GONE_PUT),
    Route::exact("/v1/acl/list", GONE_GET),
    Route::exact("/v1/acl/rules/translate", GONE_POST),
    Route::subtree("/v1/acl/rules/translate/", "accessor", GONE_GET),
];
