//! Sessions (`docs/spec/http-api.md §8`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Client, QueryMeta, QueryOptions, Result, SessionHeartbeat, WriteOptions, go};

/// Sessions; [`Client::session`] makes one.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// use std::time::Duration;
/// use api::{QueryOptions, SessionRequest, WriteOptions};
/// let session = client.session();
/// let request = SessionRequest::new().name("worker").ttl(Duration::from_secs(15));
/// let id = session.create(&request, &WriteOptions::new()).await?;
/// let heartbeat = session.renew_periodic(&id, Duration::from_secs(15), WriteOptions::new());
/// assert_eq!(session.info(&id, &QueryOptions::new()).await?.0.expect("alive").name, "worker");
/// heartbeat.stop().await?; // destroys the session
/// assert!(session.info(&id, &QueryOptions::new()).await?.0.is_none());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) client: Client,
}

/// What happens to the keys a session holds when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionBehavior {
    /// They are unlocked.
    #[default]
    Release,
    /// They are deleted.
    Delete,
}

/// A session as the agent reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SessionEntry {
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
    /// The session's ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Free text.
    pub name: String,
    /// The node the session is bound to.
    pub node: String,
    /// How long its keys cannot be locked after it was invalidated; integer nanoseconds in JSON.
    #[serde(with = "go::duration_nanos")]
    pub lock_delay: Duration,
    /// What happens to its keys.
    pub behavior: SessionBehavior,
    /// Time to live as given at creation, for instance `15s`; empty for none.
    #[serde(rename = "TTL")]
    pub ttl: String,
    /// Legacy list of check IDs.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// IDs of the node checks that end it.
    #[serde(with = "go::null_list")]
    pub node_checks: Vec<String>,
    /// Service checks that end it.
    #[serde(with = "go::null_list")]
    pub service_checks: Vec<ServiceCheckRef>,
}

/// A service check a session depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceCheckRef {
    /// The check's ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Namespace of the check.
    pub namespace: String,
}

/// A session to create. Unset members take the agent's defaults: its own node, the `serfHealth` check, a lock-delay of
/// 15 s, no TTL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SessionRequest {
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The node to bind to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How long keys cannot be locked after the session was invalidated; capped at 60 s.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lock_delay_text")]
    pub lock_delay: Option<Duration>,
    /// What happens to the keys it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<SessionBehavior>,
    /// Ends when not renewed for this long: 10 s to 24 h. Expiry may take up to twice as long.
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none", serialize_with = "ttl_text")]
    pub ttl: Option<Duration>,
    /// IDs of the node checks that end it; an empty list means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_checks: Option<Vec<String>>,
    /// Service checks that end it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_checks: Vec<ServiceCheckRef>,
}

/// Milliseconds: a bare number below 1000 would be taken for seconds.
fn lock_delay_text<S: serde::Serializer>(delay: &Option<Duration>, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(&format!("{}ms", delay.unwrap_or_default().as_millis()))
}

fn ttl_text<S: serde::Serializer>(ttl: &Option<Duration>, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(&go::format_duration(ttl.unwrap_or_default()))
}

impl SessionRequest {
    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`name`](Self::name).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets [`node`](Self::node).
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Sets [`lock_delay`](Self::lock_delay).
    pub fn lock_delay(mut self, delay: Duration) -> Self {
        self.lock_delay = Some(delay);
        self
    }

    /// Sets [`behavior`](Self::behavior).
    pub fn behavior(mut self, behavior: SessionBehavior) -> Self {
        self.behavior = Some(behavior);
        self
    }

    /// Sets [`ttl`](Self::ttl).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets [`node_checks`](Self::node_checks).
    pub fn node_checks(mut self, checks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.node_checks = Some(checks.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a check to [`service_checks`](Self::service_checks).
    pub fn service_check(mut self, id: impl Into<String>) -> Self {
        self.service_checks.push(ServiceCheckRef { id: id.into(), namespace: String::new() });
        self
    }
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "ID")]
    id: String,
}

