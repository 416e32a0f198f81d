//! How long requests take, by route and method (`docs/spec/server-operations.md` §17.4).

use std::collections::HashMap;
use std::time::Instant;

use http::Method;
use telemetry::metrics::{Sample, sample_with};

use crate::table;

/// The samples of every operation of the table.
pub(crate) struct Timings(HashMap<(&'static str, &'static str), Sample>);

impl Timings {
    pub(crate) fn new() -> Timings {
        let operations = table::all().flat_map(|route| {
            let endings = route.endings.iter().flat_map(|(_, operations)| operations.iter());
            route.operations.iter().chain(endings).map(|operation| (route.pattern, operation.method))
        });
        Timings(operations.map(|(pattern, method)| ((pattern, method), sample(pattern, method))).collect())
    }

    /// Notes that a request has been answered; one with a method that the route does not have is not counted.
    pub(crate) fn record(&self, pattern: &'static str, method: &Method, started: Instant) {
        // The lookup wants a name that lives as long as the table's: the table's own.
        const METHODS: [&str; 4] = ["GET", "PUT", "POST", "DELETE"];
        let name = METHODS.into_iter().find(|name| *name == method.as_str());
        if let Some(sample) = name.and_then(|name| self.0.get(&(pattern, name))) {
            sample.record_since(started);
        }
    }
}

/// A path's label is its pattern without the first slash, the others as underscores.
fn sample(pattern: &str, method: &str) -> Sample {
    let path = pattern.trim_start_matches('/').replace('/', "_");
    sample_with("api.http", &[("method", method), ("path", &path)])
}
