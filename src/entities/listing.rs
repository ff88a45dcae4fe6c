//! Iterating over a family.

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use crate::{error::Result, key::Key, service::Scan, typed_key::ParseKey};

/// The keys of a family, page by page: a [`Stream`]. Made by [`Entities::list`](crate::Entities::list).
///
/// As with every [`Scan`], a key may come more than once, and what comes or goes meanwhile may or may not come.
///
/// # Cancel safety
///
/// It may be dropped at any time. A [`next`](Self::next) that is dropped loses nothing.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Entities, RedisManager, redis_key};
///
/// redis_key! { Score => "score:{player}" { player: String } -> u64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let scores = Entities::new(redis.service());
/// scores.put(&Score { player: "Ada".to_owned() }, &7).await?;
/// let mut keys = scores.list();
/// while let Some(key) = keys.next().await {
///     let key = key?;
///     assert_eq!((key.player.as_str(), scores.get(&key).await?), ("Ada", Some(7)));
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Listing<'a, K> {
    scan: Scan<'a, Key>,
    namespace: &'a str,
    family: PhantomData<fn() -> K>,
}

impl<'a, K: ParseKey> Listing<'a, K> {
    pub(super) fn new(scan: Scan<'a, Key>, namespace: &'a str) -> Self {
        Self {
            scan,
            namespace,
            family: PhantomData,
        }
    }

    /// Asks for pages of about so many keys; 500 unless told otherwise.
    pub fn count(self, count: u32) -> Self {
        Self {
            scan: self.scan.count(count),
            ..self
        }
    }

    /// Returns the next key, `None` at the end.
    ///
    /// # Errors
    ///
    /// - As every [`Request`](crate::Request); the stream ends after it.
    pub async fn next(&mut self) -> Option<Result<K>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// What matches the pattern and is not of this family is passed over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<K>>> {
        loop {
            let key = match ready!(Pin::new(&mut self.scan).poll_next(context)) {
                Some(Ok(key)) => key,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let own = key.as_bytes().strip_prefix(self.namespace.as_bytes());
            if let Some(own) = own.and_then(|own| K::parse_key(&Key::from(own))) {
                return Poll::Ready(Some(Ok(own)));
            }
        }
    }
}

impl<K: ParseKey> Stream for Listing<'_, K> {
    type Item = Result<K>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl<K> fmt::Debug for Listing<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listing").field(&self.scan).finish()
    }
}
