//! Options of reads and writes, and what an answer says about itself.

use std::{collections::BTreeMap, time::Duration};

use http::HeaderMap;

/// How a read is done. Everything unset keeps the client's or the agent's default.
///
/// ```
/// use std::time::Duration;
/// let options = api::QueryOptions::new().dc("dc2").stale().index(42).wait(Duration::from_secs(60));
/// assert_eq!(options.index, 42);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueryOptions {
    /// Datacenter to ask; the agent's own when unset.
    pub dc: Option<String>,
    /// Namespace (the open-source reference refuses any).
    pub namespace: Option<String>,
    /// Admin partition (the open-source reference refuses any).
    pub partition: Option<String>,
    /// Any server may answer, even without a leader.
    pub stale: bool,
    /// The leader confirms its leadership before answering.
    pub consistent: bool,
    /// Block until the result's index is greater; 0 answers at once.
    pub index: u64,
    /// Longest time to block; the agent's default is 5 minutes, its cap 10.
    pub wait: Option<Duration>,
    /// Block until the content hash differs (`agent/service` only).
    pub hash: Option<String>,
    /// Token of this call instead of the client's.
    pub token: Option<String>,
    /// Sort by round-trip time from this node; `_agent` is the agent asked.
    pub near: Option<String>,
    /// Filter expression (`docs/spec/http-api.md §2`).
    pub filter: Option<String>,
    /// Node metadata that must all match.
    pub node_meta: BTreeMap<String, String>,
    /// Answer from the agent's cache where the endpoint has one; ignored with `consistent`.
    pub cached: bool,
    /// Oldest acceptable cached answer.
    pub max_age: Option<Duration>,
    /// How old a cached answer may be when the servers cannot be reached.
    pub stale_if_error: Option<Duration>,
    /// Proxies and gateways come with central configuration merged in.
    pub merge_central_config: bool,
    /// Name of a peering to read imported services of.
    pub peer: Option<String>,
    /// Gossip relay factor of keyring operations, 0 to 5.
    pub relay_factor: u8,
    /// Keyring list of the local agent only.
    pub local_only: bool,
}

/// How a write is done. Everything unset keeps the client's or the agent's default.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Datacenter to write to; the agent's own when unset.
    pub dc: Option<String>,
    /// Namespace (the open-source reference refuses any).
    pub namespace: Option<String>,
    /// Admin partition (the open-source reference refuses any).
    pub partition: Option<String>,
    /// Token of this call instead of the client's.
    pub token: Option<String>,
    /// Gossip relay factor of keyring operations, 0 to 5.
    pub relay_factor: u8,
}

/// An empty string leaves the option unset, as an empty flag or query parameter does.
fn given(value: impl Into<String>) -> Option<String> {
    let value = value.into();
    (!value.is_empty()).then_some(value)
}

