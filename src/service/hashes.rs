//! Hashes.

use super::request::{Request, group};
use crate::{
    command::{Call, Command, Guard},
    error::Result,
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    value::Value,
};

group! {
    /// Hashes. Made by [`RedisService::hash`](crate::RedisService::hash).
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let hash = redis.service().hash();
    /// assert_eq!(hash.hset("user:7", [("name", "Ada"), ("role", "admin")]).await?, 2);
    /// let name: Option<String> = hash.hget("user:7", "name").await?;
    /// assert_eq!(name.as_deref(), Some("Ada"));
    /// let found: Vec<Option<String>> = hash.hmget("user:7", ["role", "age"]).await?;
    /// assert_eq!(found, [Some("admin".to_owned()), None]);
    /// # Ok(())
    /// # }
    /// ```
    HashOperations
}

impl<'a> HashOperations<'a> {
    /// Sets fields (`HSET`) and returns how many are new. One round trip; none for no fields.
    pub fn hset<F: Into<Value>, V: Into<Value>>(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = (F, V)>,
    ) -> Request<'a, u64> {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(field, value)| (field.into().into_bytes(), value.into().into_bytes()))
            .collect();
        if fields.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        Request::new(
            self.road,
            |prefix| {
                Ok(Command::HashSet {
                    key: prefix.key(key.into())?,
                    fields,
                })
            },
            Reply::into_count,
        )
    }

    /// Sets a field unless there is one of that name (`HSETNX`), and says whether it did. One round trip.
    pub fn hsetnx(&self, key: impl Into<Key>, field: impl Into<Value>, value: impl Into<Value>) -> Request<'a, bool> {
        let args = [field.into().into_bytes(), value.into().into_bytes()];
        self.on("HSETNX", key, Reply::into_flag, |call| call.args(args))
    }

    /// Returns a field's value (`HGET`), `None` without such a field. One round trip.
    pub fn hget<T: FromReply>(&self, key: impl Into<Key>, field: impl Into<Value>) -> Request<'a, Option<T>> {
        Request::new(
            self.road,
            |prefix| {
                Ok(Command::HashGet {
                    key: prefix.key(key.into())?,
                    field: field.into().into_bytes(),
                })
            },
            Option::from_reply,
        )
    }

    /// Returns the values of several fields (`HMGET`), as many as fields, in their order. One round trip; none for no fields.
    pub fn hmget<T: FromReply>(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, Vec<Option<T>>> {
        let fields: Vec<_> = fields.into_iter().map(|field| field.into().into_bytes()).collect();
        if fields.is_empty() {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        self.on("HMGET", key, Vec::from_reply, |call| {
            call.args(fields).guarded(Guard::AbsentAt(1))
        })
    }

    /// Returns all fields with their values (`HGETALL`) as a map; an empty one without such a key. One round trip.
    pub fn hgetall<M: FromReply>(&self, key: impl Into<Key>) -> Request<'a, M> {
        self.on("HGETALL", key, M::from_reply, |call| call)
    }

    /// Removes fields (`HDEL`) and returns how many there were. One round trip; none for no fields.
    pub fn hdel(&self, key: impl Into<Key>, fields: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        let fields: Vec<_> = fields.into_iter().map(|field| field.into().into_bytes()).collect();
        if fields.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        self.on("HDEL", key, Reply::into_count, |call| call.args(fields))
    }

    /// Says whether there is such a field (`HEXISTS`). One round trip.
    pub fn hexists(&self, key: impl Into<Key>, field: impl Into<Value>) -> Request<'a, bool> {
        self.on("HEXISTS", key, Reply::into_flag, |call| {
            call.arg(field.into().into_bytes())
        })
    }

    /// Returns how many fields there are (`HLEN`). One round trip.
    pub fn hlen(&self, key: impl Into<Key>) -> Request<'a, u64> {
        self.on("HLEN", key, Reply::into_count, |call| call)
    }

    /// Returns the names of all fields (`HKEYS`), in no particular order. One round trip.
    pub fn hkeys<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Vec<T>> {
        self.on("HKEYS", key, Vec::from_reply, |call| call.guarded(Guard::Wrapped))
    }

    /// Returns the values of all fields (`HVALS`), in no particular order. One round trip.
    pub fn hvals<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Vec<T>> {
        self.on("HVALS", key, Vec::from_reply, |call| call.guarded(Guard::Wrapped))
    }

    /// Adds to the integer in a field (`HINCRBY`) and returns the sum. A missing field counts from 0. One round trip.
    pub fn hincr_by(&self, key: impl Into<Key>, field: impl Into<Value>, by: i64) -> Request<'a, i64> {
        self.on("HINCRBY", key, Reply::into_integer, |call| {
            call.arg(field.into().into_bytes()).number(by)
        })
    }

    fn on<T>(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        read: fn(Reply) -> Result<T>,
        complete: impl FnOnce(Call) -> Call,
    ) -> Request<'a, T> {
        let build = |prefix: &Prefix| Ok(complete(Call::new(name).key(prefix.key(key.into())?)));
        Request::new(self.road, build, read)
    }
}