impl Session {
    /// Creates a session and returns its ID.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse) (a
    /// check is missing or critical, the TTL is out of range), [`Error::Decode`](crate::Error::Decode).
    pub async fn create(&self, request: &SessionRequest, options: &WriteOptions) -> Result<String> {
        let created: Created = self.client.write("/v1/session/create", request, options).await?;
        Ok(created.id)
    }

    /// Creates a session that no check ends: only its TTL or [`Session::destroy`] does.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn create_no_checks(&self, request: &SessionRequest, options: &WriteOptions) -> Result<String> {
        let request = SessionRequest { node_checks: Some(Vec::new()), service_checks: Vec::new(), ..request.clone() };
        self.create(&request, options).await
    }

    /// Ends a session; ending an unknown one is fine.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn destroy(&self, id: &str, options: &WriteOptions) -> Result<()> {
        self.client.put(format!("/v1/session/destroy/{id}")).write_options(options).send_empty().await
    }

    /// Starts the session's TTL anew; `None` when the session is gone.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn renew(&self, id: &str, options: &WriteOptions) -> Result<Option<SessionEntry>> {
        let request = self.client.put(format!("/v1/session/renew/{id}")).write_options(options);
        let answer = request.send().await?.expect(&[200, 404]).await?;
        if answer.status() == 404 {
            answer.bytes().await?;
            return Ok(None);
        }
        let entries: Vec<SessionEntry> = answer.json().await?;
        Ok(entries.into_iter().next())
    }

    /// Renews the session at half its TTL until stopped; see [`SessionHeartbeat`]. `ttl` is the one it was created with.
    /// Needs a running tokio runtime.
    pub fn renew_periodic(&self, id: &str, ttl: Duration, options: WriteOptions) -> SessionHeartbeat {
        SessionHeartbeat::start(self.clone(), id.to_owned(), ttl, options)
    }

    /// Creates a session with this TTL and renews it until stopped. As [`Session::create`] and [`Session::renew_periodic`]
    /// in one; dropping the future while it waits for the creation leaves no session behind.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn create_renewed(
        &self,
        request: &SessionRequest,
        ttl: Duration,
        options: &WriteOptions,
    ) -> Result<SessionHeartbeat> {
        SessionHeartbeat::create(self.clone(), request.clone(), ttl, options.clone()).await
    }

    /// One session; `None` when it does not exist.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn info(&self, id: &str, options: &QueryOptions) -> Result<(Option<SessionEntry>, QueryMeta)> {
        let (entries, meta) = self.read(&format!("/v1/session/info/{id}"), options).await?;
        Ok((entries.into_iter().next(), meta))
    }

    /// The sessions bound to a node.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn node(&self, node: &str, options: &QueryOptions) -> Result<(Vec<SessionEntry>, QueryMeta)> {
        self.read(&format!("/v1/session/node/{node}"), options).await
    }

    /// Every session of the datacenter.
    ///
    /// # Errors
    /// As [`Session::create`].
    pub async fn list(&self, options: &QueryOptions) -> Result<(Vec<SessionEntry>, QueryMeta)> {
        self.read("/v1/session/list", options).await
    }

    async fn read(&self, path: &str, options: &QueryOptions) -> Result<(Vec<SessionEntry>, QueryMeta)> {
        let (entries, meta) = self.client.query::<Option<Vec<SessionEntry>>>(path, options).await?;
        Ok((entries.unwrap_or_default(), meta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_set_is_sent() {
        assert_eq!(serde_json::to_string(&SessionRequest::new()).unwrap(), "{}");
        let request = SessionRequest::new()
            .lock_delay(Duration::from_secs(1))
            .ttl(Duration::from_secs(90))
            .behavior(SessionBehavior::Delete)
            .node_checks(Vec::<String>::new());
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"LockDelay":"1000ms","Behavior":"delete","TTL":"1m30s","NodeChecks":[]}"#
        );
    }

    #[test]
    fn lock_delays_are_nanoseconds() {
        let text = r#"{"ID":"a","LockDelay":15000000000,"Behavior":"release","TTL":"","ServiceChecks":null}"#;
        let entry: SessionEntry = serde_json::from_str(text).unwrap();
        assert_eq!(entry.lock_delay, Duration::from_secs(15));
    }
}
