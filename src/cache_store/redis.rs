//! Redis as a cache.

use std::{future::IntoFuture, time::Duration};

use bytes::Bytes;

use super::{CacheFuture, CacheStore};
use crate::{
    reply::Reply,
    service::{Operation, RedisService},
    value::Value,
};

/// Each method is one round trip, save `delete_pattern` and `flush`. What is no string reads as `None` in `get_many`, and is an error of kind
/// `WrongType` in `get`.
impl CacheStore for RedisService {
    fn get<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Bytes>> {
        self.string().get_bytes(key).into_future()
    }

    fn set<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> CacheFuture<'a, ()> {
        let command = self.string().set(key, value);
        let command = match ttl {
            Some(ttl) => command.ttl(ttl),
            None => command,
        };
        command.into_request().reading(Reply::into_unit).into_future()
    }

    fn delete<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
        self.keys().delete(key).reading(Reply::into_flag).into_future()
    }

    fn exists<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
        self.keys().exists(key).reading(Reply::into_flag).into_future()
    }

    fn expire<'a>(&'a self, key: &'a str, ttl: Duration) -> CacheFuture<'a, bool> {
        self.keys().expire(key, ttl).into_future()
    }

    fn ttl<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Duration>> {
        let request = self.keys().ttl(key).reading(|reply| {
            // -1 is a key that does not expire, -2 none at all.
            let millis = u64::try_from(reply.into_integer()?).ok();
            Ok(millis.map(Duration::from_millis))
        });
        request.into_future()
    }

    fn increment<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        self.string().incr_by(key, by).into_future()
    }

    fn decrement<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        self.string().decr_by(key, by).into_future()
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> CacheFuture<'a, Vec<Option<Bytes>>> {
        self.string().get_many(keys).into_future()
    }

    fn set_many<'a>(&'a self, pairs: &'a [(&'a str, Value)], ttl: Option<Duration>) -> CacheFuture<'a, ()> {
        let command = self.string().set_many(pairs.iter().cloned());
        let command = match ttl {
            Some(ttl) => command.ttl(ttl),
            None => command,
        };
        command.into_request().reading(Reply::into_unit).into_future()
    }

    fn delete_pattern<'a>(&'a self, pattern: &'a str) -> CacheFuture<'a, u64> {
        self.keys().delete_pattern(pattern).into_future()
    }

    fn flush(&self) -> CacheFuture<'_, u64> {
        self.keys().flush_prefix().into_future()
    }

    fn ping(&self) -> CacheFuture<'_, ()> {
        self.keys().ping().into_future()
    }
}
