//! Strings and counters.

use std::{
    future::IntoFuture,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use super::request::{Request, group, operation};
use crate::{
    command::{Call, Command, Condition, Expiry, Set},
    error::{Error, Result},
    key::{IntoKeys, Key, Prefix},
    reply::{FromReply, Reply},
    transport::call::Road,
    ttl::{IntoTtl, Ttl, unix_millis},
    value::Value,
};

group! {
    /// Strings and counters. Made by [`RedisService::string`](crate::RedisService::string).
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let strings = redis.service().string();
    /// strings.set("visits", 41).ex(60).await?;
    /// assert_eq!(strings.incr("visits").await?, 42);
    /// let found: Vec<Option<u64>> = strings.get_many(["visits", "nobody"]).await?;
    /// assert_eq!(found, [Some(42), None]);
    /// # Ok(())
    /// # }
    /// ```
    StringOperations
}

/// A `SET` under construction: add options, then await it; it says whether the value was set, which only a condition can prevent.
///
/// Of `ex`, `px`, `ttl`, `expire_at` and `keep_ttl` one may be given, of `nx` and `xx` one; otherwise it fails with kind `InvalidArgument`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let strings = redis.service().string();
/// assert!(strings.set("lock", "me").ex(60).nx().await?);
/// assert!(!strings.set("lock", "you").ex(60).nx().await?);
/// let old: Option<String> = strings.set("lock", "them").get().await?;
/// assert_eq!(old.as_deref(), Some("me"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct SetCommand<'a> {
    road: &'a Road,
    key: Key,
    value: Result<Value>,
    options: Result<SetOptions>,
}

/// An `MSET` under construction. Returned by [`StringOperations::set_many`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// assert!(redis.service().string().set_many([("a", 1), ("b", 2)]).ex(60).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct SetManyCommand<'a> {
    road: &'a Road,
    pairs: Result<Vec<(Key, Value)>>,
    options: Result<SetOptions>,
}

/// A `GETEX` under construction: without options it reads and leaves the expiry alone. Returned by [`StringOperations::getex`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// redis.set("session", "7").ex(60).await;
/// let session: Option<u64> = redis.service().string().getex("session").ex(3600).read().await?;
/// assert_eq!((session, redis.ttl("session").await), (Some(7), 3600));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless read"]
pub struct GetExCommand<'a> {
    road: &'a Road,
    key: Key,
    options: Result<SetOptions>,
    persist: bool,
}

/// How to set. Options that exclude each other cannot be put together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SetOptions {
    expiry: Expiry,
    condition: Option<Condition>,
}

impl SetOptions {
    pub(crate) fn with_expiry(self, expiry: Expiry) -> Result<Self> {
        match self.expiry {
            Expiry::Never => Ok(Self { expiry, ..self }),
            _ => Err(Error::invalid("more than one of ex, px, ttl, expire_at and keep_ttl")),
        }
    }

    pub(crate) fn with_condition(self, condition: Condition) -> Result<Self> {
        let condition = match self.condition {
            Some(other) if other != condition => return Err(Error::invalid("both nx and xx")),
            _ => Some(condition),
        };
        Ok(Self { condition, ..self })
    }
}

