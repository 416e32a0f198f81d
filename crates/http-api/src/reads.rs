//! Reads of catalog and health: answers that many clients share, and what a cache or a subscription would tell them.

mod answers;
mod cached;
mod lru;
mod subscription;

use std::time::Duration;

use ::agent::ReadSource;
use ::agent::cache::CacheMeta;
use ::agent::server::{Handle, Server};
use bytes::Bytes;
use types::method::Indexed;
use types::rpc::RpcMethod;
use types::{Backend, Consistency, QueryMeta, QueryOptions, Version, Want};

use self::answers::Answers;
use self::cached::CachedReads;
pub(crate) use self::cached::{CacheControl, CacheKind};
pub(crate) use self::subscription::Subscription;
use crate::meta::CacheStatus;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply, metadata};
use crate::routes::ask_young;

/// What a door remembers of its reads.
#[derive(Default)]
pub(crate) struct Reads {
    answers: Answers,
    pub(crate) cached: CachedReads,
}

/// Everything that shapes an answer, as bytes. Reads with the same key have the same answer at the same version.
///
/// The token is a part of every key. What a token may see is not told by a version: where that decides about an answer,
/// the server must answer without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The key of a family of reads.
    pub(crate) fn new(family: &str) -> Key {
        Key(Vec::with_capacity(128)).with(family.as_bytes())
    }

    /// The key with a further part.
    pub(crate) fn with(mut self, part: &[u8]) -> Key {
        self.0.extend_from_slice(&part.len().to_le_bytes());
        self.0.extend_from_slice(part);
        self
    }

    /// The key with a list as one further part.
    pub(crate) fn with_all<'a>(self, parts: impl ExactSizeIterator<Item = &'a String>) -> Key {
        let count = parts.len();
        parts.fold(self.with(&count.to_le_bytes()), |key, part| key.with(part.as_bytes()))
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One read of catalog or health.
pub(crate) struct Read<'a> {
    pub(crate) call: &'a Call,
    pub(crate) options: QueryOptions,
    /// What is read.
    pub(crate) key: Key,
    /// Whether instances with checks that do not pass are left out of what is read.
    pub(crate) only_passing: bool,
    /// Where the reference would keep what is read.
    pub(crate) kept_in: Option<CacheKind>,
    /// Whether errors carry zero metadata.
    pub(crate) metadata_with_errors: bool,
}