impl QueryOptions {
    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`dc`](Self::dc); an empty name unsets it.
    pub fn dc(mut self, dc: impl Into<String>) -> Self {
        self.dc = given(dc);
        self
    }

    /// Sets [`namespace`](Self::namespace); an empty name unsets it.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = given(namespace);
        self
    }

    /// Sets [`partition`](Self::partition); an empty name unsets it.
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        self.partition = given(partition);
        self
    }

    /// Any server may answer.
    pub fn stale(mut self) -> Self {
        self.stale = true;
        self
    }

    /// The leader confirms its leadership first.
    pub fn consistent(mut self) -> Self {
        self.consistent = true;
        self
    }

    /// Sets [`index`](Self::index).
    pub fn index(mut self, index: u64) -> Self {
        self.index = index;
        self
    }

    /// Sets [`wait`](Self::wait).
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Sets [`hash`](Self::hash).
    pub fn hash(mut self, hash: impl Into<String>) -> Self {
        self.hash = given(hash);
        self
    }

    /// Sets [`token`](Self::token); an empty one unsets it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = given(token);
        self
    }

    /// Sets [`near`](Self::near).
    pub fn near(mut self, node: impl Into<String>) -> Self {
        self.near = given(node);
        self
    }

    /// Sets [`filter`](Self::filter).
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.filter = given(expression);
        self
    }

    /// Adds one pair to [`node_meta`](Self::node_meta).
    pub fn node_meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.node_meta.insert(key.into(), value.into());
        self
    }

    /// Answer from the agent's cache.
    pub fn cached(mut self) -> Self {
        self.cached = true;
        self
    }

    /// Sets [`max_age`](Self::max_age).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets [`stale_if_error`](Self::stale_if_error).
    pub fn stale_if_error(mut self, age: Duration) -> Self {
        self.stale_if_error = Some(age);
        self
    }

    /// Merge central configuration in.
    pub fn merge_central_config(mut self) -> Self {
        self.merge_central_config = true;
        self
    }

    /// Sets [`peer`](Self::peer).
    pub fn peer(mut self, peering: impl Into<String>) -> Self {
        self.peer = given(peering);
        self
    }

    /// Sets [`relay_factor`](Self::relay_factor).
    pub fn relay_factor(mut self, factor: u8) -> Self {
        self.relay_factor = factor;
        self
    }

    /// Only the local agent's keys.
    pub fn local_only(mut self) -> Self {
        self.local_only = true;
        self
    }

    /// Query parameters, without the client's defaults.
    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        let mut params = scope(&self.dc, &self.namespace, &self.partition, self.relay_factor);
        let mut flag = |on: bool, name| {
            if on {
                params.push((name, String::new()));
            }
        };
        flag(self.stale, "stale");
        flag(self.consistent, "consistent");
        flag(self.cached && !self.consistent, "cached");
        flag(self.merge_central_config, "merge-central-config");
        let texts = [("hash", &self.hash), ("near", &self.near), ("filter", &self.filter), ("peer", &self.peer)];
        params.extend(texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        if self.index != 0 {
            params.push(("index", self.index.to_string()));
        }
        if let Some(wait) = self.wait.filter(|wait| !wait.is_zero()) {
            params.push(("wait", wait_param(wait)));
        }
        params.extend(self.node_meta.iter().map(|(key, value)| ("node-meta", format!("{key}:{value}"))));
        if self.local_only {
            params.push(("local-only", "true".to_owned()));
        }
        params
    }

    /// The `Cache-Control` request header, when a bound on cached answers is set.
    pub(crate) fn cache_control(&self) -> Option<String> {
        if !self.cached || self.consistent {
            return None;
        }
        let bound = |name: &str, age: Option<Duration>| {
            age.filter(|age| !age.is_zero()).map(|age| format!("{name}={}", age.as_secs()))
        };
        let parts: Vec<String> = [bound("max-age", self.max_age), bound("stale-if-error", self.stale_if_error)]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl WriteOptions {
    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`dc`](Self::dc); an empty name unsets it.
    pub fn dc(mut self, dc: impl Into<String>) -> Self {
        self.dc = given(dc);
        self
    }

    /// Sets [`namespace`](Self::namespace); an empty name unsets it.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = given(namespace);
        self
    }

    /// Sets [`partition`](Self::partition); an empty name unsets it.
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        self.partition = given(partition);
        self
    }

    /// Sets [`token`](Self::token); an empty one unsets it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = given(token);
        self
    }

    /// Sets [`relay_factor`](Self::relay_factor).
    pub fn relay_factor(mut self, factor: u8) -> Self {
        self.relay_factor = factor;
        self
    }

    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        scope(&self.dc, &self.namespace, &self.partition, self.relay_factor)
    }
}

fn scope(
    dc: &Option<String>,
    namespace: &Option<String>,
    partition: &Option<String>,
    relay_factor: u8,
) -> Vec<(&'static str, String)> {
    let texts = [("dc", dc), ("ns", namespace), ("partition", partition)];
    let mut params: Vec<_> = texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    if relay_factor != 0 {
        params.push(("relay-factor", relay_factor.to_string()));
    }
    params
}

/// Whole milliseconds, rounded up: a wait of less than one must not become "unset".
pub(crate) fn wait_param(wait: Duration) -> String {
    format!("{}ms", wait.as_nanos().div_ceil(1_000_000))
}

