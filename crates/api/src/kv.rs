//! The key-value store (`docs/spec/http-api.md §6`).

use http::{Method, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use crate::{Client, Error, QueryMeta, QueryOptions, Request, Result, Watch, WriteOptions, go};

/// The key-value store; [`Client::kv`] makes one.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// use api::{KvPair, QueryOptions, WriteOptions};
/// let kv = client.kv();
/// kv.put(&KvPair::new("app/colour", "blue"), &WriteOptions::new()).await?;
/// let (pair, meta) = kv.get("app/colour", &QueryOptions::new()).await?;
/// let pair = pair.expect("just written");
/// assert_eq!(pair.value, b"blue");
/// // Write only if nobody else did meanwhile.
/// let won = kv.cas(&KvPair { value: "red".into(), ..pair }, &WriteOptions::new()).await?;
/// assert!(won && meta.last_index > 0);
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Kv {
    pub(crate) client: Client,
}

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct KvPair {
    /// The key; never starts with a slash.
    pub key: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change; what [`Kv::cas`] compares.
    pub modify_index: u64,
    /// How often the key was locked.
    pub lock_index: u64,
    /// Free for the application.
    pub flags: u64,
    /// The value; base64 in JSON, `null` when empty.
    #[serde(with = "go::base64_bytes")]
    pub value: Vec<u8>,
    /// Session holding the lock; empty when unlocked.
    pub session: String,
    /// Namespace; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
}

impl KvPair {
    /// An entry to write.
    pub fn new(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        KvPair { key: key.into(), value: value.into(), ..KvPair::default() }
    }
}

impl Kv {
    /// The entry of `key`, `None` when there is none. One leading slash is dropped.
    ///
    /// # Errors
    /// [`Error::Transport`], [`Error::UnexpectedResponse`], [`Error::Decode`].
    pub async fn get(&self, key: &str, options: &QueryOptions) -> Result<(Option<KvPair>, QueryMeta)> {
        let (pairs, meta) = self.read::<KvPair>(self.at(Method::GET, key), options).await?;
        Ok((pairs.into_iter().next(), meta))
    }

    /// Every entry whose key starts with `prefix`, in key order.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn list(&self, prefix: &str, options: &QueryOptions) -> Result<(Vec<KvPair>, QueryMeta)> {
        self.read(self.at(Method::GET, prefix).flag("recurse"), options).await
    }

    /// Every key that starts with `prefix`, in order. A non-empty `separator` cuts each key after its first occurrence
    /// past the prefix and lists the result once.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn keys(
        &self,
        prefix: &str,
        separator: &str,
        options: &QueryOptions,
    ) -> Result<(Vec<String>, QueryMeta)> {
        let mut request = self.at(Method::GET, prefix).flag("keys");
        if !separator.is_empty() {
            request = request.param("separator", separator);
        }
        self.read(request, options).await
    }

    /// Writes key, value and flags, whatever was there.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for a leading slash, [`Error::Transport`], [`Error::UnexpectedResponse`].
    pub async fn put(&self, pair: &KvPair, options: &WriteOptions) -> Result<()> {
        self.write(pair, None, options).await.map(drop)
    }

    /// Writes if the entry's `modify_index` is still `pair.modify_index`; 0 means "only if absent". False when it is not.
    ///
    /// # Errors
    /// As [`Kv::put`].
    pub async fn cas(&self, pair: &KvPair, options: &WriteOptions) -> Result<bool> {
        self.write(pair, Some(("cas", pair.modify_index.to_string())), options).await
    }

    /// Locks the key with `pair.session` and writes value and flags. False when another session holds it, or its
    /// lock-delay runs.
    ///
    /// # Errors
    /// As [`Kv::put`].
    pub async fn acquire(&self, pair: &KvPair, options: &WriteOptions) -> Result<bool> {
        self.write(pair, Some(("acquire", pair.session.clone())), options).await
    }

    /// Unlocks the key and writes value and flags. False when `pair.session` does not hold it.
    ///
    /// # Errors
    /// As [`Kv::put`].
    pub async fn release(&self, pair: &KvPair, options: &WriteOptions) -> Result<bool> {
        self.write(pair, Some(("release", pair.session.clone())), options).await
    }

    /// Deletes one key; deleting none is fine. One leading slash is dropped.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn delete(&self, key: &str, options: &WriteOptions) -> Result<()> {
        self.at(Method::DELETE, key).write_options(options).send_empty().await
    }

    /// Deletes the key if its `modify_index` is still `index`. False when it is not.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn delete_cas(&self, key: &str, index: u64, options: &WriteOptions) -> Result<bool> {
        let request = self.at(Method::DELETE, key).param("cas", index.to_string());
        request.write_options(options).send().await?.ok().await?.json().await
    }

    /// Deletes every key that starts with `prefix`; the empty prefix deletes everything.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn delete_tree(&self, prefix: &str, options: &WriteOptions) -> Result<()> {
        self.at(Method::DELETE, prefix).flag("recurse").write_options(options).send_empty().await
    }

    /// Follows one key: its entry, or `None` while there is none.
    pub fn watch(&self, key: impl Into<String>, options: QueryOptions) -> Watch<Option<KvPair>> {
        let (kv, key) = (self.clone(), key.into());
        Watch::new(options, move |options| {
            let (kv, key) = (kv.clone(), key.clone());
            async move { kv.get(&key, &options).await }
        })
    }

    /// Follows every entry whose key starts with `prefix`.
    pub fn watch_prefix(&self, prefix: impl Into<String>, options: QueryOptions) -> Watch<Vec<KvPair>> {
        let (kv, prefix) = (self.clone(), prefix.into());
        Watch::new(options, move |options| {
            let (kv, prefix) = (kv.clone(), prefix.clone());
            async move { kv.list(&prefix, &options).await }
        })
    }

    fn at(&self, method: Method, key: &str) -> Request {
        self.client.request(method, format!("/v1/kv/{}", key.strip_prefix('/').unwrap_or(key)))
    }

    /// Nothing found is an empty list.
    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        request: Request,
        options: &QueryOptions,
    ) -> Result<(Vec<T>, QueryMeta)> {
        let answer = request.query_options(options).send().await?.expect(&[200, 404]).await?;
        if answer.status() == 404 {
            let meta = answer.meta().clone();
            answer.bytes().await?;
            return Ok((Vec::new(), meta));
        }
        answer.json_with_meta().await
    }

    async fn write(&self, pair: &KvPair, condition: Option<(&str, String)>, options: &WriteOptions) -> Result<bool> {
        if pair.key.starts_with('/') {
            return Err(Error::InvalidKey(pair.key.clone()));
        }
        let mut request = self.at(Method::PUT, &pair.key);
        if pair.flags != 0 {
            request = request.param("flags", pair.flags.to_string());
        }
        if let Some((name, value)) = condition {
            request = request.param(name, value);
        }
        let request = request.header(CONTENT_TYPE, "application/octet-stream").bytes(pair.value.clone());
        request.write_options(options).send().await?.ok().await?.json().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlocked_empty_entry_has_every_member() {
        let text = serde_json::to_string(&KvPair::new("k", "")).unwrap();
        let expected =
            r#"{"Key":"k","CreateIndex":0,"ModifyIndex":0,"LockIndex":0,"Flags":0,"Value":null,"Session":""}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn values_are_base64() {
        let pair: KvPair = serde_json::from_str(r#"{"Key":"k","Value":"/wA="}"#).unwrap();
        assert_eq!(pair, KvPair::new("k", [0xff, 0]));
    }
}
