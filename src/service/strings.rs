//! `GET`, `SET`, `MGET`, `MSET`, `INCRBY`, and JSON in plain strings.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Command, Reply, Result, Service, codec};
use crate::{
    command::{Condition, Expiry, Get, Set},
    error::Error,
    key::{Key, Prefix},
    ttl::Ttl,
    value::Value,
};

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
            Expiry::Keep | Expiry::In(_) => Err(Error::invalid("more than one of ex, px, ttl and keep_ttl")),
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

impl Service {
    pub(crate) fn get_bytes(&self, key: impl Into<Key>) -> impl Future<Output = Result<Option<Bytes>>> {
        self.get_as(key, Ok)
    }

    pub(crate) fn get(&self, key: impl Into<Key>) -> impl Future<Output = Result<Option<String>>> {
        self.get_as(key, codec::text)
    }

    pub(crate) fn get_json<T: DeserializeOwned>(&self, key: impl Into<Key>) -> impl Future<Output = Result<Option<T>>> {
        self.get_as(key, |json| codec::from_json(&json))
    }

    async fn get_as<T>(&self, key: impl Into<Key>, decode: impl FnOnce(Bytes) -> Result<T>) -> Result<Option<T>> {
        let build = |prefix: &Prefix| {
            Ok(Get {
                key: prefix.key(key.into())?,
            })
        };
        self.call(build, |reply| reply.into_bytes()?.map(decode).transpose())
            .await
    }

    /// Returns as many texts as there are keys, in their order, each for itself. One round trip.
    pub(crate) async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Result<Option<String>>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let asked = keys.clone();
        let build = |prefix: &Prefix| {
            Ok(Command::GetMany {
                keys: prefix.keys(asked)?,
            })
        };
        let values = self.call(build, Reply::into_many).await?;
        let text = |(value, key): (Option<Bytes>, Key)| {
            let text = value.map(codec::text).transpose();
            text.map_err(|error| error.during("MGET", self.road.key_hash(key)))
        };
        Ok(values.into_iter().zip(keys).map(text).collect())
    }

    /// Says whether the value was set, which only a condition can prevent.
    pub(crate) async fn set(&self, key: Key, value: Value, options: SetOptions) -> Result<bool> {
        let build = |prefix: &Prefix| {
            Ok(Command::Set(Set {
                key: prefix.key(key)?,
                value: value.into_bytes(),
                expiry: options.expiry,
                condition: options.condition,
            }))
        };
        self.call(build, Reply::into_done).await
    }

    /// Sets all in one step and one round trip.
    pub(crate) async fn set_many(&self, pairs: Vec<(Key, Value)>, ttl: Option<Ttl>) -> Result<bool> {
        if pairs.is_empty() {
            return Ok(true);
        }
        let build = |prefix: &Prefix| {
            let pair = |(key, value): (Key, Value)| Ok((prefix.key(key)?, value.into_bytes()));
            Ok(Command::SetMany {
                pairs: pairs.into_iter().map(pair).collect::<Result<_>>()?,
                ttl,
            })
        };
        self.call(build, Reply::into_done).await
    }

    pub(crate) async fn incr_by(&self, key: Key, by: i64) -> Result<i64> {
        let build = |prefix: &Prefix| {
            Ok(Command::IncrBy {
                key: prefix.key(key)?,
                by,
            })
        };
        self.call(build, Reply::into_integer).await
    }
}
