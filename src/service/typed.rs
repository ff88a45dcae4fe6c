//! Typed values in strings.

use std::{
    fmt,
    future::IntoFuture,
    marker::PhantomData,
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    RedisService,
    request::{Operation, Request},
    strings::{GetExCommand, SetCommand, SetManyCommand, StringOperations},
};
#[cfg(feature = "msgpack")]
use crate::reply::MessagePack;
use crate::{
    codec::Format,
    error::Result,
    key::Key,
    reply::{FromReply, Json, Reply},
    typed_key::KeyOf,
    value::Value,
};

/// Typed values, kept as plain strings in one [`Format`]: any server will do. Made by [`RedisService::json`](crate::RedisService::json) and, with the
/// feature `msgpack`, by `RedisService::message_pack`.
///
/// A key is plain text or bytes, and its value of any type; or it is a [typed key](crate::redis_key), and its value of exactly that key's
/// type, which need not be named then.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager, redis_key};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// pub struct Profile { pub name: String, pub tags: Vec<String> }
///
/// redis_key! {
///     /// What a user tells of themselves.
///     pub UserProfile => "user:{id}:profile" { id: u64 } -> Profile
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let json = redis.service().json();
/// let ada = Profile { name: "Ada".into(), tags: vec!["admin".into()] };
/// assert!(json.set(&UserProfile { id: 7 }, &ada).ex(3600).await?);
/// assert_eq!(json.get(&UserProfile { id: 7 }).await?, Some(ada));
///
/// assert!(json.set("scores", &[3, 4]).nx().await?);
/// assert_eq!(json.get::<Vec<u8>>("scores").await?, Some(vec![3, 4]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TypedOperations<'a> {
    strings: StringOperations<'a>,
    format: Format,
}

/// A `GETEX` of a typed value under construction: add the new expiry, then await it. Returned by [`TypedOperations::getex`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// redis.set_json("session", &("Ada", 7)).ex(60).await;
/// let session: Option<(String, u64)> = redis.service().json().getex("session").ex(3600).await?;
/// assert_eq!((session, redis.ttl("session").await), (Some(("Ada".to_owned(), 7)), 3600));
/// # Ok(())
/// # }
/// ```
#[must_use = "a command does nothing unless awaited"]
pub struct TypedGetExCommand<'a, T> {
    command: GetExCommand<'a>,
    format: Format,
    value: PhantomData<fn() -> T>,
}

impl<'a> TypedOperations<'a> {
    /// Makes the group of a service.
    pub fn new(service: &'a RedisService, format: Format) -> Self {
        Self {
            strings: StringOperations::new(service),
            format,
        }
    }

