//! Query strings, and the parameters most routes share (`docs/spec/http-api.md` §1.4, §1.5, §1.7, §1.11).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName};
use types::{Consistency, QueryOptions};
use wire::GoDuration;
use wire::quote::go_quote;

use crate::Settings;
use crate::meta::{X_CONSUL_NAMESPACE, X_CONSUL_PARTITION, X_CONSUL_TOKEN};
use crate::path::{BadEscape, decode_into, push_escape};
use crate::reply::Failure;

/// A decoded query string: names and values as bytes, in the order of the request.
#[derive(Debug, Default)]
pub(crate) struct Query {
    text: Vec<u8>,
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

impl Query {
    /// Reads a raw query string; a bad escape and a raw `;` are refused.
    pub(crate) fn parse(raw: &str) -> Result<Query, BadEscape> {
        if raw.is_empty() {
            return Ok(Query::default());
        }
        let mut query = Query { text: Vec::with_capacity(raw.len()), pairs: Vec::with_capacity(4) };
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return Err(BadEscape);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let start = query.text.len();
            decode_into(name.as_bytes(), true, &mut query.text)?;
            let middle = query.text.len();
            decode_into(value.as_bytes(), true, &mut query.text)?;
            query.pairs.push((start..middle, middle..query.text.len()));
        }
        Ok(query)
    }

    /// Whether a name occurs, with any value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| &self.text[key.clone()] == name.as_bytes())
    }

    /// The first value of a name; empty when the name is absent.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        self.values(name).next().unwrap_or_default()
    }

    /// The first value of a name as text; empty when the name is absent.
    pub(crate) fn text(&self, name: &str) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(name))
    }

    /// Every value of a name.
    pub(crate) fn values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.pairs
            .iter()
            .filter(move |(key, _)| &self.text[key.clone()] == name.as_bytes())
            .map(|(_, value)| &self.text[value.clone()])
    }

    /// Every value of a name as text.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.values(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// `node-meta` parameters, split at their first colon.
    pub(crate) fn node_meta(&self) -> BTreeMap<String, String> {
        let pairs = self.texts("node-meta").into_iter();
        pairs.map(|text| text.split_once(':').map_or((text.clone(), String::new()), owned_pair)).collect()
    }

    /// The query string again, sorted by name and escaped afresh, as the reference shows it in errors.
    pub(crate) fn encode_sorted(&self) -> String {
        let mut pairs: Vec<(&[u8], &[u8])> =
            self.pairs.iter().map(|(key, value)| (&self.text[key.clone()], &self.text[value.clone()])).collect();
        pairs.sort_by_key(|(key, _)| *key);
        let mut out = String::with_capacity(self.text.len() + 2 * pairs.len());
        for (key, value) in pairs {
            if !out.is_empty() {
                out.push('&');
            }
            push_query_escaped(&mut out, key);
            out.push('=');
            push_query_escaped(&mut out, value);
        }
        out
    }
}

fn owned_pair((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn push_query_escaped(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(*byte)),
            b' ' => out.push('+'),
            byte => push_escape(out, *byte),
        }
    }
}

/// The token a request brings (`docs/spec/http-api.md` §1.5), or the agent's default.
pub(crate) fn token(query: &Query, headers: &HeaderMap, default_token: &str) -> String {
    let parameter = query.text("token");
    if !parameter.is_empty() {
        return parameter.into_owned();
    }
    let header = headers.get(X_CONSUL_TOKEN).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(header) = header.filter(|header| !header.is_empty()) {
        return header.into_owned();
    }
    bearer(headers).unwrap_or_else(|| default_token.to_owned())
}

/// The first word behind `Bearer` in any case; other schemes are ignored.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let scheme = words.next()?;
    let token = words.next()?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.to_owned())
}

/// Reads `dc`, `index`, `wait`, the consistency modes, `max_stale`, `Cache-Control` and the token, and refuses what the
/// reference refuses, in its order. `path` decides whether `discovery_max_stale` applies.
pub(crate) fn query_options(
    query: &Query,
    headers: &HeaderMap,
    path: &[u8],
    settings: &Settings,
) -> Result<QueryOptions, Failure> {
    let mut options = QueryOptions {
        datacenter: query.text("dc").into_owned(),
        token: token(query, headers, &settings.default_token),
        filter: query.text("filter").into_owned(),
        ..QueryOptions::default()
    };
    let (index, wait) = index_and_wait(query)?;
    options.min_index = index;
    if index > 0 {
        options.max_wait = bounded_wait(wait, settings.default_query_time, settings.max_query_time);
    }
    check_cache_control(headers)?;
    read_consistency(query, path, settings, &mut options)?;
    Ok(options)
}