impl<'a> StringOperations<'a> {
    /// Returns the value at a key (`GET`), `None` without such a key. One round trip.
    pub fn get<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        let build = |prefix: &Prefix| {
            Ok(Command::Get {
                key: prefix.key(key.into())?,
            })
        };
        Request::new(self.road, build, Option::from_reply)
    }

    /// Returns the bytes at a key (`GET`), whatever they are. One round trip.
    pub fn get_bytes(&self, key: impl Into<Key>) -> Request<'a, Option<Bytes>> {
        self.get(key)
    }

    /// Returns the values at several keys (`MGET`), as many as keys, in their order; what is no string is `None`. One round trip, in a
    /// cluster one to each node; none for no keys.
    pub fn get_many<T: FromReply>(&self, keys: impl IntoKeys) -> Request<'a, Vec<Option<T>>> {
        let keys = keys.into_keys();
        if keys.is_empty() {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        let build = |prefix: &Prefix| {
            Ok(Command::GetMany {
                keys: prefix.keys(keys)?,
            })
        };
        Request::new(self.road, build, Vec::from_reply)
    }

    /// Stores a value (`SET`), whatever was there. Add options, then await it. One round trip.
    pub fn set(&self, key: impl Into<Key>, value: impl Into<Value>) -> SetCommand<'a> {
        self.set_encoded(key.into(), Ok(value.into()))
    }

    pub(crate) fn set_encoded(&self, key: Key, value: Result<Value>) -> SetCommand<'a> {
        SetCommand {
            road: self.road,
            key,
            value,
            options: Ok(SetOptions::default()),
        }
    }

    /// Stores a value if there is no such key (`SET NX`), and says whether it did. One round trip.
    pub fn set_nx(&self, key: impl Into<Key>, value: impl Into<Value>) -> SetCommand<'a> {
        self.set(key, value).nx()
    }

    /// Stores several values in one step: all or none. Add an expiry, or await it as it is: `MSET` without, a script with an expiry. One
    /// round trip; none for no pairs.
    ///
    /// It is atomic on one server, in a cluster for the keys of one slot: there it takes one round trip to each node, and where a part has failed, others may be
    /// stored.
    pub fn set_many<K: Into<Key>, V: Into<Value>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> SetManyCommand<'a> {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
        self.set_many_encoded(Ok(pairs.collect()))
    }

    pub(crate) fn set_many_encoded(&self, pairs: Result<Vec<(Key, Value)>>) -> SetManyCommand<'a> {
        SetManyCommand {
            road: self.road,
            pairs,
            options: Ok(SetOptions::default()),
        }
    }

    /// Stores a value and returns what was there before (`SET GET`). One round trip.
    pub fn getset<T: FromReply>(&self, key: impl Into<Key>, value: impl Into<Value>) -> Request<'a, Option<T>> {
        self.set(key, value).get()
    }

    /// Returns the value at a key and deletes it (`GETDEL`). One round trip.
    pub fn getdel<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        Request::on(self.road, "GETDEL", key, Option::from_reply, |call| call)
    }

    /// Reads the value at a key and changes its expiry (`GETEX`): add the new expiry, then [`read`](GetExCommand::read). One round trip.
    pub fn getex(&self, key: impl Into<Key>) -> GetExCommand<'a> {
        GetExCommand {
            road: self.road,
            key: key.into(),
            options: Ok(SetOptions::default()),
            persist: false,
        }
    }

    /// Adds to the end of a string (`APPEND`) and returns its new length in bytes. A missing key counts as empty. One round trip.
    pub fn append(&self, key: impl Into<Key>, value: impl Into<Value>) -> Request<'a, u64> {
        Request::on(self.road, "APPEND", key, Reply::into_count, |call| {
            call.arg(value.into().into_bytes())
        })
    }

    /// Returns the length of a string in bytes (`STRLEN`), 0 without such a key. One round trip.
    pub fn strlen(&self, key: impl Into<Key>) -> Request<'a, u64> {
        Request::on(self.road, "STRLEN", key, Reply::into_count, |call| call)
    }

    /// Counts up by one (`INCRBY`) and returns the new number. A missing key counts from 0. One round trip, never counted twice.
    ///
    /// Fails with kind `Server` if the value is no integer or would overflow.
    pub fn incr(&self, key: impl Into<Key>) -> Request<'a, i64> {
        self.incr_by(key, 1)
    }

    /// Counts down by one. Otherwise as [`incr`](Self::incr).
    pub fn decr(&self, key: impl Into<Key>) -> Request<'a, i64> {
        self.incr_by(key, -1)
    }

    /// Counts up by a step, or down by a negative one. Otherwise as [`incr`](Self::incr).
    pub fn incr_by(&self, key: impl Into<Key>, by: i64) -> Request<'a, i64> {
        let build = |prefix: &Prefix| {
            Ok(Command::IncrBy {
                key: prefix.key(key.into())?,
                by,
                ttl: None,
            })
        };
        Request::new(self.road, build, Reply::into_integer)
    }

    /// Counts down by a step. Otherwise as [`incr`](Self::incr).
    pub fn decr_by(&self, key: impl Into<Key>, by: i64) -> Request<'a, i64> {
        let build = |prefix: &Prefix| {
            Ok(Command::IncrBy {
                key: prefix.key(key.into())?,
                by: by
                    .checked_neg()
                    .ok_or_else(|| Error::invalid("a step that overflows"))?,
                ttl: None,
            })
        };
        Request::new(self.road, build, Reply::into_integer)
    }

    /// Adds to a decimal number (`INCRBYFLOAT`) and returns the sum. One round trip.
    ///
    /// Fails with kind `InvalidArgument` if `by` is not finite, and with kind `Server` if the value is no number.
    pub fn incr_by_float(&self, key: impl Into<Key>, by: f64) -> Request<'a, f64> {
        let build = |prefix: &Prefix| {
            if !by.is_finite() {
                return Err(Error::invalid("a step that is not finite"));
            }
            Ok(Call::new("INCRBYFLOAT").key(prefix.key(key.into())?).number(by))
        };
        Request::new(self.road, build, f64::from_reply)
    }

    /// Counts up by a step, and lets the counter expire after `ttl` if this call created it: a window that begins with its first event. One
    /// round trip, by a script, in one step.
    pub fn incr_with_ttl(&self, key: impl Into<Key>, by: i64, ttl: impl IntoTtl) -> Request<'a, i64> {
        let build = |prefix: &Prefix| {
            Ok(Command::IncrBy {
                key: prefix.key(key.into())?,
                by,
                ttl: Some(ttl.into_ttl()?),
            })
        };
        Request::new(self.road, build, Reply::into_integer)
    }

    /// Stores the new bytes, or deletes the key, if it still holds the old ones, and says whether it did. Without a `ttl` the key lives as long
    /// as before. One round trip, by a script.
    pub(crate) fn compare_and_set(
        &self,
        key: Key,
        (old, new): (Option<Bytes>, Option<Bytes>),
        ttl: Option<Ttl>,
    ) -> Request<'a, bool> {
        let build = |prefix: &Prefix| {
            let key = prefix.key(key)?;
            Ok(Command::CompareAndSet { key, old, new, ttl })
        };
        Request::new(self.road, build, Reply::into_flag)
    }
}

