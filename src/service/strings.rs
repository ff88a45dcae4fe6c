//! `GET`, `SET`, `MGET`, `MSET`, `INCRBY`, and JSON in plain strings.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Command, Result, Service, codec};
use crate::{
    command::{Condition, Expiry, Set},
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
    pub(crate) async fn get_bytes(&self, key: impl Into<Key>) -> Result<Option<Bytes>> {
        let build = |prefix: &Prefix| {
            Ok(Command::Get {
                key: prefix.key(key.into())?,
            })
        };
        self.call(build).await?.into_bytes()
    }

    pub(crate) async fn get(&self, key: impl Into<Key>) -> Result<Option<String>> {
        self.get_bytes(key).await?.map(codec::text).transpose()
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(&self, key: impl Into<Key>) -> Result<Option<T>> {
        self.get_bytes(key)
            .await?
            .map(|json| codec::from_json(&json))
            .transpose()
    }

    /// Returns as many values as there are keys, in their order. One round trip.
    pub(crate) async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Option<Bytes>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let build = |prefix: &Prefix| {
            Ok(Command::GetMany {
                keys: prefix.keys(keys)?,
            })
        };
        self.call(build).await?.into_many()
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
        self.call(build).await?.into_done()
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
        self.call(build).await?.into_done()
    }

    pub(crate) async fn incr_by(&self, key: Key, by: i64) -> Result<i64> {
        let build = |prefix: &Prefix| {
            Ok(Command::IncrBy {
                key: prefix.key(key)?,
                by,
            })
        };
        self.call(build).await?.into_integer()
    }
}