impl Read<'_> {
    /// Asks a server and answers. `body` makes the answer's JSON; it runs only if no answer of the same version is there.
    pub(crate) async fn answer<M, T>(
        self,
        request: impl Fn(QueryOptions) -> M::Request,
        body: impl FnOnce(T) -> Result<Bytes, Failure>,
    ) -> Answer
    where
        M: RpcMethod<Reply = Indexed<T>>,
        Server: Handle<M>,
    {
        let fail = |failure: Failure| match self.metadata_with_errors {
            true => failure.with_zero_metadata(),
            false => failure,
        };
        let mode = self.options.consistency;
        let known = self.kept_in.is_some_and(|kind| self.call.door.reads.cached.knows(&self.key, kind));
        let options = self.options_to_ask_with();
        let source = self.source();
        let (reply, kept) = match source {
            ReadSource::Servers => {
                let reply = ask_young::<M, T>(self.call, &options, &request).await.map_err(fail)?;
                let hit = known && !reply.meta.waited;
                (reply, CacheMeta { hit, age: Duration::ZERO })
            }
            source => self.ask_kept::<M, T>(request(options.clone()), source).await.map_err(fail)?,
        };
        let (meta, body) = match reply.meta.version {
            None => (reply.meta, body(reply.value)?),
            Some(version) => {
                self.kept_or_made::<M, T>(reply.meta, version, options, request, body).await.map_err(fail)?
            }
        };
        let meta = self.as_told(meta);
        let mut reply = Reply::written_json(body).with_metadata(&metadata(meta, Some(mode), &self.options.token));
        if self.kept_in.is_some() && !known {
            self.call.door.reads.cached.note(&self.key);
        }
        if self.kept_in.is_some() && is_cached(self.call) {
            CacheStatus::of(kept).write(&mut reply.headers);
        }
        Ok(reply)
    }

    /// Where the answer may come from. A server's own state is as new as anything that could be kept of it.
    fn source(&self) -> ReadSource {
        match self.kept_in {
            Some(_) if self.call.door.agent.server().is_some() => ReadSource::Servers,
            Some(CacheKind::Subscription) => ReadSource::Subscription,
            Some(CacheKind::Followed) => ReadSource::Cache(CacheControl::of(&self.call.headers).options()),
            None => ReadSource::Servers,
        }
    }

    async fn ask_kept<M, T>(&self, request: M::Request, source: ReadSource) -> Result<(M::Reply, CacheMeta), Failure>
    where
        M: RpcMethod<Reply = Indexed<T>>,
        Server: Handle<M>,
    {
        self.call.door.agent.read::<M>(request, source).await.map_err(Failure::from)
    }

    /// What a cache or a subscription would hold is asked for from any server: this one.
    fn options_to_ask_with(&self) -> QueryOptions {
        let mut options = QueryOptions { want: Want::Version, ..self.options.clone() };
        let is_server = self.call.door.agent.server().is_some();
        if is_server && self.kept_in.is_some() && options.consistency != Consistency::Consistent {
            options.consistency = Consistency::Stale;
            options.max_stale = Duration::ZERO;
        }
        options
    }

    /// The answer of this version or a later one, kept or made now, with its metadata.
    async fn kept_or_made<M, T>(
        &self,
        meta: QueryMeta,
        version: Version,
        options: QueryOptions,
        request: impl Fn(QueryOptions) -> M::Request,
        body: impl FnOnce(T) -> Result<Bytes, Failure>,
    ) -> Result<(QueryMeta, Bytes), Failure>
    where
        M: RpcMethod<Reply = Indexed<T>>,
        Server: Handle<M>,
    {
        let answers = &self.call.door.reads.answers;
        let key = self.key.clone().with(&[u8::from(self.call.pretty()), u8::from(self.only_passing)]);
        let kept = || answers.get(&key, version).map(|(version, body)| (at(version, &meta), body));
        if let Some(kept) = kept() {
            return Ok(kept);
        }
        let making = async {
            // Whoever had the turn before may have made it.
            if let Some(kept) = kept() {
                return Ok(kept);
            }
            // It has been waited for: what there is now is wanted, at once.
            let request = request(QueryOptions { want: Want::Value, min_index: 0, ..options });
            let (reply, _) = self.ask_kept::<M, T>(request, self.source()).await?;
            let body = body(reply.value)?;
            if let Some(version) = reply.meta.version {
                answers.keep(&key, version, body.clone());
            }
            Ok::<_, Failure>((reply.meta, body))
        };
        answers.one_at_a_time(&key, making).await
    }

    /// What a subscription's answer tells: it is made from what was received, without asking about the leader.
    fn as_told(&self, meta: QueryMeta) -> QueryMeta {
        // A client's answer that no subscription gave tells what the server told.
        let is_server = self.call.door.agent.server().is_some();
        if self.kept_in != Some(CacheKind::Subscription) || (!is_server && meta.backend != Backend::Streaming) {
            return meta;
        }
        QueryMeta { backend: Backend::Streaming, known_leader: false, last_contact: Duration::ZERO, ..meta }
    }
}

/// The metadata of another version of the same read.
fn at(version: Version, meta: &QueryMeta) -> QueryMeta {
    QueryMeta { index: version.index.max(1), version: Some(version), ..meta.clone() }
}

/// Whether the client lets a cache answer.
pub(crate) fn is_cached(call: &Call) -> bool {
    call.door.settings.use_cache && call.query.has("cached")
}

/// Where the reference keeps a read that a cache may answer.
pub(crate) fn followed(call: &Call) -> Option<CacheKind> {
    is_cached(call).then_some(CacheKind::Followed)
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let strings = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let keys = [
            Key::new("a").with(b"b").with(b""),
            Key::new("a").with(b"").with(b"b"),
            Key::new("ab").with(b"").with(b""),
            Key::new("a").with_all(strings(&["b"]).iter()),
            Key::new("a").with_all(strings(&["b", ""]).iter()),
            Key::new("a").with_all(strings(&["b"]).iter()).with_all(strings(&[""]).iter()),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[n + 1..].contains(key), "{n}");
        }
        assert_eq!(Key::new("a").with(b"b"), Key::new("a").with(b"b"));
    }
}
