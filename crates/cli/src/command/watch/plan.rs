//! What to watch, from the flags (docs/spec/cli.md §6.4).

use api::{Client, QueryOptions, ServiceQuery};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use wire::quote::go_quote;

use crate::client::read_options;
use crate::error::Error;
use crate::flag::parse_bool;
use crate::invocation::Invocation;
use crate::json;

/// A watch that can be run.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    Key(String),
    KeyPrefix(String),
    Services,
    Nodes,
    Service(ServiceQuery),
    ServiceChecks(String),
    StateChecks(String),
    Event(String),
}

/// A result: the data as JSON, and its index; or why there is none this time.
pub(super) type Results = BoxStream<'static, Result<(String, u64), String>>;

/// Every type of watch with the flags it takes.
const TYPES: &[(&str, &[&str])] = &[
    ("key", &["key", "stale"]),
    ("keyprefix", &["prefix", "stale"]),
    ("services", &["stale"]),
    ("nodes", &["stale"]),
    ("service", &["service", "tag", "passingonly", "stale"]),
    ("checks", &["service", "state", "stale"]),
    ("event", &["name"]),
];

/// Types that only agents and libraries run.
const NOT_HERE: &[&str] = &["connect_roots", "connect_leaf", "agent_service"];

/// The flags that only some types take.
const PARAMETERS: &[&str] = &["key", "prefix", "service", "tag", "passingonly", "state", "name", "stale"];

impl Plan {
    /// Reads the plan from the flags.
    pub(super) fn read(invocation: &Invocation<'_>) -> Result<Plan, Error> {
        let values = &invocation.values;
        let kind = values.text("type");
        if kind.is_empty() {
            return Err(Error::misused("Watch type must be specified"));
        }
        let has = |name: &str| !values.text(name).is_empty();
        let passing = match values.text("passingonly") {
            "" => false,
            text => parse_bool(text).ok_or_else(|| {
                let cause = format!("strconv.ParseBool: parsing {}: invalid syntax", go_quote(text));
                Error::failed(format!("Failed to parse passingonly flag: {cause}"))
            })?,
        };
        if NOT_HERE.contains(&kind) {
            return Err(Error::failed(format!("Type {kind} is not supported in the CLI tool")));
        }
        let text = |name: &str| values.text(name).to_string();
        let single = |name: &str| {
            if has(name) {
                Ok(text(name))
            } else {
                Err(Error::failed(format!("Must specify a single {name} to watch")))
            }
        };
        let plan = match kind {
            "key" => Plan::Key(single("key")?),
            "keyprefix" => Plan::KeyPrefix(single("prefix")?),
            "services" => Plan::Services,
            "nodes" => Plan::Nodes,
            "service" => {
                let query = values.list("tag").iter().fold(ServiceQuery::new(single("service")?), ServiceQuery::tag);
                Plan::Service(if passing { query.passing() } else { query })
            }
            "checks" if has("service") && has("state") => {
                return Err(Error::failed("Cannot specify service and state"));
            }
            "checks" if has("service") => Plan::ServiceChecks(text("service")),
            "checks" => Plan::StateChecks(if has("state") { text("state") } else { "any".to_string() }),
            "event" => Plan::Event(text("name")),
            other => return Err(Error::failed(format!("Unsupported watch type: {other}"))),
        };
        let taken = TYPES.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, flags)| flags);
        let given = |name: &&&str| has(name) || !values.list(name).is_empty() || values.bool(name);
        let surplus: Vec<&str> =
            PARAMETERS.iter().filter(|name| !taken.contains(name)).filter(given).copied().collect();
        if !surplus.is_empty() {
            return Err(Error::failed(format!("Invalid parameters: [{}]", surplus.join(" "))));
        }
        Ok(plan)
    }

    /// Starts the watch. Data is laid out for people when it is to be printed `once`, else on one line.
    pub(super) fn results(self, client: &Client, invocation: &Invocation<'_>, once: bool) -> Results {
        let options = read_options(invocation);
        let (kv, catalog, health) = (client.kv(), client.catalog(), client.health());
        match self {
            Plan::Key(key) => rendered(kv.watch(key, options), once),
            Plan::KeyPrefix(prefix) => {
                // No keys are no list, which programs tell from an empty one.
                let found = kv
                    .watch_prefix(prefix, options)
                    .map(|result| result.map(|(pairs, meta)| ((!pairs.is_empty()).then_some(pairs), meta)));
                rendered(found, once)
            }
            Plan::Services => rendered(catalog.watch_services(options), once),
            Plan::Nodes => rendered(catalog.watch_nodes(options), once),
            Plan::Service(query) => rendered(health.watch_service(query, options), once),
            Plan::ServiceChecks(service) => rendered(health.watch_checks(service, options), once),
            Plan::StateChecks(state) => rendered(health.watch_state(state, options), once),
            Plan::Event(name) => rendered(client.event().watch(name, QueryOptions::new()), once),
        }
    }
}

fn rendered<T: Serialize + 'static>(
    results: impl Stream<Item = api::Result<(T, api::QueryMeta)>> + Send + 'static,
    once: bool,
) -> Results {
    let render = move |data: &T| if once { json::pretty(data, json::FOUR_SPACES) } else { json::compact(data) };
    results
        .map(move |result| {
            let (data, meta) = result.map_err(|e| e.to_string())?;
            Ok((render(&data).map_err(|e| e.to_string())?, meta.last_index))
        })
        .boxed()
}