/// What an answer says about itself (`docs/spec/http-api.md §1.6`). Endpoints without metadata leave the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueryMeta {
    /// Index to block on next; 0 when the endpoint has none.
    pub last_index: u64,
    /// Hash to block on next (`agent/service` only).
    pub content_hash: Option<String>,
    /// Time since the answering server last heard the leader.
    pub last_contact: Duration,
    /// The answering server knew a leader.
    pub known_leader: bool,
    /// `leader`, `stale` or `consistent`, on endpoints that say so.
    pub effective_consistency: Option<String>,
    /// `blocking-query` or `streaming`.
    pub query_backend: Option<String>,
    /// Something was left out because the token may not see it.
    pub results_filtered_by_acls: bool,
    /// The agent's `allow` or `deny`.
    pub default_acl_policy: Option<String>,
    /// Addresses of other datacenters are translated to their WAN form.
    pub address_translation: bool,
    /// Answered from the agent's cache.
    pub cache_hit: bool,
    /// Age of a cached answer.
    pub cache_age: Duration,
    /// Round trip of this request, up to the response headers.
    pub request_time: Duration,
}

impl QueryMeta {
    pub(crate) fn from_headers(headers: &HeaderMap, request_time: Duration) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        QueryMeta {
            last_index: number("x-consul-index"),
            content_hash: text("x-consul-contenthash").and_then(given),
            last_contact: Duration::from_millis(number("x-consul-lastcontact")),
            known_leader: text("x-consul-knownleader") == Some("true"),
            effective_consistency: text("x-consul-effective-consistency").and_then(given),
            query_backend: text("x-consul-query-backend").and_then(given),
            results_filtered_by_acls: text("x-consul-results-filtered-by-acls") == Some("true"),
            default_acl_policy: text("x-consul-default-acl-policy").and_then(given),
            address_translation: text("x-consul-translate-addresses") == Some("true"),
            cache_hit: text("x-cache") == Some("HIT"),
            cache_age: Duration::from_secs(number("age")),
            request_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_becomes_its_parameter() {
        let options = QueryOptions::new()
            .dc("d")
            .namespace("n")
            .partition("p")
            .stale()
            .index(7)
            .wait(Duration::from_micros(1_500))
            .hash("h")
            .near("_agent")
            .filter("a == b")
            .node_meta("k", "v")
            .cached()
            .merge_central_config()
            .peer("east")
            .relay_factor(3)
            .local_only();
        let mut params = options.params();
        params.sort();
        let expected = [
            ("cached", ""),
            ("dc", "d"),
            ("filter", "a == b"),
            ("hash", "h"),
            ("index", "7"),
            ("local-only", "true"),
            ("merge-central-config", ""),
            ("near", "_agent"),
            ("node-meta", "k:v"),
            ("ns", "n"),
            ("partition", "p"),
            ("peer", "east"),
            ("relay-factor", "3"),
            ("stale", ""),
            ("wait", "2ms"),
        ];
        assert_eq!(params, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_consistent_read_is_never_cached() {
        let options = QueryOptions::new().cached().consistent().max_age(Duration::from_secs(5));
        assert_eq!(options.params(), [("consistent", String::new())]);
        assert_eq!(options.cache_control(), None);
    }

    #[test]
    fn cache_bounds_are_whole_seconds() {
        let options =
            QueryOptions::new().cached().max_age(Duration::from_secs(5)).stale_if_error(Duration::from_millis(60_500));
        assert_eq!(options.cache_control().as_deref(), Some("max-age=5, stale-if-error=60"));
    }

    #[test]
    fn metadata_is_read_from_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-consul-index", "12"),
            ("x-consul-knownleader", "true"),
            ("x-consul-lastcontact", "250"),
            ("x-consul-query-backend", "streaming"),
            ("x-cache", "HIT"),
            ("age", "9"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let meta = QueryMeta::from_headers(&headers, Duration::ZERO);
        let expected = QueryMeta {
            last_index: 12,
            known_leader: true,
            last_contact: Duration::from_millis(250),
            query_backend: Some("streaming".to_owned()),
            cache_hit: true,
            cache_age: Duration::from_secs(9),
            ..QueryMeta::default()
        };
        assert_eq!(meta, expected);
    }
}
