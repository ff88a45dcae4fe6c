//! How long single fields live.

use std::time::Duration;

use super::HashOperations;
use crate::{
    command::Call,
    error::Result,
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    service::request::Request,
    ttl::IntoTtl,
    value::Value,
};

/// What [`hexpire`](HashOperations::hexpire) did to a field.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// use redis_manager::FieldExpiry;
///
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// redis.hset("session", "token", "abc").await;
/// match redis.service().hash().hexpire("session", ["token"], 60).await {
///     Ok(fields) => assert_eq!(fields, [FieldExpiry::Set]),
///     Err(error) => assert_eq!(error.code(), "unsupported"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldExpiry {
    /// There is no such field, or no such key.
    Missing,
    /// It will expire then.
    Set,
    /// The time was over already: it is deleted.
    Deleted,
}

/// What [`hpersist`](HashOperations::hpersist) did to a field.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// use redis_manager::FieldPersist;
///
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// match redis.service().hash().hpersist("nobody", ["token"]).await {
///     Ok(fields) => assert_eq!(fields, [FieldPersist::Missing]),
///     Err(error) => assert_eq!(error.code(), "unsupported"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldPersist {
    /// There is no such field, or no such key.
    Missing,
    /// It had no expiry.
    Persistent,
    /// Its expiry is off now.
    Persisted,
}

/// How long a field will live. To the millisecond.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// use redis_manager::FieldTtl;
///
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// match redis.service().hash().httl("nobody", ["token"]).await {
///     Ok(fields) => assert_eq!(fields, [FieldTtl::Missing]),
///     Err(error) => assert_eq!(error.code(), "unsupported"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldTtl {
    /// There is no such field, or no such key.
    Missing,
    /// As long as its key.
    Persistent,
    /// For this time.
    Expires(Duration),
}

/// Field expiry: Redis has it from 7.4 on. Other servers, and the embedded backend, answer with kind `Unsupported`.
impl<'a> HashOperations<'a> {
    /// Lets fields expire after a time (`HPEXPIRE`: whole seconds, a `Duration` or a [`Ttl`](crate::Ttl), to the millisecond) and says for each,
    /// in their order, whether it will. One round trip; none for no fields.
    ///
    /// Fails with kind `Unsupported` before Redis 7.4 and on the embedded backend.
    pub fn hexpire(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = impl Into<Value>>,
        ttl: impl IntoTtl,
    ) -> Request<'a, Vec<FieldExpiry>> {
        self.of_each("HPEXPIRE", key.into(), fields, |call| {
            Ok(call.number(ttl.into_ttl()?.as_millis()))
        })
    }

    /// Lets fields expire after so many milliseconds (`HPEXPIRE`). Otherwise as [`hexpire`](Self::hexpire).
    pub fn hpexpire(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = impl Into<Value>>,
        millis: u64,
    ) -> Request<'a, Vec<FieldExpiry>> {
        self.hexpire(key, fields, Duration::from_millis(millis))
    }

    /// Takes the expiry off fields (`HPERSIST`) and says for each, in their order, whether it had one. One round trip; none for no fields.
    ///
    /// Fails with kind `Unsupported` before Redis 7.4 and on the embedded backend.
    pub fn hpersist(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, Vec<FieldPersist>> {
        self.of_each("HPERSIST", key.into(), fields, Ok)
    }

    /// Returns how long fields will live (`HPTTL`), in their order. One round trip; none for no fields.
    ///
    /// Fails with kind `Unsupported` before Redis 7.4 and on the embedded backend.
    pub fn httl(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, Vec<FieldTtl>> {
        self.of_each("HPTTL", key.into(), fields, Ok)
    }

    /// A list of numbers needs no guard.
    fn of_each<T: FromReply>(
        &self,
        name: &'static str,
        key: Key,
        fields: impl IntoIterator<Item = impl Into<Value>>,
        complete: impl FnOnce(Call) -> Result<Call>,
    ) -> Request<'a, Vec<T>> {
        let fields: Vec<_> = fields.into_iter().map(|field| field.into().into_bytes()).collect();
        if fields.is_empty() {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        let build = |prefix: &Prefix| {
            let call = complete(Call::new(name).key(prefix.key(key)?))?;
            Ok(call.arg("FIELDS").number(fields.len()).args(fields))
        };
        Request::new(self.road, build, Vec::from_reply)
    }
}

impl FromReply for FieldExpiry {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Integer(-2) => Ok(Self::Missing),
            Reply::Integer(1) => Ok(Self::Set),
            Reply::Integer(2) => Ok(Self::Deleted),
            other => Err(other.unexpected("what became of a field")),
        }
    }
}

impl FromReply for FieldPersist {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Integer(-2) => Ok(Self::Missing),
            Reply::Integer(-1) => Ok(Self::Persistent),
            Reply::Integer(1) => Ok(Self::Persisted),
            other => Err(other.unexpected("what became of a field")),
        }
    }
}

impl FromReply for FieldTtl {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply.into_integer()? {
            -2 => Ok(Self::Missing),
            -1 => Ok(Self::Persistent),
            millis => Ok(Self::Expires(Duration::from_millis(millis.unsigned_abs()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_redis_7_4_are_told_apart() {
        let list = |numbers: &[i64]| Reply::Array(numbers.iter().copied().map(Reply::Integer).collect());
        assert_eq!(
            Vec::<FieldExpiry>::from_reply(list(&[-2, 1, 2])).unwrap(),
            [FieldExpiry::Missing, FieldExpiry::Set, FieldExpiry::Deleted]
        );
        assert_eq!(
            Vec::<FieldPersist>::from_reply(list(&[-2, -1, 1])).unwrap(),
            [FieldPersist::Missing, FieldPersist::Persistent, FieldPersist::Persisted]
        );
        assert_eq!(
            Vec::<FieldTtl>::from_reply(list(&[-2, -1, 1500])).unwrap(),
            [
                FieldTtl::Missing,
                FieldTtl::Persistent,
                FieldTtl::Expires(Duration::from_millis(1500))
            ]
        );
        assert!(FieldExpiry::from_reply(Reply::Integer(7)).is_err());
    }
}