    /// Returns the value at a key (`GET`), `None` without such a key. One round trip.
    ///
    /// Fails with kind `Decode` if what is there is no such value.
    pub fn get<T: DeserializeOwned>(&self, key: impl KeyOf<T>) -> Request<'a, Option<T>> {
        self.strings.get::<Reply>(key).reading(self.one())
    }

    /// Returns the values at several keys (`MGET`), as many as keys, in their order; what is no string is `None`. One round trip; none for
    /// no keys.
    ///
    /// Fails with kind `Decode` if one of them is no such value, and says in which place.
    pub fn get_many<T: DeserializeOwned, K: KeyOf<T>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Request<'a, Vec<Option<T>>> {
        let keys: Vec<Key> = keys.into_iter().map(Into::into).collect();
        self.strings.get_many::<Reply>(keys).reading(self.many())
    }

    /// Stores a value (`SET`), whatever was there. Add options, then await it. One round trip.
    ///
    /// Fails with kind `Encode` if the format has nothing for such a value.
    pub fn set<T: Serialize + ?Sized>(&self, key: impl KeyOf<T>, value: &T) -> SetCommand<'a> {
        self.strings.set_encoded(key.into(), Value::encoded(self.format, value))
    }

    /// Stores a value if there is no such key (`SET NX`), and says whether it did. One round trip.
    pub fn set_nx<T: Serialize + ?Sized>(&self, key: impl KeyOf<T>, value: &T) -> SetCommand<'a> {
        self.set(key, value).nx()
    }

    /// Stores several values of one type in one step: all or none. Add an expiry, or await it as it is. One round trip; none for no pairs.
    ///
    /// If the format has nothing for one of the values, it fails with kind `Encode`, and nothing is stored.
    pub fn set_many<'v, T: Serialize + ?Sized + 'v, K: KeyOf<T>>(
        &self,
        pairs: impl IntoIterator<Item = (K, &'v T)>,
    ) -> SetManyCommand<'a> {
        let pair = |(key, value): (K, &T)| Ok((key.into(), Value::encoded(self.format, value)?));
        self.strings.set_many_encoded(pairs.into_iter().map(pair).collect())
    }

    /// Stores a value and returns what was there before (`SET GET`), `None` without such a key. One round trip.
    pub fn getset<T: Serialize + DeserializeOwned>(&self, key: impl KeyOf<T>, value: &T) -> Request<'a, Option<T>> {
        self.set(key, value).get::<Reply>().reading(self.one())
    }

    /// Returns the value at a key and deletes it (`GETDEL`), `None` without such a key. One round trip.
    ///
    /// What is no such value is deleted as well.
    pub fn getdel<T: DeserializeOwned>(&self, key: impl KeyOf<T>) -> Request<'a, Option<T>> {
        self.strings.getdel::<Reply>(key).reading(self.one())
    }

    /// Reads the value at a key and changes its expiry (`GETEX`): add the new expiry, then await it. One round trip.
    pub fn getex<T: DeserializeOwned>(&self, key: impl KeyOf<T>) -> TypedGetExCommand<'a, T> {
        TypedGetExCommand {
            command: self.strings.getex(key),
            format: self.format,
            value: PhantomData,
        }
    }

    fn one<T: DeserializeOwned>(&self) -> fn(Reply) -> Result<Option<T>> {
        one(self.format)
    }

    fn many<T: DeserializeOwned>(&self) -> fn(Reply) -> Result<Vec<Option<T>>> {
        match self.format {
            Format::Json => |reply| {
                let found = Vec::<Option<Json<T>>>::from_reply(reply)?;
                Ok(found.into_iter().map(|found| found.map(|Json(value)| value)).collect())
            },
            #[cfg(feature = "msgpack")]
            Format::MessagePack => |reply| {
                let found = Vec::<Option<MessagePack<T>>>::from_reply(reply)?;
                let value = |found: Option<MessagePack<T>>| found.map(|MessagePack(value)| value);
                Ok(found.into_iter().map(value).collect())
            },
        }
    }
}

/// Returns the reader of a value that may be absent. A plain function for each format and type, because a request keeps no more.
fn one<T: DeserializeOwned>(format: Format) -> fn(Reply) -> Result<Option<T>> {
    match format {
        Format::Json => |reply| Ok(Option::from_reply(reply)?.map(|Json(value)| value)),
        #[cfg(feature = "msgpack")]
        Format::MessagePack => |reply| Ok(Option::from_reply(reply)?.map(|MessagePack(value)| value)),
    }
}

impl<'a, T: DeserializeOwned> TypedGetExCommand<'a, T> {
    /// Lets it expire after so many seconds.
    pub fn ex(self, seconds: u64) -> Self {
        self.with(|command| command.ex(seconds))
    }

    /// Lets it expire after so many milliseconds.
    pub fn px(self, millis: u64) -> Self {
        self.with(|command| command.px(millis))
    }

    /// Lets it expire after a time, to the millisecond; what is shorter is rounded up to one.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|command| command.ttl(ttl))
    }

    /// Lets it expire at a time, to the millisecond.
    pub fn expire_at(self, at: SystemTime) -> Self {
        self.with(|command| command.expire_at(at))
    }

    /// Takes the expiry off.
    pub fn persist(self) -> Self {
        self.with(GetExCommand::persist)
    }

    fn with(self, change: impl FnOnce(GetExCommand<'a>) -> GetExCommand<'a>) -> Self {
        Self {
            command: change(self.command),
            ..self
        }
    }
}

impl<'a, T: DeserializeOwned> Operation<'a> for TypedGetExCommand<'a, T> {
    type Answer = Option<T>;

    fn into_request(self) -> Request<'a, Option<T>> {
        self.command.read::<Reply>().reading(one(self.format))
    }
}

impl<'a, T: DeserializeOwned + Send + 'a> IntoFuture for TypedGetExCommand<'a, T> {
    type Output = Result<Option<T>>;
    type IntoFuture = <Request<'a, Option<T>> as IntoFuture>::IntoFuture;

    fn into_future(self) -> Self::IntoFuture {
        self.into_request().into_future()
    }
}

impl<T> fmt::Debug for TypedGetExCommand<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedGetExCommand").field(&self.command).finish()
    }
}
