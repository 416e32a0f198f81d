//! A semaphore with a fixed number of slots (`docs/spec/server-operations.md §16`).

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{
    Client, Error, KvPair, QueryOptions, Result, SessionBehavior, SessionHeartbeat, SessionRequest, WriteOptions, go,
    hold::{Busy, HoldOptions, Monitor, Patience, end_session},
};

/// `Flags` of every key used by a semaphore; other clients recognise them by it.
pub const SEMAPHORE_FLAGS: u64 = 0xe0f6_9a2b_aa41_4de0;

/// Name of the coordination key under the prefix.
const LOCK_KEY: &str = ".lock";

/// A semaphore: at most `limit` contenders of the datacenter hold a slot at a time. Everybody must agree on the limit.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// use std::time::Duration;
/// let first = client.semaphore("service/backup/slots", 1);
/// let held = first.acquire().await?;
/// let second = client.semaphore("service/backup/slots", 1);
/// assert!(second.try_acquire(Duration::from_millis(10)).await?.is_none());
/// held.release().await?;
/// second.acquire().await?.release().await?;
/// first.destroy().await?;
/// # Ok(()) });
/// ```
///
/// Each contender owns a key `PREFIX/SESSION`; the holders are listed in `PREFIX/.lock`. What [`Lock`](crate::Lock) says
/// about sessions and the limits of holding is true here as well.
#[derive(Clone, Debug)]
pub struct Semaphore {
    client: Client,
    prefix: String,
    limit: u64,
    value: Vec<u8>,
    options: HoldOptions,
    busy: Arc<AtomicBool>,
}

/// A slot this process holds. Release it; dropping only stops the renewal and asks for the session's destruction, which
/// frees the slot.
#[derive(Debug)]
pub struct HeldSemaphore {
    semaphore: Semaphore,
    session: String,
    heartbeat: Option<SessionHeartbeat>,
    monitor: Monitor,
    _busy: Busy,
}

/// Content of the coordination key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Holders {
    limit: u64,
    #[serde(deserialize_with = "go::null_default")]
    holders: BTreeMap<String, bool>,
}

/// The coordination key as read: its content without dead holders, and the index a write must match.
struct Coordination {
    holders: Holders,
    /// 0 while there is no such key.
    modify_index: u64,
}

impl Semaphore {
    pub(crate) fn new(client: Client, prefix: String, limit: u64) -> Self {
        let request = SessionRequest::new().name("Consul API Semaphore").behavior(SessionBehavior::Delete);
        let prefix = prefix.trim_end_matches('/').to_owned();
        let options = HoldOptions::new(request);
        Semaphore { client, prefix, limit, value: Vec::new(), options, busy: Arc::default() }
    }

