//! Sets.

use super::request::{Request, group};
use crate::{
    command::{Call, Guard},
    error::Error,
    key::{IntoKeys, Key, Prefix},
    reply::{FromReply, Reply},
    value::Value,
};

group! {
    /// Sets. Made by [`RedisService::set`](crate::RedisService::set).
    ///
    /// Members come in no particular order. In a cluster all keys of an operation must lie in one slot.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::BTreeSet;
    /// use redis_manager::{Config, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let set = redis.service().set();
    /// assert_eq!(set.sadd("red", ["apple", "cherry"]).await?, 2);
    /// set.sadd("round", ["apple", "ball"]).await?;
    /// assert!(set.sismember("red", "cherry").await?);
    /// let both: BTreeSet<String> = set.sinter(["red", "round"]).await?;
    /// assert_eq!(both, BTreeSet::from(["apple".to_owned()]));
    /// # Ok(())
    /// # }
    /// ```
    SetOperations
}

/// A server makes as many as it is asked for, however few members there are, until it has no memory left.
const MAX_REPEATING: usize = 1_000_000;

impl<'a> SetOperations<'a> {
    /// Adds members (`SADD`) and returns how many are new. One round trip; none for no members.
    pub fn sadd(&self, key: impl Into<Key>, members: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        self.each("SADD", key, members)
    }

    /// Removes members (`SREM`) and returns how many there were. One round trip; none for no members.
    pub fn srem(&self, key: impl Into<Key>, members: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        self.each("SREM", key, members)
    }

