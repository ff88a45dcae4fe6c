//! Strings, counters and JSON.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{IncrRequest, RedisManager, SetManyRequest, SetRequest};
use crate::{
    codec,
    error::Error,
    key::{IntoKeys, Key},
    value::Value,
};

/// What came of a look-up: unlike an `Option`, it tells a miss from an outage.
///
/// # Examples
///
/// ```
/// use redis_manager::{Lookup, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let redis = RedisManager::disabled("an example");
/// assert!(matches!(redis.lookup("k").await, Lookup::Unavailable(_)));
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Lookup<T> {
    /// The value.
    Hit(T),
    /// There is no such key.
    Miss,
    /// Whether there is one is not known, for this reason.
    Unavailable(Error),
}

/// Strings, counters and JSON.
impl RedisManager {
    /// Returns the text at `key`. One round trip.
    ///
    /// `None` if there is none, in an outage, and (with the reason logged) if the value is not UTF-8 or not a string.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.get("user:7:name").await, None);
    /// redis.set("user:7:name", "Ada").await;
    /// assert_eq!(redis.get("user:7:name").await.as_deref(), Some("Ada"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, key: impl Into<Key>) -> Option<String> {
        self.fallback.forgive(self.service.read(key, codec::text).await, None)
    }

    /// Returns the bytes at `key`, whatever they are. One round trip.
    ///
    /// `None` if there are none, in an outage, and (with the reason logged) if the value is not a string.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("picture", vec![0xff, 0xd8]).await;
    /// assert_eq!(redis.get_bytes("picture").await.as_deref(), Some(&[0xff, 0xd8][..]));
    /// assert_eq!(redis.get("picture").await, None); // not text
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_bytes(&self, key: impl Into<Key>) -> Option<Bytes> {
        self.fallback.forgive(self.service.read(key, Ok).await, None)
    }

    /// Looks up the text at `key` and tells a miss from an outage. One round trip.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Lookup, redis_manager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// match redis_manager().lookup("session:42").await {
    ///     Lookup::Hit(session) => println!("{session}"),
    ///     Lookup::Miss => println!("logged out"),
    ///     Lookup::Unavailable(error) => println!("cannot know: {error}"),
    ///     _ => {}
    /// }
    /// # }
    /// ```
    pub async fn lookup(&self, key: impl Into<Key>) -> Lookup<String> {
        match self.service.read(key, codec::text).await {
            Ok(Some(text)) => Lookup::Hit(text),
            Ok(None) => Lookup::Miss,
            Err(error) => Lookup::Unavailable(self.service.road().with_reason(error)),
        }
    }

    /// Stores a value at `key`, whatever was there. Await it as it is, or add options first. One round trip.
    ///
    /// Answers whether the value was set: `false` if a condition prevented it, in an outage, and (with the reason logged) if the server
    /// refused it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert!(redis.set("answer", 42).await);
    /// assert!(redis.set("code", "123456").ttl(Duration::from_millis(500)).await);
    /// assert!(redis.set("lock", "me").ex(60).nx().await);
    /// assert!(!redis.set("lock", "you").ex(60).nx().await);
    /// assert!(!redis.set("never", "stored").ex(0).await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, key: impl Into<Key>, value: impl Into<Value>) -> SetRequest<'_> {
        SetRequest::new(self, self.unless_refused(|| Ok((key.into(), value.into()))))
    }

    /// Stores a value as JSON. Options and answer are those of [`set`](Self::set). One round trip.
    ///
    /// Answers `false` (with the reason logged) if the value cannot be written as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    /// struct User { name: String }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// let ada = User { name: "Ada".into() };
    /// assert!(redis.set_json("user:7", &ada).ex(3600).await);
    /// assert_eq!(redis.get_json::<User>("user:7").await, Some(ada));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_json<T: Serialize + ?Sized>(&self, key: impl Into<Key>, value: &T) -> SetRequest<'_> {
        let entry = || Ok((key.into(), codec::to_json(value)?.into()));
        SetRequest::new(self, self.unless_refused(entry))
    }

    /// Reads the JSON at `key`. One round trip.
    ///
    /// `None` if there is none, in an outage, and (with the reason logged) if it is not JSON of that type.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let tags: Option<Vec<String>> = redis_manager::redis_manager().get_json("user:7:tags").await;
    /// assert_eq!(tags, None);
    /// # }
    /// ```
    pub async fn get_json<T: DeserializeOwned>(&self, key: impl Into<Key>) -> Option<T> {
        self.fallback.forgive(
            self.service.read(key, |json: Bytes| codec::from_json(&json)).await,
            None,
        )
    }

    /// Returns the texts at several keys, in their order, as many as there are keys. One round trip, in a
    /// cluster one to each node for 512 keys.
    ///
    /// All are `None` in an outage, in a cluster those whose node does not answer. One is `None` if there is no such key, if the value is not a string, and (with the reason
    /// logged) if it is not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("b", "2").await;
    /// assert_eq!(redis.get_many(["a", "b"]).await, [None, Some("2".to_owned())]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_many(&self, keys: impl IntoKeys) -> Vec<Option<String>> {
        let none = vec![None; keys.count()];
        if self.service.road().refuses_read() {
            return none;
        }
        let keys = keys.into_keys();
        let text = |text| self.fallback.forgive(text, None);
        let texts = self.service.read_many(keys).await;
        self.fallback
            .forgive(texts.map(|texts| texts.into_iter().map(text).collect()), none)
    }

    /// Stores several values in one step. Await it as it is, or add an expiry first. One round trip.
    ///
    /// Without an expiry it is an `MSET`, with one a script. Answers `false` in an outage and (with the reason logged) if the server
    /// refused it; nothing is stored then. No pairs, nothing sent: `true` where a call would be tried.
    ///
    /// In a cluster each slot is a step of its own, and where one has failed, others may be stored. One round trip to each node, more for more than 512 slots.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert!(redis.set_many([("a", 1), ("b", 2)]).ex(60).await);
    /// assert_eq!(redis.ttl("b").await, 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_many<K: Into<Key>, V: Into<Value>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> SetManyRequest<'_> {
        let collect = || {
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect()
        };
        SetManyRequest::new(self, self.unless_refused(collect))
    }

    /// Counts up, by 1 unless told otherwise, and answers the new number. A missing key counts from 0. One round trip.
    ///
    /// `None` in an outage and (with the reason logged) if the value is not an integer or would overflow. It is never counted twice: a
    /// call whose answer was lost is not repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.incr("visits").await, Some(1));
    /// assert_eq!(redis.incr("visits").by(5).await, Some(6));
    /// # Ok(())
    /// # }
    /// ```
    pub fn incr(&self, key: impl Into<Key>) -> IncrRequest<'_> {
        IncrRequest::new(self, self.unless_refused(|| key.into()), false)
    }

    /// Counts down; otherwise as [`incr`](Self::incr).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.decr("stock").by(3).await, Some(-3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn decr(&self, key: impl Into<Key>) -> IncrRequest<'_> {
        IncrRequest::new(self, self.unless_refused(|| key.into()), true)
    }
}