    /// Value written into the contender's own key, for instance who it is.
    pub fn value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.value = value.into();
        self
    }

    /// Holds with this session, which the caller creates and keeps alive, instead of one of its own. Its behaviour should
    /// be [`SessionBehavior::Delete`].
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.options.session = Some(id.into());
        self
    }

    /// Name of the session; `Consul API Semaphore` by default.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.options.session_request.name = Some(name.into());
        self
    }

    /// TTL of the session, 10 s to 24 h; 15 s by default.
    pub fn session_ttl(mut self, ttl: Duration) -> Self {
        self.options.session_ttl = ttl;
        self
    }

    /// How often in a row a failing read (network or 5xx) is repeated before the held slot counts as lost; 0 by default.
    pub fn monitor_retries(mut self, retries: u32) -> Self {
        self.options.monitor_retries = retries;
        self
    }

    /// Pause between those repetitions; 2 s by default.
    pub fn monitor_retry_interval(mut self, interval: Duration) -> Self {
        self.options.monitor_retry_interval = interval;
        self
    }

    /// Datacenter, namespace, partition and token of every call.
    pub fn options(mut self, options: &WriteOptions) -> Self {
        self.options.scope(options);
        self
    }

    /// Waits until a slot is held. Dropping the future gives up and destroys the session.
    ///
    /// # Errors
    /// [`Error::SemaphoreHeld`] when this `Semaphore` or a clone of it holds or acquires already;
    /// [`Error::SemaphoreConflict`]; [`Error::SemaphoreLimit`]; [`Error::Step`] with the call that failed;
    /// [`Error::InvalidArgument`] for an empty prefix or a limit of 0.
    pub async fn acquire(&self) -> Result<HeldSemaphore> {
        loop {
            if let Some(held) = self.acquire_until(Patience::new(None)).await? {
                return Ok(held);
            }
        }
    }

    /// Tries for at most about `limit`: no attempt starts later. `None` when time is up.
    ///
    /// # Errors
    /// As [`Semaphore::acquire`].
    pub async fn try_acquire(&self, limit: Duration) -> Result<Option<HeldSemaphore>> {
        self.acquire_until(Patience::new(Some(limit))).await
    }

    /// Deletes the coordination key, if nobody holds a slot.
    ///
    /// # Errors
    /// [`Error::SemaphoreHeld`] when this `Semaphore` holds a slot, [`Error::SemaphoreInUse`] when another does,
    /// [`Error::SemaphoreConflict`]; [`Error::Step`] with the call that failed.
    pub async fn destroy(&self) -> Result<()> {
        let _busy = Busy::enter(&self.busy).ok_or(Error::SemaphoreHeld)?;
        let (pairs, _) = self.list(&self.options.query).await?;
        let found = self.coordination(&pairs)?;
        if found.modify_index == 0 {
            return Ok(());
        }
        if !found.holders.holders.is_empty() {
            return Err(Error::SemaphoreInUse);
        }
        let removed = self.client.kv().delete_cas(&self.lock_key(), found.modify_index, &self.options.write).await;
        let removed = removed.map_err(Error::step("failed to remove semaphore"))?;
        if removed { Ok(()) } else { Err(Error::SemaphoreInUse) }
    }

    async fn acquire_until(&self, mut patience: Patience) -> Result<Option<HeldSemaphore>> {
        if self.prefix.is_empty() {
            return Err(Error::InvalidArgument("missing prefix".to_owned()));
        }
        if self.limit == 0 {
            return Err(Error::InvalidArgument("semaphore limit must be positive".to_owned()));
        }
        let busy = Busy::enter(&self.busy).ok_or(Error::SemaphoreHeld)?;
        let (session, heartbeat) = self.options.open_session(&self.client).await?;
        let contender = KvPair {
            key: self.contender_key(&session),
            value: self.value.clone(),
            session: session.clone(),
            flags: SEMAPHORE_FLAGS,
            ..KvPair::default()
        };
        let made = self.client.kv().acquire(&contender, &self.options.write).await;
        if !made.map_err(Error::step("failed to make contender entry"))? {
            return Err(Error::InvalidArgument(format!("failed to make contender entry: {} is held", contender.key)));
        }
        if !self.contend(&session, &mut patience).await? {
            let deleted = self.client.kv().delete(&contender.key, &self.options.write).await;
            deleted.map_err(Error::step("failed to remove contender entry"))?;
            return Ok(None);
        }
        let monitor = Monitor::start(
            self.options.clone(),
            heartbeat.as_ref().map(SessionHeartbeat::expired),
            self.still_held(session.clone()),
        );
        Ok(Some(HeldSemaphore { semaphore: self.clone(), session, heartbeat, monitor, _busy: busy }))
    }

    /// True once a slot is held, false when time is up.
    async fn contend(&self, session: &str, patience: &mut Patience) -> Result<bool> {
        let mut query = self.options.query.clone();
        while let Some(wait) = patience.next_wait() {
            query.wait = Some(wait);
            let (pairs, index) = self.list(&query).await?;
            let mut found = self.coordination(&pairs)?;
            if found.holders.limit != self.limit {
                return Err(Error::SemaphoreLimit { lock: found.holders.limit, local: self.limit });
            }
            if found.holders.holders.contains_key(session) {
                return Ok(true);
            }
            if found.holders.holders.len() as u64 >= self.limit {
                query.index = index;
                continue;
            }
            found.holders.holders.insert(session.to_owned(), true);
            if self.update(&found).await.map_err(Error::step("failed to update lock"))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes `session` off the holders, however many others change them meanwhile.
    async fn give_up_slot(&self, session: &str) -> Result<()> {
        loop {
            let (pair, _) = self.client.kv().get(&self.lock_key(), &self.options.query).await?;
            let Some(pair) = pair else {
                return Ok(());
            };
            let mut holders = self.decode(&pair)?;
            if holders.holders.remove(session).is_none() {
                return Ok(());
            }
            if self.update(&Coordination { holders, modify_index: pair.modify_index }).await? {
                return Ok(());
            }
        }
    }

    async fn list(&self, query: &QueryOptions) -> Result<(Vec<KvPair>, u64)> {
        let listed = self.client.kv().list(&format!("{}/", self.prefix), query).await;
        let (pairs, meta) = listed.map_err(Error::step("failed to read prefix"))?;
        Ok((pairs, meta.last_index))
    }

    /// The coordination key among `pairs`, holders without a live contender left out.
    fn coordination(&self, pairs: &[KvPair]) -> Result<Coordination> {
        let lock_key = self.lock_key();
        let Some(pair) = pairs.iter().find(|pair| pair.key == lock_key) else {
            let holders = Holders { limit: self.limit, holders: BTreeMap::new() };
            return Ok(Coordination { holders, modify_index: 0 });
        };
        let mut holders = self.decode(pair)?;
        let alive = |session: &str| pairs.iter().any(|pair| pair.session == session);
        holders.holders.retain(|session, _| alive(session));
        Ok(Coordination { holders, modify_index: pair.modify_index })
    }

    fn decode(&self, pair: &KvPair) -> Result<Holders> {
        if pair.flags != SEMAPHORE_FLAGS {
            return Err(Error::SemaphoreConflict);
        }
        if pair.value.is_empty() {
            return Ok(Holders { limit: self.limit, holders: BTreeMap::new() });
        }
        // Something else wrote it, whatever its flags say.
        serde_json::from_slice(&pair.value).map_err(|_| Error::SemaphoreConflict)
    }

    async fn update(&self, coordination: &Coordination) -> Result<bool> {
        let pair = KvPair {
            key: self.lock_key(),
            value: serde_json::to_vec(&coordination.holders).map_err(Error::Encode)?,
            flags: SEMAPHORE_FLAGS,
            modify_index: coordination.modify_index,
            ..KvPair::default()
        };
        self.client.kv().cas(&pair, &self.options.write).await
    }

    /// A consistent blocking read that says whether `session` still holds a slot, and the index to block on next.
    fn still_held(&self, session: String) -> impl Fn(QueryOptions) -> BoxFuture<'static, Result<(bool, u64)>> + use<> {
        let semaphore = self.clone();
        move |query| {
            let (semaphore, session) = (semaphore.clone(), session.clone());
            Box::pin(async move {
                let (pairs, meta) = semaphore.client.kv().list(&format!("{}/", semaphore.prefix), &query).await?;
                let holders = semaphore.coordination(&pairs)?.holders.holders;
                Ok((holders.contains_key(&session), meta.last_index))
            })
        }
    }

    fn lock_key(&self) -> String {
        format!("{}/{LOCK_KEY}", self.prefix)
    }

    fn contender_key(&self, session: &str) -> String {
        format!("{}/{session}", self.prefix)
    }
}

