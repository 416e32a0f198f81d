//! The HTTP door: listeners, routes, parameters, consistency headers, JSON in and out.
//!
//! A request goes through the pipeline (`pipeline`), which finds its route in one static table (`table`) and hands it to a
//! handler (`routes`). A handler reads parameters (`params`), asks the agent, and builds an answer (`reply`) with its
//! metadata (`meta`). Reads of catalog and health share encoded answers (`reads`). The table also makes the documentation and the OpenAPI document ([`openapi`]).

#![forbid(unsafe_code)]

mod error;
mod gzip;
mod limit;
mod listener;
mod meta;
pub mod openapi;
mod params;
mod path;
mod pipeline;
mod reads;
mod reply;
mod routes;
mod server;
mod settings;
mod table;
mod timings;

pub use error::Error;
pub use listener::{Listener, Socket, UnixSocket};
pub use server::{HttpServer, start};
pub use settings::{DEFAULT_MAX_HEADER_BYTES, Network, Settings};

/// Entry points for fuzzing: everything that reads what a client sends before an agent is asked.
#[doc(hidden)]
pub mod fuzzing {
    use http::HeaderMap;

    use crate::Settings;
    use crate::params::{Enterprise, Query, query_options, refuse_enterprise};

    /// Reads a path and a query string as the pipeline does.
    pub fn target(path: &str, query: &str) {
        if let Ok(decoded) = crate::path::decode(path) {
            let printable = crate::path::is_printable(&decoded);
            let cleaned = crate::path::clean(&decoded).unwrap_or_else(|| decoded.to_vec());
            assert!(crate::path::clean(&cleaned).is_none(), "cleaning twice changes nothing");
            assert!(!printable || crate::path::is_printable(&cleaned), "cleaning adds nothing");
            let again = crate::path::encode(&cleaned);
            assert_eq!(crate::path::decode(&again).ok().as_deref(), Some(&cleaned[..]), "escaping loses nothing");
            crate::table::Routes::new(&Settings::default()).find(&cleaned);
        }
        let Ok(parsed) = Query::parse(query) else { return };
        let headers = HeaderMap::new();
        let _ = query_options(&parsed, &headers, path.as_bytes(), &Settings::default());
        let _ = refuse_enterprise(&parsed, &headers, Enterprise::Both);
        let _ = parsed.node_meta();
        let sorted = parsed.encode_sorted();
        assert!(Query::parse(&sorted).is_ok(), "an escaped query can be read again");
    }

    /// Decodes the body of a transaction.
    pub fn txn_body(body: &[u8]) {
        let _ = crate::routes::txn_body::decode(body, 1024);
    }

    /// Decodes a service definition and a check definition as an agent is sent them, and checks the service.
    pub fn definitions(body: &[u8]) {
        crate::routes::agent_service::read_definition(body);
        crate::routes::agent_check::read_definition(body);
    }

    /// Decodes the body of a catalog registration.
    pub fn register_body(body: &[u8]) {
        let _ = crate::routes::body::decode_catalog::<crate::routes::body::RegisterBody>(body);
    }
}
