//! Headers of our own, and what an answer tells about itself (`docs/spec/http-api.md` §1.6).

use std::time::Duration;

use ::agent::cache::CacheMeta;
use http::header::{AGE, HeaderMap, HeaderName, HeaderValue};
use types::{Backend, Consistency, QueryMeta};

pub(crate) const X_CONSUL_INDEX: HeaderName = HeaderName::from_static("x-consul-index");
pub(crate) const X_CONSUL_TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
pub(crate) const X_CONSUL_NAMESPACE: HeaderName = HeaderName::from_static("x-consul-namespace");
pub(crate) const X_CONSUL_PARTITION: HeaderName = HeaderName::from_static("x-consul-partition");
pub(crate) const X_CONSUL_DEFAULT_ACL_POLICY: HeaderName = HeaderName::from_static("x-consul-default-acl-policy");
pub(crate) const X_CONSUL_TRANSLATE_ADDRESSES: HeaderName = HeaderName::from_static("x-consul-translate-addresses");
pub(crate) const X_CONSUL_REASON: HeaderName = HeaderName::from_static("x-consul-reason");
pub(crate) const X_CONSUL_CONTENT_HASH: HeaderName = HeaderName::from_static("x-consul-contenthash");
const X_CONSUL_KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const X_CONSUL_LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
const X_CONSUL_EFFECTIVE_CONSISTENCY: HeaderName = HeaderName::from_static("x-consul-effective-consistency");
const X_CONSUL_QUERY_BACKEND: HeaderName = HeaderName::from_static("x-consul-query-backend");
const X_CONSUL_RESULTS_FILTERED: HeaderName = HeaderName::from_static("x-consul-results-filtered-by-acls");

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Whether a cache had what a cached read asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheStatus {
    Miss,
    /// It had; how old it is.
    Hit {
        age: Duration,
    },
}

impl CacheStatus {
    /// What the agent's cache tells of an answer.
    pub(crate) fn of(kept: CacheMeta) -> CacheStatus {
        if kept.hit { CacheStatus::Hit { age: kept.age } } else { CacheStatus::Miss }
    }

    /// Writes `X-Cache`, and `Age` in whole seconds for what was there.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        match self {
            CacheStatus::Miss => drop(headers.insert(X_CACHE, HeaderValue::from_static("MISS"))),
            CacheStatus::Hit { age } => {
                headers.insert(X_CACHE, HeaderValue::from_static("HIT"));
                headers.insert(AGE, HeaderValue::from(age.as_secs()));
            }
        }
    }
}

/// The metadata headers of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    /// What the server told.
    pub(crate) meta: QueryMeta,
    /// The mode of the read, on endpoints that name it.
    pub(crate) consistency: Option<Consistency>,
    /// Whether the request had a token: only then is it told that something was left out.
    pub(crate) has_token: bool,
}

impl Metadata {
    /// Writes all metadata headers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        write_index(headers, self.meta.index);
        self.write_freshness(headers);
        let backend = match self.meta.backend {
            Backend::BlockingQuery => "blocking-query",
            Backend::Streaming => "streaming",
        };
        headers.insert(X_CONSUL_QUERY_BACKEND, HeaderValue::from_static(backend));
        if let Some(consistency) = self.consistency {
            let text = match consistency {
                Consistency::Default => "leader",
                Consistency::Consistent => "consistent",
                Consistency::Stale => "stale",
            };
            headers.insert(X_CONSUL_EFFECTIVE_CONSISTENCY, HeaderValue::from_static(text));
        }
        if self.meta.filtered_by_acls && self.has_token {
            headers.insert(X_CONSUL_RESULTS_FILTERED, HeaderValue::from_static("true"));
        }
    }

    /// Writes whether there is a leader and how long ago it was heard: all that a reading transaction tells.
    pub(crate) fn write_freshness(&self, headers: &mut HeaderMap) {
        let known = if self.meta.known_leader { "true" } else { "false" };
        headers.insert(X_CONSUL_KNOWN_LEADER, HeaderValue::from_static(known));
        let milliseconds = u64::try_from(self.meta.last_contact.as_millis()).unwrap_or(u64::MAX);
        headers.insert(X_CONSUL_LAST_CONTACT, HeaderValue::from(milliseconds));
    }
}

/// Writes the index; 0 is sent as 1, for clients that would spin on 0.
pub(crate) fn write_index(headers: &mut HeaderMap, index: u64) {
    headers.insert(X_CONSUL_INDEX, HeaderValue::from(index.max(1)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(metadata: &Metadata) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        metadata.write(&mut headers);
        let pairs = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        pairs.collect()
    }

    #[test]
    fn zero_metadata_has_index_one_and_no_mode() {
        let expected = [
            ("x-consul-index", "1"),
            ("x-consul-knownleader", "false"),
            ("x-consul-lastcontact", "0"),
            ("x-consul-query-backend", "blocking-query"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(written(&Metadata::default()), expected);
    }

    #[test]
    fn last_contact_is_in_whole_milliseconds() {
        let meta = QueryMeta { last_contact: Duration::from_micros(1999), ..QueryMeta::default() };
        let headers = written(&Metadata { meta, ..Metadata::default() });
        assert!(headers.contains(&("x-consul-lastcontact".to_owned(), "1".to_owned())), "{headers:?}");
    }

    #[test]
    fn filtering_is_told_to_requests_with_a_token_only() {
        for has_token in [true, false] {
            let meta = QueryMeta { filtered_by_acls: true, ..QueryMeta::default() };
            let headers = written(&Metadata { meta, has_token, ..Metadata::default() });
            let told = headers.iter().any(|(name, _)| name == "x-consul-results-filtered-by-acls");
            assert_eq!(told, has_token);
        }
    }
}
