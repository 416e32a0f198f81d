//! Blocking queries as streams.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream::BoxStream};

use crate::{Error, QueryMeta, QueryOptions, Result};

/// Pause after the first failure; grows with the square of consecutive failures (`docs/spec/server-operations.md §14.2`).
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
const MAX_BACK_OFF: Duration = Duration::from_secs(180);

/// A blocking query repeated for ever.
///
/// It yields the first result at once, later ones only when the data differs. An error is yielded too; polling on waits
/// (5 s times the square of the failures in a row, at most 180 s) and asks again from the start, so the first result after
/// an error always comes. The stream never ends; dropping it closes its connection.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// use api::{KvPair, QueryOptions, WriteOptions};
/// let mut colour = client.kv().watch("colour", QueryOptions::new());
/// assert_eq!(colour.changed().await?.0, None);
/// client.kv().put(&KvPair::new("colour", "blue"), &WriteOptions::new()).await?;
/// assert_eq!(colour.changed().await?.0.expect("written").value, b"blue");
/// # Ok(()) });
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Watch<T> {
    results: BoxStream<'static, Result<(T, QueryMeta)>>,
}

impl<T: Clone + PartialEq + Send + 'static> Watch<T> {
    /// Repeats `fetch`, handing it `options` with index or hash of the previous answer. For endpoints without a typed
    /// watch:
    ///
    /// ```
    /// # fn example(client: api::Client) -> api::Watch<serde_json::Value> {
    /// api::Watch::new(api::QueryOptions::new(), move |options| {
    ///     let client = client.clone();
    ///     async move { client.query("/v1/connect/ca/roots", &options).await }
    /// })
    /// # }
    /// ```
    pub fn new<F, A>(options: QueryOptions, fetch: F) -> Self
    where
        F: FnMut(QueryOptions) -> A + Send + 'static,
        A: Future<Output = Result<(T, QueryMeta)>> + Send + 'static,
    {
        Self::start(options, fetch, true)
    }

    pub(crate) fn start<F, A>(options: QueryOptions, fetch: F, ascending: bool) -> Self
    where
        F: FnMut(QueryOptions) -> A + Send + 'static,
        A: Future<Output = Result<(T, QueryMeta)>> + Send + 'static,
    {
        let state = Follower { fetch, cursor: Cursor { options, ascending, last: None, failures: 0 } };
        let results = futures_util::stream::unfold(state, |mut state| async move {
            let result = state.next().await;
            Some((result, state))
        });
        Watch { results: results.boxed() }
    }

    /// The next result; as the stream's `next`, without the `Option`.
    ///
    /// # Errors
    /// Whatever the query fails with; calling again waits and retries.
    pub async fn changed(&mut self) -> Result<(T, QueryMeta)> {
        match self.results.next().await {
            Some(result) => result,
            None => Err(Error::InvalidArgument("the watch has ended".to_owned())),
        }
    }
}

impl<T> Stream for Watch<T> {
    type Item = Result<(T, QueryMeta)>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.results.as_mut().poll_next(cx)
    }
}

struct Follower<T, F> {
    fetch: F,
    cursor: Cursor<T>,
}

impl<T: Clone + PartialEq, F, A> Follower<T, F>
where
    F: FnMut(QueryOptions) -> A,
    A: Future<Output = Result<(T, QueryMeta)>>,
{
    async fn next(&mut self) -> Result<(T, QueryMeta)> {
        if let Some(pause) = self.cursor.back_off() {
            tokio::time::sleep(pause).await;
        }
        loop {
            match (self.fetch)(self.cursor.options.clone()).await {
                Err(error) => {
                    self.cursor.fail();
                    return Err(error);
                }
                Ok((data, meta)) => {
                    if self.cursor.advance(&data, &meta) {
                        return Ok((data, meta));
                    }
                }
            }
        }
    }
}

/// Where a watch stands: what it asks next and what it reported last.
struct Cursor<T> {
    options: QueryOptions,
    /// Event indexes go up and down; every other index going down means the servers' state was replaced.
    ascending: bool,
    last: Option<T>,
    failures: u32,
}

impl<T: Clone + PartialEq> Cursor<T> {
    fn back_off(&self) -> Option<Duration> {
        let factor = self.failures.checked_pow(2).unwrap_or(u32::MAX);
        (self.failures > 0).then(|| RETRY_INTERVAL.saturating_mul(factor).min(MAX_BACK_OFF))
    }

    fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.last = None;
        self.options.index = 0;
        self.options.hash = None;
    }

    /// True when `data` is news.
    fn advance(&mut self, data: &T, meta: &QueryMeta) -> bool {
        self.failures = 0;
        let stood = self.last.is_some()
            && match &meta.content_hash {
                Some(hash) => self.options.hash.as_ref() == Some(hash),
                None => self.options.index == meta.last_index,
            };
        if let Some(hash) = &meta.content_hash {
            self.options.hash = Some(hash.clone());
        } else if self.ascending && meta.last_index < self.options.index {
            self.options.index = 0;
        } else {
            self.options.index = meta.last_index.max(1);
        }
        if stood || self.last.as_ref() == Some(data) {
            return false;
        }
        self.last = Some(data.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor<&'static str> {
        Cursor { options: QueryOptions::new(), ascending: true, last: None, failures: 0 }
    }

    fn at(index: u64) -> QueryMeta {
        QueryMeta { last_index: index, ..QueryMeta::default() }
    }

    #[test]
    fn only_changed_data_is_news() {
        let mut cursor = cursor();
        assert!(cursor.advance(&"a", &at(5)));
        assert!(!cursor.advance(&"a", &at(5)), "same index");
        assert!(!cursor.advance(&"a", &at(6)), "same data");
        assert!(cursor.advance(&"b", &at(7)));
        assert_eq!(cursor.options.index, 7);
    }

    #[test]
    fn an_index_going_backwards_starts_over() {
        let mut cursor = cursor();
        cursor.advance(&"a", &at(5));
        assert!(cursor.advance(&"b", &at(3)));
        assert_eq!(cursor.options.index, 0);
    }

    #[test]
    fn unordered_indexes_are_taken_as_they_come() {
        let mut cursor = Cursor { ascending: false, ..cursor() };
        cursor.advance(&"a", &at(5));
        cursor.advance(&"b", &at(3));
        assert_eq!(cursor.options.index, 3);
    }

    #[test]
    fn a_missing_index_still_blocks_next_time() {
        let mut cursor = cursor();
        cursor.advance(&"a", &at(0));
        assert_eq!(cursor.options.index, 1);
    }

    #[test]
    fn the_first_result_after_an_error_is_news() {
        let mut cursor = cursor();
        cursor.advance(&"a", &at(5));
        cursor.fail();
        assert_eq!(cursor.options.index, 0);
        assert!(cursor.advance(&"a", &at(5)));
    }

    #[test]
    fn hashes_take_the_place_of_indexes() {
        let mut cursor = cursor();
        let meta = QueryMeta { content_hash: Some("h".to_owned()), ..QueryMeta::default() };
        assert!(cursor.advance(&"a", &meta));
        assert!(!cursor.advance(&"a", &meta));
        assert_eq!((cursor.options.hash.as_deref(), cursor.options.index), (Some("h"), 0));
    }

    #[test]
    fn back_off_grows_with_the_square_and_is_capped() {
        let mut cursor = cursor();
        assert_eq!(cursor.back_off(), None);
        for seconds in [5, 20, 45, 80, 125, 180, 180] {
            cursor.fail();
            assert_eq!(cursor.back_off(), Some(Duration::from_secs(seconds)));
        }
    }
}
