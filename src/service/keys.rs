//! `DEL`, `EXISTS`, `PEXPIRE`, `TTL`.

use super::{Command, Reply, Result, Service};
use crate::{
    key::{Key, Prefix},
    ttl::IntoTtl,
};

impl Service {
    /// Returns how many of the keys there were.
    pub(crate) async fn delete(&self, keys: Vec<Key>) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        let build = |prefix: &Prefix| {
            Ok(Command::Delete {
                keys: prefix.keys(keys)?,
            })
        };
        self.call(build, Reply::into_count).await
    }

    pub(crate) async fn exists(&self, key: impl Into<Key>) -> Result<bool> {
        let build = |prefix: &Prefix| {
            Ok(Command::Exists {
                key: prefix.key(key.into())?,
            })
        };
        Ok(self.call(build, Reply::into_integer).await? > 0)
    }

    /// Says whether there was such a key.
    pub(crate) async fn expire(&self, key: impl Into<Key>, ttl: impl IntoTtl) -> Result<bool> {
        let build = |prefix: &Prefix| {
            Ok(Command::Expire {
                key: prefix.key(key.into())?,
                ttl: ttl.into_ttl()?,
            })
        };
        Ok(self.call(build, Reply::into_integer).await? > 0)
    }

    /// Returns seconds, -1 without expiry, -2 without key.
    pub(crate) async fn ttl(&self, key: impl Into<Key>) -> Result<i64> {
        let build = |prefix: &Prefix| {
            Ok(Command::Ttl {
                key: prefix.key(key.into())?,
            })
        };
        self.call(build, Reply::into_integer).await
    }
}