    /// Returns all members (`SMEMBERS`) as any collection; an empty one without such a set. One round trip.
    pub fn smembers<M: FromReply>(&self, key: impl Into<Key>) -> Request<'a, M> {
        Request::on(self.road, "SMEMBERS", key, M::from_reply, |call| call)
    }

    /// Says whether this is a member (`SISMEMBER`). One round trip.
    pub fn sismember(&self, key: impl Into<Key>, member: impl Into<Value>) -> Request<'a, bool> {
        let member = member.into().into_bytes();
        Request::on(self.road, "SISMEMBER", key, Reply::into_flag, |call| call.arg(member))
    }

    /// Says of each of these whether it is a member (`SMISMEMBER`), in their order. One round trip; none for no members.
    pub fn smismember(
        &self,
        key: impl Into<Key>,
        members: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, Vec<bool>> {
        let members: Vec<_> = members.into_iter().map(|member| member.into().into_bytes()).collect();
        if members.is_empty() {
            return self.nothing();
        }
        Request::on(self.road, "SMISMEMBER", key, Vec::from_reply, |call| call.args(members))
    }

    /// Returns how many members there are (`SCARD`). One round trip.
    pub fn scard(&self, key: impl Into<Key>) -> Request<'a, u64> {
        Request::on(self.road, "SCARD", key, Reply::into_count, |call| call)
    }

    /// Takes a member away by chance and returns it (`SPOP`); `None` without such a set. One round trip.
    pub fn spop<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        Request::on(self.road, "SPOP", key, Option::from_reply, |call| call)
    }

    /// Takes up to so many members away by chance and returns them (`SPOP` with a count). One round trip; none for a count of 0.
    pub fn spop_many<T: FromReply>(&self, key: impl Into<Key>, count: usize) -> Request<'a, Vec<T>> {
        if count == 0 {
            return self.nothing();
        }
        // Unlike SRANDMEMBER's its reply is a set in RESP3, which needs no guard.
        Request::on(self.road, "SPOP", key, Vec::from_reply, |call| {
            call.number(at_most(count))
        })
    }

    /// Returns a member by chance (`SRANDMEMBER`); `None` without such a set. One round trip.
    pub fn srandmember<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        Request::on(self.road, "SRANDMEMBER", key, Option::from_reply, |call| call)
    }

    /// Returns up to so many different members by chance (`SRANDMEMBER` with a count). One round trip; none for a count of 0.
    pub fn srandmember_many<T: FromReply>(&self, key: impl Into<Key>, count: usize) -> Request<'a, Vec<T>> {
        self.some_of(key, at_most(count))
    }

    /// Returns exactly so many members by chance, each as often as it happens (`SRANDMEMBER` with a negative count); none without such a set.
    /// One round trip; none for a count of 0.
    ///
    /// It fails with kind `InvalidArgument` for more than 1,000,000.
    pub fn srandmember_repeating<T: FromReply>(&self, key: impl Into<Key>, count: usize) -> Request<'a, Vec<T>> {
        if count > MAX_REPEATING {
            let refuse = |_prefix: &Prefix| Err::<Call, _>(Error::invalid("more than 1,000,000 members by chance"));
            return Request::new(self.road, refuse, Vec::from_reply);
        }
        self.some_of(key, -at_most(count))
    }

    /// Returns the members that all these sets have (`SINTER`) as any collection. One round trip; none for no keys.
    pub fn sinter<M: FromReply>(&self, keys: impl IntoKeys) -> Request<'a, M> {
        self.combine("SINTER", keys)
    }

    /// Returns the members that any of these sets has (`SUNION`) as any collection. One round trip; none for no keys.
    pub fn sunion<M: FromReply>(&self, keys: impl IntoKeys) -> Request<'a, M> {
        self.combine("SUNION", keys)
    }

    /// Returns the members of the first set that none of the others has (`SDIFF`) as any collection. One round trip; none for no keys.
    pub fn sdiff<M: FromReply>(&self, keys: impl IntoKeys) -> Request<'a, M> {
        self.combine("SDIFF", keys)
    }

    /// Stores what [`sinter`](Self::sinter) returns (`SINTERSTORE`) and returns how many members that are. It replaces whatever the
    /// destination held, and deletes it if there are none. One round trip.
    ///
    /// For no keys nothing is sent: it returns 0, and the destination stays as it is.
    pub fn sinterstore(&self, destination: impl Into<Key>, keys: impl IntoKeys) -> Request<'a, u64> {
        self.store("SINTERSTORE", destination.into(), keys)
    }

    /// Stores what [`sunion`](Self::sunion) returns (`SUNIONSTORE`). Otherwise as [`sinterstore`](Self::sinterstore).
    pub fn sunionstore(&self, destination: impl Into<Key>, keys: impl IntoKeys) -> Request<'a, u64> {
        self.store("SUNIONSTORE", destination.into(), keys)
    }

    /// Stores what [`sdiff`](Self::sdiff) returns (`SDIFFSTORE`). Otherwise as [`sinterstore`](Self::sinterstore).
    pub fn sdiffstore(&self, destination: impl Into<Key>, keys: impl IntoKeys) -> Request<'a, u64> {
        self.store("SDIFFSTORE", destination.into(), keys)
    }

    /// Returns how many members all these sets have in common (`SINTERCARD`, Redis 7.0). One round trip; none for no keys.
    pub fn sintercard(&self, keys: impl IntoKeys) -> Request<'a, u64> {
        self.common(keys.into_keys(), None)
    }

    /// As [`sintercard`](Self::sintercard), but stops counting at a limit, which saves time (`SINTERCARD LIMIT`). None is sent for a limit of 0.
    pub fn sintercard_up_to(&self, keys: impl IntoKeys, limit: usize) -> Request<'a, u64> {
        self.common(keys.into_keys(), Some(limit))
    }

    /// Moves a member from one set to another (`SMOVE`) and says whether it was there. One round trip.
    pub fn smove(&self, from: impl Into<Key>, to: impl Into<Key>, member: impl Into<Value>) -> Request<'a, bool> {
        let build = |prefix: &Prefix| {
            let call = Call::new("SMOVE")
                .key(prefix.key(from.into())?)
                .key(prefix.key(to.into())?);
            Ok(call.arg(member.into().into_bytes()))
        };
        Request::new(self.road, build, Reply::into_flag)
    }

    fn each(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        members: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, u64> {
        let members: Vec<_> = members.into_iter().map(|member| member.into().into_bytes()).collect();
        if members.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        Request::on(self.road, name, key, Reply::into_count, |call| call.args(members))
    }

    fn some_of<T: FromReply>(&self, key: impl Into<Key>, count: i64) -> Request<'a, Vec<T>> {
        if count == 0 {
            return self.nothing();
        }
        Request::on(self.road, "SRANDMEMBER", key, Vec::from_reply, |call| {
            call.number(count).guarded(Guard::Wrapped)
        })
    }

    /// Its reply needs no guard: it is a set in RESP3.
    fn combine<M: FromReply>(&self, name: &'static str, keys: impl IntoKeys) -> Request<'a, M> {
        let keys = keys.into_keys();
        if keys.is_empty() {
            return self.nothing();
        }
        let build = |prefix: &Prefix| Ok(Call::new(name).keys_of(prefix.keys(keys)?));
        Request::new(self.road, build, M::from_reply)
    }

    fn store(&self, name: &'static str, destination: Key, keys: impl IntoKeys) -> Request<'a, u64> {
        let keys = keys.into_keys();
        if keys.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        let build = |prefix: &Prefix| {
            let call = Call::new(name).key(prefix.key(destination)?);
            Ok(call.keys_of(prefix.keys(keys)?))
        };
        Request::new(self.road, build, Reply::into_count)
    }

    fn common(&self, keys: Vec<Key>, limit: Option<usize>) -> Request<'a, u64> {
        if keys.is_empty() || limit == Some(0) {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        let build = |prefix: &Prefix| {
            let call = Call::new("SINTERCARD").number(keys.len());
            let call = call.keys_of(prefix.keys(keys)?);
            Ok(match limit {
                Some(limit) => call.arg("LIMIT").number(at_most(limit)),
                None => call,
            })
        };
        Request::new(self.road, build, Reply::into_count)
    }

    fn nothing<M: FromReply>(&self) -> Request<'a, M> {
        Request::known(self.road, Reply::Array(Vec::new()), M::from_reply)
    }
}

/// No set has more members than that: so a larger number means the same.
fn at_most(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
