//! Config entries, the service mesh, peerings.

use super::{
    Action, Answers, BLOCKING, CACHED, CAS, DC, FILTER, Kind, MODES, Operation, Parameter, RequestBody, Route, Tells,
    parameter, run,
};
use crate::routes::connect_ca;

const PEM: &[Parameter] = &[parameter("pem", Kind::Boolean, "Answer the certificates in PEM.")];
const COMPILE_DC: &[Parameter] = &[parameter("compile-dc", Kind::Text, "Datacenter to compile for.")];
const ENDS: &[Parameter] = &[
    parameter("source", Kind::Text, "Service the connection comes from."),
    parameter("destination", Kind::Text, "Service the connection goes to."),
];
const MATCH: &[Parameter] =
    &[parameter("by", Kind::Text, "source or destination."), parameter("name", Kind::Repeated, "Name of a service.")];

const ENTRIES: Action = Action::Later("the store of config entries");
const AUTHORITY: Action = Action::Later("the configuration endpoint of the certificate authority");
const INTENTIONS: Action = Action::Later("the store of intentions");
const CHAIN: Action = Action::Later("the discovery chain compiler");
const PEERINGS: Action = Action::Later("cluster peering");

pub(super) const ROUTES: &[Route] = &[
    Route::exact(
        "/v1/config",
        &[Operation::put("Write a config entry.", ENTRIES).with(&[CAS, DC]).taking(RequestBody::Json)],
    ),
    Route::subtree(
        "/v1/config/",
        "kind_and_name",
        &[
            Operation::get("Read a config entry, or list those of a kind.", ENTRIES)
                .with(&[DC, BLOCKING, MODES])
                .telling(Tells::All),
            Operation::delete("Delete a config entry.", ENTRIES).with(&[CAS, DC]),
        ],
    ),
    Route::exact(
        "/v1/connect/ca/configuration",
        &[
            Operation::get("Read the certificate authority's configuration.", AUTHORITY).with(&[DC]),
            Operation::put("Change the certificate authority's configuration.", AUTHORITY)
                .with(&[DC])
                .taking(RequestBody::Json)
                .answering(Answers::Empty),
        ],
    ),
    Route::exact(
        "/v1/connect/ca/roots",
        &[Operation::get("Root certificates.", run!(connect_ca::roots))
            .with(&[PEM, DC, BLOCKING, MODES])
            .telling(Tells::All)],
    ),
    Route::exact(
        "/v1/connect/intentions",
        &[
            Operation::get("List intentions.", INTENTIONS).with(&[FILTER, DC, BLOCKING, MODES]).telling(Tells::All),
            Operation::post("Create an intention.", INTENTIONS).with(&[DC]).taking(RequestBody::Json),
        ],
    ),
    Route::exact(
        "/v1/connect/intentions/match",
        &[Operation::get("Intentions that match a service.", INTENTIONS)
            .with(&[MATCH, CACHED, DC, BLOCKING, MODES])
            .telling(Tells::All)],
    ),
    Route::exact(
        "/v1/connect/intentions/check",
        &[Operation::get("Whether a connection is allowed.", INTENTIONS).with(&[ENDS, DC]).telling(Tells::All)],
    ),
    Route::exact(
        "/v1/connect/intentions/exact",
        &[
            Operation::get("Read an intention by its ends.", INTENTIONS)
                .with(&[ENDS, DC, BLOCKING, MODES])
                .telling(Tells::All),
            Operation::put("Write an intention by its ends.", INTENTIONS).with(&[ENDS, DC]).taking(RequestBody::Json),
            Operation::delete("Delete an intention by its ends.", INTENTIONS).with(&[ENDS, DC]),
        ],
    ),
    Route::subtree(
        "/v1/connect/intentions/",
        "id",
        &[
            Operation::get("Read an intention.", INTENTIONS).with(&[DC, BLOCKING, MODES]).telling(Tells::All),
            Operation::put("Change an intention.", INTENTIONS).with(&[DC]).taking(RequestBody::Json),
            Operation::delete("Delete an intention.", INTENTIONS).with(&[DC]),
        ],
    ),
    Route::subtree(
        "/v1/discovery-chain/",
        "service",
        &[
            Operation::get("How connections to a service are routed.", CHAIN)
                .with(&[COMPILE_DC, CACHED, DC, BLOCKING, MODES])
                .telling(Tells::AllWithMode),
            Operation::post("How connections to a service are routed, with overrides.", CHAIN)
                .with(&[COMPILE_DC, CACHED, DC, BLOCKING, MODES])
                .taking(RequestBody::Json)
                .telling(Tells::AllWithMode),
        ],
    ),
    Route::exact(
        "/v1/peering/token",
        &[Operation::post("Make a token for a peering.", PEERINGS).taking(RequestBody::Json)],
    ),
    Route::exact(
        "/v1/peering/establish",
        &[Operation::post("Establish a peering with a token.", PEERINGS).taking(RequestBody::Json)],
    ),
    Route::subtree(
        "/v1/peering/",
        "name",
        &[
            Operation::get("Read a peering.", PEERINGS),
            Operation::delete("End a peering.", PEERINGS).answering(Answers::Empty),
        ],
    ),
    Route::exact("/v1/peerings", &[Operation::get("List peerings.", PEERINGS)]),
];
