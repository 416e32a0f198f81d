//! The table of routes: one static list that drives dispatch, `Allow`, the documentation and the OpenAPI document.

use std::collections::HashMap;

use crate::Settings;
use crate::pipeline::Handler;

mod access;
mod catalog;
mod cluster;
mod local;
mod mesh;
mod store;

/// A pattern and what can be done there. A pattern that ends in `/` stands for everything below it.
pub(crate) struct Route {
    pub(crate) pattern: &'static str,
    /// Name of what follows the pattern; empty for an exact pattern.
    pub(crate) argument: &'static str,
    pub(crate) operations: &'static [Operation],
    /// Operations for arguments that end so, instead of the above.
    pub(crate) endings: &'static [(&'static str, &'static [Operation])],
    /// Prepared queries answer OPTIONS with a JSON object and leave OPTIONS out of the `Allow` of a 405.
    pub(crate) answers_options_with_json: bool,
    pub(crate) when: When,
}

/// Whether a route exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Only with `enable_debug`.
    Debug,
}

/// One method of a route.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) does: &'static str,
    pub(crate) parameters: &'static [&'static [Parameter]],
    pub(crate) body: RequestBody,
    pub(crate) answers: Answers,
    pub(crate) tells: Tells,
    pub(crate) action: Action,
}

/// What answers an operation.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Run(Handler),
    /// The capability that does not exist yet.
    Later(&'static str),
}

/// A query parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) about: &'static str,
}

/// Values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Duration,
    Boolean,
    /// On when present, whatever its value.
    Flag,
    /// May be given several times.
    Repeated,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    None,
    Json,
    Raw,
}

/// What a success carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Json,
    Empty,
    Text,
    Binary,
}

/// Metadata headers of a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    Nothing,
    /// `X-Consul-Index` alone.
    Index,
    /// `X-Consul-KnownLeader` and `X-Consul-LastContact`.
    Freshness,
    /// Index, freshness, backend.
    All,
    /// The same and `X-Consul-Effective-Consistency`.
    AllWithMode,
}

impl Route {
    /// A route of one exact path.
    const fn exact(pattern: &'static str, operations: &'static [Operation]) -> Route {
        Route::subtree(pattern, "", operations)
    }

    /// A route of everything below a path.
    const fn subtree(pattern: &'static str, argument: &'static str, operations: &'static [Operation]) -> Route {
        let (endings, answers_options_with_json, when): (&'static [_], _, _) = (&[], false, When::Always);
        Route { pattern, argument, operations, endings, answers_options_with_json, when }
    }

    /// The operations a path has here.
    pub(crate) fn operations_for(&self, path: &[u8]) -> &'static [Operation] {
        let ending = self.endings.iter().find(|(ending, _)| path.ends_with(ending.as_bytes()));
        ending.map_or(self.operations, |(_, operations)| operations)
    }
}

impl Operation {
    const fn new(method: &'static str, does: &'static str, action: Action) -> Operation {
        let (body, answers, tells) = (RequestBody::None, Answers::Json, Tells::Nothing);
        Operation { method, does, parameters: &[], body, answers, tells, action }
    }

    const fn get(does: &'static str, action: Action) -> Operation {
        Operation::new("GET", does, action)
    }

    const fn put(does: &'static str, action: Action) -> Operation {
        Operation::new("PUT", does, action)
    }

    const fn post(does: &'static str, action: Action) -> Operation {
        Operation::new("POST", does, action)
    }

    const fn delete(does: &'static str, action: Action) -> Operation {
        Operation::new("DELETE", does, action)
    }

    const fn with(mut self, parameters: &'static [&'static [Parameter]]) -> Operation {
        self.parameters = parameters;
        self
    }

    const fn taking(mut self, body: RequestBody) -> Operation {
        self.body = body;
        self
    }

    const fn answering(mut self, answers: Answers) -> Operation {
        self.answers = answers;
        self
    }

    const fn telling(mut self, tells: Tells) -> Operation {
        self.tells = tells;
        self
    }
}

