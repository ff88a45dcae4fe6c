//! Hashes.

mod expiry;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::expiry::{FieldExpiry, FieldPersist, FieldTtl};
use super::request::{Request, group};
use crate::{
    codec,
    command::{Call, Command, Expiry, Guard},
    error::Error,
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
    ///
    /// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    /// struct User {
    ///     name: String,
    ///     age: Option<u8>,
    ///     langs: Vec<String>,
    /// }
    /// let ada = User { name: "Ada".to_owned(), age: None, langs: vec!["en".to_owned()] };
    /// hash.hset_struct("user:8", &ada).await?;
    /// assert_eq!(hash.hget::<String>("user:8", "name").await?.as_deref(), Some("Ada"));
    /// assert_eq!(hash.hgetall_as::<User>("user:8").await?, Some(ada));
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

    /// Sets a field of a hash for each field of a struct (`HSET`) and returns how many are new. One round trip; none for no fields.
    ///
    /// Text, numbers and `bool` are stored as plain text, an enum without data by its name, bytes as they are, what is nested as JSON. A field
    /// that is `None` is left out: what the hash has there stays. A map whose keys are text or numbers is as good as a struct.
    ///
    /// Fails with kind `Encode` if the value is neither, or if a part of it has no form in JSON.
    pub fn hset_struct<T: Serialize + ?Sized>(&self, key: impl Into<Key>, value: &T) -> Request<'a, u64> {
        match codec::to_fields(value) {
            Ok(fields) => self.hset(key, fields),
            Err(error) => Request::new(self.road, |_prefix| Err::<Call, _>(error), Reply::into_count),
        }
    }

    /// Replaces the hash by the fields of a struct, whatever was there; with `is_new` only if nothing was. Says whether it did. One round trip, by a
    /// script.
    pub(crate) fn replace<T: Serialize + ?Sized>(
        &self,
        key: Key,
        value: &T,
        expiry: Expiry,
        is_new: bool,
    ) -> Request<'a, bool> {
        let build = |prefix: &Prefix| {
            let fields = codec::to_fields(value)?;
            if fields.is_empty() {
                return Err(Error::invalid("a value without fields cannot be kept as a hash"));
            }
            Ok(Command::HashReplace {
                key: prefix.key(key)?,
                fields,
                expiry,
                is_new,
            })
        };
        Request::new(self.road, build, Reply::into_flag)
    }

    /// Sets a field unless there is one of that name (`HSETNX`), and says whether it did. One round trip.
    pub fn hsetnx(&self, key: impl Into<Key>, field: impl Into<Value>, value: impl Into<Value>) -> Request<'a, bool> {
        let args = [field.into().into_bytes(), value.into().into_bytes()];
        Request::on(self.road, "HSETNX", key, Reply::into_flag, |call| call.args(args))
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
        Request::on(self.road, "HMGET", key, Vec::from_reply, |call| {
            call.args(fields).guarded(Guard::AbsentAt(1))
        })
    }

    /// Returns all fields with their values (`HGETALL`) as a map; an empty one without such a key. One round trip.
    pub fn hgetall<M: FromReply>(&self, key: impl Into<Key>) -> Request<'a, M> {
        Request::on(self.road, "HGETALL", key, M::from_reply, |call| call)
    }

    /// Returns all fields (`HGETALL`) as a struct, as [`hset_struct`](Self::hset_struct) stored it; `None` without such a key. One round trip.
    ///
    /// A missing field is `None` if it is an `Option`, and what `#[serde(default)]` says. Fields of the hash that the struct has not are
    /// passed over. Where a type does not say what it takes, as `serde_json::Value`, `#[serde(flatten)]` and untagged enums, what is JSON is
    /// read as JSON, all else as text.
    ///
    /// Fails with kind `Decode`, naming type and field, if a field is missing or something else.
    pub fn hgetall_as<T: DeserializeOwned>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        let read = |reply| {
            let fields: BTreeMap<Bytes, Bytes> = FromReply::from_reply(reply)?;
            if fields.is_empty() {
                return Ok(None);
            }
            codec::from_fields(fields).map(Some)
        };
        Request::on(self.road, "HGETALL", key, read, |call| call)
    }

    /// Removes fields (`HDEL`) and returns how many there were. One round trip; none for no fields.
    pub fn hdel(&self, key: impl Into<Key>, fields: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        let fields: Vec<_> = fields.into_iter().map(|field| field.into().into_bytes()).collect();
        if fields.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        Request::on(self.road, "HDEL", key, Reply::into_count, |call| call.args(fields))
    }

    /// Says whether there is such a field (`HEXISTS`). One round trip.
    pub fn hexists(&self, key: impl Into<Key>, field: impl Into<Value>) -> Request<'a, bool> {
        Request::on(self.road, "HEXISTS", key, Reply::into_flag, |call| {
            call.arg(field.into().into_bytes())
        })
    }

    /// Returns how many fields there are (`HLEN`). One round trip.
    pub fn hlen(&self, key: impl Into<Key>) -> Request<'a, u64> {
        Request::on(self.road, "HLEN", key, Reply::into_count, |call| call)
    }

    /// Returns the names of all fields (`HKEYS`), in no particular order. One round trip.
    pub fn hkeys<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Vec<T>> {
        Request::on(self.road, "HKEYS", key, Vec::from_reply, |call| {
            call.guarded(Guard::Wrapped)
        })
    }

    /// Returns the values of all fields (`HVALS`), in no particular order. One round trip.
    pub fn hvals<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Vec<T>> {
        Request::on(self.road, "HVALS", key, Vec::from_reply, |call| {
            call.guarded(Guard::Wrapped)
        })
    }

    /// Adds to the integer in a field (`HINCRBY`) and returns the sum. A missing field counts from 0. One round trip.
    pub fn hincr_by(&self, key: impl Into<Key>, field: impl Into<Value>, by: i64) -> Request<'a, i64> {
        Request::on(self.road, "HINCRBY", key, Reply::into_integer, |call| {
            call.arg(field.into().into_bytes()).number(by)
        })
    }

    /// Adds to the decimal number in a field (`HINCRBYFLOAT`) and returns the sum. A missing field counts from 0. One round trip.
    ///
    /// Fails with kind `InvalidArgument` if `by` is not finite, and with kind `Server` if the field is no number or the sum too large.
    pub fn hincr_by_float(&self, key: impl Into<Key>, field: impl Into<Value>, by: f64) -> Request<'a, f64> {
        let build = |prefix: &Prefix| {
            if !by.is_finite() {
                return Err(Error::invalid("a step that is not finite"));
            }
            let call = Call::new("HINCRBYFLOAT").key(prefix.key(key.into())?);
            Ok(call.arg(field.into().into_bytes()).number(by))
        };
        Request::new(self.road, build, f64::from_reply)
    }
}
