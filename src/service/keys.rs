//! Keys, whatever they hold.

use std::time::{Duration, SystemTime};

use super::request::{Request, group};
use crate::{
    command::{Call, Command},
    error::{Error, Result},
    key::{IntoKeys, Key, Prefix},
    reply::{FromReply, Reply},
    ttl::{IntoTtl, unix_millis},
};

group! {
    /// Keys, whatever they hold. Made by [`RedisService::keys`](crate::RedisService::keys).
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, KeyTtl, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let keys = redis.service().keys();
    /// redis.set("k", "v").await;
    /// assert_eq!(keys.ttl("k").await?, KeyTtl::Persistent);
    /// assert!(keys.expire("k", 60).await?);
    /// assert!(matches!(keys.ttl("k").await?, KeyTtl::Expires(left) if left.as_secs() >= 59));
    /// assert_eq!(keys.delete(["k", "nobody"]).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    KeyOperations
}

/// How long a key will live. To the millisecond.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// assert_eq!(redis.service().keys().ttl("nobody").await?, redis_manager::KeyTtl::Missing);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyTtl {
    /// There is no such key.
    Missing,
    /// Until it is deleted.
    Persistent,
    /// For this time.
    Expires(Duration),
}

/// What a key holds.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// redis.set("k", "v").await;
/// assert_eq!(redis.service().keys().type_of("k").await?, Some(redis_manager::KeyType::String));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyType {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
    /// A type of a module, by the name that the server gives it.
    Other(String),
}

