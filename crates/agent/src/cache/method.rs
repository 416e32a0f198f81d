//! Which methods are cached, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use types::method::{
    CatalogListDatacenters, CatalogListServices, CatalogNodeServices, CatalogServiceNodes, ConnectCaRoots,
    DatacenterRequest, HealthServiceNodes, Indexed, NodeRequest, PreparedQueryExecute, QueryExecuteReply,
    QueryExecuteRequest, ServiceRequest,
};
use types::{Consistency, Method, QueryMeta, QueryOptions, QuerySource, Version, Want};

/// How long a followed entry waits for a change before it asks again.
const FOLLOW_WAIT: Duration = Duration::from_secs(600);

/// How an entry is kept up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// By reads that wait for a change.
    Followed,
    /// Fetched again when it is too old.
    Polled,
}

/// A method whose answers may be kept.
pub trait Cached: Method<Request: Clone + Sync, Reply: Clone + Sync> {
    /// How its entries are kept up to date.
    const UPKEEP: Upkeep;

    /// Everything in a request that shapes the answer.
    fn key(request: &Self::Request) -> Vec<u8>;

    /// Options of the read; nothing for a method that has none.
    fn options(request: &Self::Request) -> Option<&QueryOptions>;

    /// The request that fetches what is newer than `min_index`; 0 for what there is.
    fn to_fetch(request: &Self::Request, min_index: u64) -> Self::Request;

    /// Index of an answer; 0 for a method that has none.
    fn index(reply: &Self::Reply) -> u64;

    /// As much of a kept answer as is wanted.
    fn show(reply: &Self::Reply, want: Want, version: Version) -> Self::Reply;
}

/// A request of a method that can be followed.
trait Asked: Clone {
    /// Everything that shapes the answer but the options.
    fn parts(&self, parts: Parts) -> Parts;
    fn options(&self) -> &QueryOptions;
    fn options_mut(&mut self) -> &mut QueryOptions;
}

macro_rules! followed {
    ($($method:ident from $consistency:ident;)*) => {
        $(impl Cached for $method {
            const UPKEEP: Upkeep = Upkeep::Followed;

            fn key(request: &Self::Request) -> Vec<u8> {
                request.parts(Parts::of(request.options())).0
            }

            fn options(request: &Self::Request) -> Option<&QueryOptions> {
                Some(&request.options)
            }

            fn to_fetch(request: &Self::Request, min_index: u64) -> Self::Request {
                following(request, min_index, Consistency::$consistency)
            }

            fn index(reply: &Self::Reply) -> u64 {
                reply.meta.index
            }

            fn show(reply: &Self::Reply, want: Want, version: Version) -> Self::Reply {
                shown(reply, want, version)
            }
        })*
    };
}

followed! {
    CatalogListServices from Stale;
    CatalogNodeServices from Stale;
    CatalogServiceNodes from Stale;
    ConnectCaRoots from Default;
    HealthServiceNodes from Stale;
}

/// A read that waits for what is newer than `min_index`.
fn following<R: Asked>(request: &R, min_index: u64, consistency: Consistency) -> R {
    let mut request = request.clone();
    let options = request.options_mut();
    options.consistency = consistency;
    options.max_stale = Duration::ZERO;
    options.min_index = min_index;
    options.max_wait = FOLLOW_WAIT;
    options.want = Want::Answer;
    request
}

fn shown<T: Clone + Default>(reply: &Indexed<T>, want: Want, version: Version) -> Indexed<T> {
    let value = if want == Want::Version { T::default() } else { reply.value.clone() };
    let index = version.index;
    Indexed { value, meta: QueryMeta { index, version: Some(version), ..reply.meta.clone() } }
}

impl Cached for CatalogListDatacenters {
    const UPKEEP: Upkeep = Upkeep::Polled;

    fn key((): &()) -> Vec<u8> {
        Vec::new()
    }

    fn options((): &()) -> Option<&QueryOptions> {
        None
    }

    fn to_fetch((): &(), _min_index: u64) {}

    fn index(_reply: &Vec<String>) -> u64 {
        0
    }

    fn show(reply: &Vec<String>, _want: Want, _version: Version) -> Vec<String> {
        reply.clone()
    }
}

impl Cached for PreparedQueryExecute {
    const UPKEEP: Upkeep = Upkeep::Polled;

    fn key(request: &QueryExecuteRequest) -> Vec<u8> {
        Parts::of(&request.options)
            .with(request.query_id_or_name.as_bytes())
            .with(&request.limit.to_le_bytes())
            .with(&[u8::from(request.connect)])
            .with_source(&request.source)
            .with_source(&request.agent)
            .with(request.source_ip.as_bytes())
            .0
    }

    fn options(request: &QueryExecuteRequest) -> Option<&QueryOptions> {
        Some(&request.options)
    }