/// The options that set an expiry.
macro_rules! expiry_options {
    () => {
        /// Lets it expire after so many seconds.
        pub fn ex(self, seconds: u64) -> Self {
            self.with(|options| options.with_expiry(Expiry::In(Ttl::from_secs(seconds)?)))
        }

        /// Lets it expire after so many milliseconds.
        pub fn px(self, millis: u64) -> Self {
            self.with(|options| options.with_expiry(Expiry::In(Ttl::from_millis(millis)?)))
        }

        /// Lets it expire after a time, to the millisecond; what is shorter is rounded up to one.
        pub fn ttl(self, ttl: Duration) -> Self {
            self.with(|options| options.with_expiry(Expiry::In(ttl.try_into()?)))
        }

        fn with(mut self, change: impl FnOnce(SetOptions) -> Result<SetOptions>) -> Self {
            self.options = self.options.and_then(change);
            self
        }
    };
}

impl<'a> SetCommand<'a> {
    expiry_options!();

    /// Lets it expire at a time, to the millisecond.
    pub fn expire_at(self, at: SystemTime) -> Self {
        self.with(|options| options.with_expiry(Expiry::At(unix_millis(at)?)))
    }

    /// Keeps the time to live that the key has.
    pub fn keep_ttl(self) -> Self {
        self.with(|options| options.with_expiry(Expiry::Keep))
    }

    /// Sets only if there is no such key.
    pub fn nx(self) -> Self {
        self.with(|options| options.with_condition(Condition::IfAbsent))
    }

    /// Sets only if there is such a key.
    pub fn xx(self) -> Self {
        self.with(|options| options.with_condition(Condition::IfPresent))
    }

    pub(crate) fn with_options(self, options: Result<SetOptions>) -> Self {
        Self { options, ..self }
    }

    /// Answers the value that was there before (`GET`) instead of whether it was set. With [`nx`](Self::nx) the server has to be Redis 7.
    pub fn get<T: FromReply>(self) -> Request<'a, Option<T>> {
        self.build(true, Option::from_reply)
    }

    fn request(self) -> Request<'a, bool> {
        self.build(false, Reply::into_done)
    }

    fn build<T>(self, returns_old: bool, read: fn(Reply) -> Result<T>) -> Request<'a, T> {
        let Self {
            road,
            key,
            value,
            options,
        } = self;
        let build = |prefix: &Prefix| {
            let SetOptions { expiry, condition } = options?;
            Ok(Command::Set(Set {
                key: prefix.key(key)?,
                value: value?.into_bytes(),
                expiry,
                condition,
                returns_old,
            }))
        };
        Request::new(road, build, read)
    }
}

impl<'a> SetManyCommand<'a> {
    expiry_options!();

    pub(crate) fn with_ttl(self, ttl: Option<Ttl>) -> Self {
        match ttl {
            Some(ttl) => self.with(|options| options.with_expiry(Expiry::In(ttl))),
            None => self,
        }
    }

    fn request(self) -> Request<'a, bool> {
        let Self { road, pairs, options } = self;
        if matches!(&pairs, Ok(pairs) if pairs.is_empty()) {
            return Request::known(road, Reply::Ok, Reply::into_done);
        }
        let build = |prefix: &Prefix| {
            let ttl = match options?.expiry {
                Expiry::In(ttl) => Some(ttl),
                _ => None,
            };
            let pair = |(key, value): (Key, Value)| Ok((prefix.key(key)?, value.into_bytes()));
            Ok(Command::SetMany {
                pairs: pairs?.into_iter().map(pair).collect::<Result<_>>()?,
                ttl,
            })
        };
        Request::new(road, build, Reply::into_done)
    }
}

operation!(SetCommand, bool);
operation!(SetManyCommand, bool);

impl<'a> GetExCommand<'a> {
    expiry_options!();

    /// Lets it expire at a time, to the millisecond.
    pub fn expire_at(self, at: SystemTime) -> Self {
        self.with(|options| options.with_expiry(Expiry::At(unix_millis(at)?)))
    }

    /// Takes the expiry off.
    pub fn persist(mut self) -> Self {
        self.persist = true;
        self
    }

    /// Ends the construction: what is awaited answers the value, `None` without such a key.
    pub fn read<T: FromReply>(self) -> Request<'a, Option<T>> {
        let build = |prefix: &Prefix| {
            let call = Call::new("GETEX").key(prefix.key(self.key)?);
            match (self.options?.expiry, self.persist) {
                (Expiry::In(_) | Expiry::At(_), true) => Err(Error::invalid("both an expiry and persist")),
                (Expiry::In(ttl), false) => Ok(call.arg("PX").number(ttl.as_millis())),
                (Expiry::At(millis), false) => Ok(call.arg("PXAT").number(millis)),
                (Expiry::Never | Expiry::Keep, persist) => Ok(call.flag("PERSIST", persist)),
            }
        };
        Request::new(self.road, build, Option::from_reply)
    }
}
