//! Pointers to a store are stores.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{CacheFuture, CacheStore};
use crate::value::Value;

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: CacheStore + ?Sized> CacheStore for $pointer {
            fn get<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Bytes>> {
                (**self).get(key)
            }

            fn set<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> CacheFuture<'a, ()> {
                (**self).set(key, value, ttl)
            }

            fn delete<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
                (**self).delete(key)
            }

            fn exists<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
                (**self).exists(key)
            }

            fn expire<'a>(&'a self, key: &'a str, ttl: Duration) -> CacheFuture<'a, bool> {
                (**self).expire(key, ttl)
            }

            fn ttl<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Duration>> {
                (**self).ttl(key)
            }

            fn increment<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
                (**self).increment(key, by)
            }

            fn decrement<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
                (**self).decrement(key, by)
            }

            fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> CacheFuture<'a, Vec<Option<Bytes>>> {
                (**self).get_many(keys)
            }

            fn set_many<'a>(&'a self, pairs: &'a [(&'a str, Value)], ttl: Option<Duration>) -> CacheFuture<'a, ()> {
                (**self).set_many(pairs, ttl)
            }

            fn delete_pattern<'a>(&'a self, pattern: &'a str) -> CacheFuture<'a, u64> {
                (**self).delete_pattern(pattern)
            }

            fn flush(&self) -> CacheFuture<'_, u64> {
                (**self).flush()
            }

            fn ping(&self) -> CacheFuture<'_, ()> {
                (**self).ping()
            }
        }
    )*};
}

forward!(&S, Arc<S>, Box<S>);