    fn to_fetch(request: &QueryExecuteRequest, _min_index: u64) -> QueryExecuteRequest {
        let mut request = request.clone();
        request.options.consistency = Consistency::Stale;
        request.options.max_stale = Duration::ZERO;
        request.options.want = Want::Answer;
        request
    }

    fn index(reply: &QueryExecuteReply) -> u64 {
        reply.meta.index
    }

    fn show(reply: &QueryExecuteReply, _want: Want, _version: Version) -> QueryExecuteReply {
        reply.clone()
    }
}

impl Asked for ServiceRequest {
    fn parts(&self, parts: Parts) -> Parts {
        let flags = [self.connect, self.ingress, self.merge_central_config];
        parts
            .with(self.service.as_bytes())
            .with_all(self.tags.iter())
            .with_map(&self.node_meta)
            .with_source(&self.source)
            .with(&flags.map(u8::from))
            .with(self.peer_name.as_bytes())
    }

    fn options(&self) -> &QueryOptions {
        &self.options
    }

    fn options_mut(&mut self) -> &mut QueryOptions {
        &mut self.options
    }
}

impl Asked for DatacenterRequest {
    fn parts(&self, parts: Parts) -> Parts {
        parts.with_map(&self.node_meta).with_source(&self.source)
    }

    fn options(&self) -> &QueryOptions {
        &self.options
    }

    fn options_mut(&mut self) -> &mut QueryOptions {
        &mut self.options
    }
}

impl Asked for NodeRequest {
    fn parts(&self, parts: Parts) -> Parts {
        parts.with(self.node.as_bytes())
    }

    fn options(&self) -> &QueryOptions {
        &self.options
    }

    fn options_mut(&mut self) -> &mut QueryOptions {
        &mut self.options
    }
}

/// Parts that do not run into each other, as bytes.
struct Parts(Vec<u8>);

impl Parts {
    /// What every read is shaped by.
    fn of(options: &QueryOptions) -> Parts {
        Parts(Vec::with_capacity(128))
            .with(options.datacenter.as_bytes())
            .with(options.token.as_bytes())
            .with(options.filter.as_bytes())
    }

    fn with(mut self, part: &[u8]) -> Parts {
        self.0.extend_from_slice(&part.len().to_le_bytes());
        self.0.extend_from_slice(part);
        self
    }

    fn with_all<'a>(self, all: impl ExactSizeIterator<Item = &'a String>) -> Parts {
        let count = all.len();
        all.fold(self.with(&count.to_le_bytes()), |parts, part| parts.with(part.as_bytes()))
    }

    fn with_map(self, map: &BTreeMap<String, String>) -> Parts {
        self.with_all(map.keys()).with_all(map.values())
    }

    fn with_source(self, source: &QuerySource) -> Parts {
        self.with(source.datacenter.as_bytes()).with(source.node.as_bytes()).with(source.segment.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl FnOnce(&mut ServiceRequest)) -> ServiceRequest {
        let mut request = ServiceRequest { service: "web".to_owned(), ..ServiceRequest::default() };
        change(&mut request);
        request
    }

    #[test]
    fn everything_that_shapes_an_answer_is_in_its_key_and_nothing_else() {
        let key = |request: ServiceRequest| HealthServiceNodes::key(&request);
        let plain = key(request(|_| {}));
        let same: [ServiceRequest; 3] = [
            request(|r| r.options.min_index = 7),
            request(|r| r.options.max_wait = Duration::from_secs(1)),
            request(|r| r.options.want = Want::Version),
        ];
        for request in same {
            assert_eq!(key(request.clone()), plain, "{request:?}");
        }
        let other = [
            request(|r| r.service = "w".to_owned()),
            request(|r| r.tags = vec!["a".to_owned()]),
            request(|r| drop(r.node_meta.insert("a".to_owned(), String::new()))),
            request(|r| r.source.node = "n".to_owned()),
            request(|r| r.connect = true),
            request(|r| r.ingress = true),
            request(|r| r.merge_central_config = true),
            request(|r| r.peer_name = "p".to_owned()),
            request(|r| r.options.token = "t".to_owned()),
            request(|r| r.options.datacenter = "dc2".to_owned()),
            request(|r| r.options.filter = "a == b".to_owned()),
        ];
        let keys: std::collections::HashSet<_> = other.into_iter().map(key).chain([plain]).collect();
        assert_eq!(keys.len(), 12);
    }

    #[test]
    fn what_follows_waits_for_a_change_at_any_server() {
        let fetched = HealthServiceNodes::to_fetch(&request(|r| r.options.want = Want::Version), 9);
        let options = &fetched.options;
        assert_eq!((options.consistency, options.min_index, options.want), (Consistency::Stale, 9, Want::Answer));
        let roots = ConnectCaRoots::to_fetch(&DatacenterRequest::default(), 0);
        assert_eq!(roots.options.consistency, Consistency::Default);
    }
}