impl<'a> KeyOperations<'a> {
    /// Deletes one key or any list of keys (`DEL`) and returns how many there were. One round trip; none for no keys.
    ///
    /// In a cluster one round trip to each node; where a part has failed, others may be deleted.
    pub fn delete(&self, keys: impl IntoKeys) -> Request<'a, u64> {
        let keys = keys.into_keys();
        if keys.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        Request::new(
            self.road,
            |prefix| {
                Ok(Command::Delete {
                    keys: prefix.keys(keys)?,
                })
            },
            Reply::into_count,
        )
    }

    /// Deletes keys and lets the server free their memory in the background (`UNLINK`). Otherwise as [`delete`](Self::delete).
    pub fn unlink(&self, keys: impl IntoKeys) -> Request<'a, u64> {
        self.count_of("UNLINK", keys.into_keys())
    }

    /// Returns how many of the keys there are (`EXISTS`); a key that is named twice counts twice. One round trip; none for no keys.
    pub fn exists(&self, keys: impl IntoKeys) -> Request<'a, u64> {
        let mut keys = keys.into_keys();
        if keys.len() == 1
            && let Some(key) = keys.pop()
        {
            let build = |prefix: &Prefix| Ok(Command::Exists { key: prefix.key(key)? });
            return Request::new(self.road, build, Reply::into_count);
        }
        self.count_of("EXISTS", keys)
    }

    /// Marks keys as just used (`TOUCH`) and returns how many there are. One round trip; none for no keys.
    pub fn touch(&self, keys: impl IntoKeys) -> Request<'a, u64> {
        self.count_of("TOUCH", keys.into_keys())
    }

    fn count_of(&self, name: &'static str, keys: Vec<Key>) -> Request<'a, u64> {
        if keys.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        Request::new(
            self.road,
            |prefix| Ok(Call::new(name).keys_of(prefix.keys(keys)?)),
            Reply::into_count,
        )
    }

    /// Lets a key expire after a time (`PEXPIRE`: whole seconds, a `Duration` or a [`Ttl`](crate::Ttl), to the millisecond) and says whether there
    /// is such a key. One round trip.
    pub fn expire(&self, key: impl Into<Key>, ttl: impl IntoTtl) -> Request<'a, bool> {
        Request::new(
            self.road,
            |prefix| {
                Ok(Command::Expire {
                    key: prefix.key(key.into())?,
                    ttl: ttl.into_ttl()?,
                })
            },
            Reply::into_flag,
        )
    }

    /// Lets a key expire after so many milliseconds (`PEXPIRE`). Otherwise as [`expire`](Self::expire).
    pub fn pexpire(&self, key: impl Into<Key>, millis: u64) -> Request<'a, bool> {
        self.expire(key, Duration::from_millis(millis))
    }

    /// Lets a key expire at a time (`PEXPIREAT`) and says whether there is such a key. A time in the past deletes it. One round trip.
    pub fn expire_at(&self, key: impl Into<Key>, at: SystemTime) -> Request<'a, bool> {
        let build = |prefix: &Prefix| {
            Ok(Call::new("PEXPIREAT")
                .key(prefix.key(key.into())?)
                .number(unix_millis(at)?))
        };
        Request::new(self.road, build, Reply::into_flag)
    }

    /// Takes the expiry off a key (`PERSIST`) and says whether it had one. One round trip.
    pub fn persist(&self, key: impl Into<Key>) -> Request<'a, bool> {
        self.one("PERSIST", key, Reply::into_flag)
    }

    /// Returns how long a key will live (`PTTL`). One round trip.
    pub fn ttl(&self, key: impl Into<Key>) -> Request<'a, KeyTtl> {
        self.one("PTTL", key, |reply| match reply.into_integer()? {
            -2 => Ok(KeyTtl::Missing),
            -1 => Ok(KeyTtl::Persistent),
            millis => Ok(KeyTtl::Expires(Duration::from_millis(millis.unsigned_abs()))),
        })
    }

    /// Returns what a key holds (`TYPE`), `None` without such a key. One round trip.
    pub fn type_of(&self, key: impl Into<Key>) -> Request<'a, Option<KeyType>> {
        self.one("TYPE", key, |reply| {
            Ok(Some(match String::from_reply(reply)?.as_str() {
                "none" => return Ok(None),
                "string" => KeyType::String,
                "list" => KeyType::List,
                "set" => KeyType::Set,
                "zset" => KeyType::SortedSet,
                "hash" => KeyType::Hash,
                "stream" => KeyType::Stream,
                other => KeyType::Other(other.to_owned()),
            }))
        })
    }

    /// Gives a key another name (`RENAME`, or `RENAMENX`, which says `false` if there is a key of that name), replacing what has it. One
    /// round trip.
    ///
    /// Fails with kind `Server` if there is no such key.
    pub fn rename(&self, key: impl Into<Key>, name: impl Into<Key>) -> Request<'a, ()> {
        self.two("RENAME", key.into(), name.into(), false, Reply::into_unit)
    }

    /// Gives a key another name unless that is taken (`RENAMENX`), and says whether it did. Otherwise as [`rename`](Self::rename).
    pub fn rename_nx(&self, key: impl Into<Key>, name: impl Into<Key>) -> Request<'a, bool> {
        self.two("RENAMENX", key.into(), name.into(), false, Reply::into_flag)
    }

    /// Copies a key with its expiry (`COPY`) and says whether it did: not if there is no such key, or the target exists and `replace` is
    /// false. One round trip.
    pub fn copy(&self, from: impl Into<Key>, to: impl Into<Key>, replace: bool) -> Request<'a, bool> {
        self.two("COPY", from.into(), to.into(), replace, Reply::into_flag)
    }

    /// Says whether the server answers (`PING`). One round trip.
    pub fn ping(&self) -> Request<'a, ()> {
        Request::new(self.road, |_prefix| Ok(Call::new("PING")), <()>::from_reply)
    }

    /// Returns what the server tells of itself (`INFO`), of one section or of its default ones. One round trip.
    pub fn info(&self, section: Option<&str>) -> Request<'a, String> {
        let build = |_prefix: &Prefix| match section {
            Some("") => Err(Error::invalid("an empty section")),
            Some(section) => Ok(Call::new("INFO").arg(section.to_owned())),
            None => Ok(Call::new("INFO")),
        };
        Request::new(self.road, build, String::from_reply)
    }

    /// Returns how many keys the database has (`DBSIZE`), those outside the prefix too. One round trip.
    pub fn dbsize(&self) -> Request<'a, u64> {
        Request::new(self.road, |_prefix| Ok(Call::new("DBSIZE")), Reply::into_count)
    }

    fn one<T>(&self, name: &'static str, key: impl Into<Key>, read: fn(Reply) -> Result<T>) -> Request<'a, T> {
        Request::new(
            self.road,
            |prefix| Ok(Call::new(name).key(prefix.key(key.into())?)),
            read,
        )
    }

    fn two<T>(
        &self,
        name: &'static str,
        key: Key,
        other: Key,
        replace: bool,
        read: fn(Reply) -> Result<T>,
    ) -> Request<'a, T> {
        let build = |prefix: &Prefix| {
            let call = Call::new(name).key(prefix.key(key)?).key(prefix.key(other)?);
            Ok(call.flag("REPLACE", replace))
        };
        Request::new(self.road, build, read)
    }
}