/// `index` and `wait`; an absent or negative wait is zero.
pub(crate) fn index_and_wait(query: &Query) -> Result<(u64, Duration), Failure> {
    let wait = query.text("wait");
    let wait = match wait.as_ref() {
        "" => Duration::ZERO,
        text => GoDuration::parse(text).map_err(|_| Failure::bad_request("Invalid wait time"))?.as_std(),
    };
    let index = query.text("index");
    let index = match index.as_ref() {
        "" => 0,
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| Failure::bad_request("Invalid index"))?
        }
        _ => return Err(Failure::bad_request("Invalid index")),
    };
    Ok((index, wait))
}

/// How long a blocking query may wait: `default` when it says nothing, never more than `longest`.
pub(crate) fn bounded_wait(wait: Duration, default: Duration, longest: Duration) -> Duration {
    if wait.is_zero() { default.min(longest) } else { wait.min(longest) }
}

fn check_cache_control(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(value) = headers.get(CACHE_CONTROL) else { return Ok(()) };
    let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    for directive in value.split(',') {
        let Some((name, number)) = directive.trim().split_once('=') else { continue };
        if matches!(name, "max-age" | "stale-if-error") && number.parse::<i64>().is_err() {
            return Err(Failure::bad_request("Invalid Cache-Control header."));
        }
    }
    Ok(())
}

fn read_consistency(
    query: &Query,
    path: &[u8],
    settings: &Settings,
    options: &mut QueryOptions,
) -> Result<(), Failure> {
    let consistent = query.has("consistent");
    let cached = query.has("cached") && settings.use_cache;
    let mut stale = query.has("stale");
    let mut unsaid = !(consistent || cached || stale || query.has("leader"));
    let max_stale = query.text("max_stale");
    if !max_stale.is_empty() {
        let bound = GoDuration::parse(&max_stale)
            .map_err(|_| Failure::bad_request(format!("Invalid max_stale value {}", go_quote(&max_stale))))?;
        options.max_stale = bound.as_std();
        if !options.max_stale.is_zero() {
            stale = true;
            unsaid = false;
        }
    }
    let discovery = path.starts_with(b"/v1/catalog") || path.starts_with(b"/v1/health");
    if unsaid && discovery && !settings.discovery_max_stale.is_zero() {
        options.max_stale = settings.discovery_max_stale;
        stale = true;
    }
    if stale && consistent {
        return Err(conflicting_modes("stale"));
    }
    if cached && consistent {
        return Err(conflicting_modes("cached"));
    }
    options.consistency = match (stale, consistent) {
        (true, _) => Consistency::Stale,
        (_, true) => Consistency::Consistent,
        _ => Consistency::Default,
    };
    Ok(())
}

fn conflicting_modes(mode: &str) -> Failure {
    Failure::bad_request(format!("Cannot specify ?{mode} with ?consistent, conflicting semantics."))
}

/// Which features of the enterprise edition a route would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enterprise {
    /// Namespace and partition.
    Both,
    /// Partition alone.
    Partition,
}

/// Refuses a namespace or partition that is not empty (`docs/spec/http-api.md` §1.11).
pub(crate) fn refuse_enterprise(query: &Query, headers: &HeaderMap, features: Enterprise) -> Result<(), Failure> {
    let header_set = |name: HeaderName| headers.get(name).is_some_and(|value| !value.is_empty());
    let refusal = |kind: &str, name: &str, feature: &str| {
        Err(Failure::bad_request(format!("Invalid {kind}: \"{name}\" - {feature} are a Consul Enterprise feature")))
    };
    if features == Enterprise::Both {
        if header_set(X_CONSUL_NAMESPACE) {
            return refusal("header", "X-Consul-Namespace", "Namespaces");
        }
        if !query.bytes("ns").is_empty() {
            return refusal("query parameter", "ns", "Namespaces");
        }
    }
    if header_set(X_CONSUL_PARTITION) {
        return refusal("header", "X-Consul-Partition", "Partitions");
    }
    if !query.bytes("partition").is_empty() {
        return refusal("query parameter", "partition", "Partitions");
    }
    Ok(())
}

/// Reads a number as Go's `strconv.ParseUint` in base 10 does; the error is its text.
pub(crate) fn parse_uint(text: &str) -> Result<u64, String> {
    let refusal = |reason: &str| Err(format!("strconv.ParseUint: parsing {}: {reason}", go_quote(text)));
    if text.is_empty() {
        return refusal("invalid syntax");
    }
    let mut number = 0_u64;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return refusal("invalid syntax");
        }
        let next = number.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(byte - b'0')));
        match next {
            Some(next) => number = next,
            None => return refusal("value out of range"),
        }
    }
    Ok(number)
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