/// A handler as an action.
macro_rules! run {
    ($handler:path) => {
        crate::table::Action::Run(|call| Box::pin($handler(call)))
    };
}
pub(crate) use run;

const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

const DC: &[Parameter] = &[parameter("dc", Kind::Text, "Target datacenter; the agent's own by default.")];
const BLOCKING: &[Parameter] = &[
    parameter("index", Kind::Number, "Wait until the result's index is greater."),
    parameter("wait", Kind::Duration, "Longest wait, with index: 5m by default, 10m at most."),
];
const MODES: &[Parameter] = &[
    parameter("stale", Kind::Flag, "Any server may answer."),
    parameter("consistent", Kind::Flag, "The leader confirms its leadership first."),
    parameter("leader", Kind::Flag, "The default mode, whatever discovery_max_stale says."),
    parameter("max_stale", Kind::Duration, "Any server may answer whose data is not older."),
];
const NEAR: &[Parameter] =
    &[parameter("near", Kind::Text, "Sort by round-trip time from this node; _agent is the agent's own.")];
const NODE_META: &[Parameter] =
    &[parameter("node-meta", Kind::Repeated, "Only nodes with this metadata, key:value; all must match.")];
const TAG: &[Parameter] = &[parameter("tag", Kind::Repeated, "Only instances with this tag; all must match.")];
const FILTER: &[Parameter] = &[parameter("filter", Kind::Text, "Filter expression.")];
const CACHED: &[Parameter] = &[parameter("cached", Kind::Flag, "The agent's cache may answer.")];
const CAS: &[Parameter] =
    &[parameter("cas", Kind::Number, "Only if the entry's ModifyIndex is this; 0: only if absent.")];

/// Every part of the table, in the order of the documentation.
const PARTS: [&[Route]; 6] =
    [store::ROUTES, catalog::ROUTES, local::ROUTES, cluster::ROUTES, mesh::ROUTES, access::ROUTES];

/// Every route.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    PARTS.into_iter().flatten()
}

/// The routes of one agent, ready to be found.
pub(crate) struct Routes {
    by_pattern: HashMap<&'static [u8], &'static Route>,
    longest_pattern: usize,
}

impl Routes {
    pub(crate) fn new(settings: &Settings) -> Routes {
        let exists = |route: &&Route| route.when == When::Always || settings.enable_debug;
        let by_pattern: HashMap<_, _> = all().filter(exists).map(|route| (route.pattern.as_bytes(), route)).collect();
        let longest_pattern = by_pattern.keys().map(|pattern| pattern.len()).max().unwrap_or(0);
        Routes { by_pattern, longest_pattern }
    }

    /// The route with the longest pattern that matches a clean path.
    pub(crate) fn find(&self, path: &[u8]) -> Option<&'static Route> {
        let head = &path[..path.len().min(self.longest_pattern)];
        if head.len() == path.len()
            && let Some(route) = self.by_pattern.get(path)
        {
            return Some(route);
        }
        let ends = (0..head.len()).rev().filter(|at| head[*at] == b'/');
        ends.map(|at| &head[..=at]).find_map(|prefix| self.by_pattern.get(prefix).copied())
    }

    /// Whether a path is a subtree's pattern but for the slash, and nothing else.
    pub(crate) fn is_subtree_without_slash(&self, path: &[u8]) -> bool {
        if path.len() >= self.longest_pattern || path.ends_with(b"/") || self.by_pattern.contains_key(path) {
            return false;
        }
        let mut with_slash = [0; 64];
        let Some(buffer) = with_slash.get_mut(..=path.len()) else { return false };
        buffer[..path.len()].copy_from_slice(path);
        buffer[path.len()] = b'/';
        self.by_pattern.contains_key(&*buffer)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
