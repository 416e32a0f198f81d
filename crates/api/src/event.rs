//! User events (`docs/spec/http-api.md §9`).

use serde::{Deserialize, Serialize};

use crate::{Client, QueryMeta, QueryOptions, Result, Watch, WriteOptions, go};

/// User events; [`Client::event`] makes one.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// use api::{FireRequest, QueryOptions, WriteOptions};
/// let mut deploys = client.event().watch("deploy", QueryOptions::new());
/// assert!(deploys.changed().await?.0.is_empty()); // what the agent knows already
/// let request = FireRequest::new("deploy").payload("1.4.2");
/// let id = client.event().fire(&request, &WriteOptions::new()).await?;
/// let (events, _) = deploys.changed().await?;
/// assert_eq!((events[0].id.as_str(), events[0].payload.as_slice()), (id.as_str(), b"1.4.2".as_slice()));
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) client: Client,
}

/// An event as agents report it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UserEvent {
    /// The event's ID, a UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name given when fired.
    pub name: String,
    /// Payload; base64 in JSON, `null` when empty.
    #[serde(with = "go::base64_bytes")]
    pub payload: Vec<u8>,
    /// Regular expression agents' node names must match; empty for all.
    pub node_filter: String,
    /// Regular expression a local service must match; empty for all.
    pub service_filter: String,
    /// Regular expression a tag of that service must match; empty for all.
    pub tag_filter: String,
    /// Version of the event format.
    pub version: u32,
    /// Lamport time.
    #[serde(rename = "LTime")]
    pub ltime: u64,
}

/// An event to fire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FireRequest {
    /// Name of the event.
    pub name: String,
    /// Payload; name and payload together fit in about 400 bytes.
    pub payload: Vec<u8>,
    /// Regular expression agents' node names must match.
    pub node_filter: String,
    /// Regular expression a local service must match.
    pub service_filter: String,
    /// Regular expression a tag of that service must match; needs `service_filter`.
    pub tag_filter: String,
}

impl FireRequest {
    /// An event without payload, for every agent.
    pub fn new(name: impl Into<String>) -> Self {
        FireRequest { name: name.into(), ..FireRequest::default() }
    }

    /// Sets [`payload`](Self::payload).
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Sets [`node_filter`](Self::node_filter).
    pub fn node_filter(mut self, regex: impl Into<String>) -> Self {
        self.node_filter = regex.into();
        self
    }

    /// Sets [`service_filter`](Self::service_filter).
    pub fn service_filter(mut self, regex: impl Into<String>) -> Self {
        self.service_filter = regex.into();
        self
    }

    /// Sets [`tag_filter`](Self::tag_filter).
    pub fn tag_filter(mut self, regex: impl Into<String>) -> Self {
        self.tag_filter = regex.into();
        self
    }
}

impl Event {
    /// Fires an event and returns its ID.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse) (a
    /// bad filter, too large a payload), [`Error::Decode`](crate::Error::Decode).
    pub async fn fire(&self, event: &FireRequest, options: &WriteOptions) -> Result<String> {
        let mut request = self.client.put(format!("/v1/event/fire/{}", event.name)).write_options(options);
        let filters = [("node", &event.node_filter), ("service", &event.service_filter), ("tag", &event.tag_filter)];
        for (name, filter) in filters {
            if !filter.is_empty() {
                request = request.param(name, filter);
            }
        }
        let fired: UserEvent = request.bytes(event.payload.clone()).send().await?.ok().await?.json().await?;
        Ok(fired.id)
    }

    /// The last 256 events this agent received, oldest first; an empty `name` lists all.
    ///
    /// The index is that of [`id_to_index`] for the last event: not ascending, only different.
    ///
    /// # Errors
    /// As [`Event::fire`].
    pub async fn list(&self, name: &str, options: &QueryOptions) -> Result<(Vec<UserEvent>, QueryMeta)> {
        let mut request = self.client.get("/v1/event/list");
        if !name.is_empty() {
            request = request.param("name", name);
        }
        let answer = request.query_options(options).send().await?.ok().await?;
        let (events, meta) = answer.json_with_meta::<Option<_>>().await?;
        Ok((events.unwrap_or_default(), meta))
    }

    /// Follows events: first those the agent has, then each time the ones newer than the last seen.
    pub fn watch(&self, name: impl Into<String>, options: QueryOptions) -> Watch<Vec<UserEvent>> {
        let (event, name) = (self.clone(), name.into());
        Watch::start(
            options,
            move |options: QueryOptions| {
                let (event, name) = (event.clone(), name.clone());
                async move {
                    let (mut events, meta) = event.list(&name, &options).await?;
                    let seen = events.iter().position(|event| id_to_index(&event.id) == Some(options.index));
                    events.drain(..seen.map_or(0, |last| last + 1));
                    Ok((events, meta))
                }
            },
            false,
        )
    }
}

/// The index [`Event::list`] blocks on for an event: the two halves of its UUID, XORed. `None` when `id` is no UUID.
pub fn id_to_index(id: &str) -> Option<u64> {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    if id.len() != 36 || digits.len() != 32 {
        return None;
    }
    let half = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(half(digits.get(..16)?)? ^ half(digits.get(16..)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_the_xor_of_both_halves() {
        assert_eq!(id_to_index("00000000-0000-0001-0000-000000000003"), Some(2));
        assert_eq!(id_to_index("ffffffff-ffff-ffff-ffff-ffffffffffff"), Some(0));
    }

    #[test]
    fn what_is_no_uuid_has_no_index() {
        for id in ["", "abc", "g0000000-0000-0001-0000-000000000003", "\u{e9}0000000-0000-0001-0000-00000000003"] {
            assert_eq!(id_to_index(id), None, "{id}");
        }
    }
}