impl HeldSemaphore {
    /// The session holding the slot.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Completes once the slot can no longer be relied on: it or its session is gone, or the agent does not say.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.monitor.lost()
    }

    /// Frees the slot and destroys the session.
    ///
    /// # Errors
    /// [`Error::Step`] with the call that failed; the session's TTL then frees the slot.
    pub async fn release(self) -> Result<()> {
        let HeldSemaphore { semaphore, session, heartbeat, monitor, _busy } = self;
        monitor.stop();
        let freed = semaphore.give_up_slot(&session).await;
        let deleted = semaphore.client.kv().delete(&semaphore.contender_key(&session), &semaphore.options.write).await;
        let ended = end_session(heartbeat).await;
        freed.map_err(Error::step("failed to update lock"))?;
        deleted.map_err(Error::step("failed to remove contender entry"))?;
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn semaphore() -> Semaphore {
        Client::new(crate::Config::default()).unwrap().semaphore("slots/", 2)
    }

    fn lock_pair(value: &str) -> KvPair {
        KvPair { flags: SEMAPHORE_FLAGS, modify_index: 9, ..KvPair::new("slots/.lock", value) }
    }

    #[test]
    fn holders_without_a_live_contender_are_left_out() {
        let contender = KvPair { session: "a".to_owned(), ..KvPair::new("slots/a", "") };
        let pairs = [lock_pair(r#"{"Limit":2,"Holders":{"a":true,"b":true}}"#), contender];
        let found = semaphore().coordination(&pairs).unwrap();
        assert_eq!(found.holders, Holders { limit: 2, holders: [("a".to_owned(), true)].into() });
        assert_eq!(found.modify_index, 9);
    }

    #[test]
    fn no_coordination_key_is_an_empty_one() {
        let found = semaphore().coordination(&[]).unwrap();
        assert_eq!((found.holders.limit, found.holders.holders.len(), found.modify_index), (2, 0, 0));
    }

    #[test]
    fn keys_of_others_are_refused() {
        let foreign = KvPair { flags: 0, ..lock_pair("{}") };
        assert!(matches!(semaphore().coordination(&[foreign]), Err(Error::SemaphoreConflict)));
        assert!(matches!(semaphore().coordination(&[lock_pair("junk")]), Err(Error::SemaphoreConflict)));
    }
}
