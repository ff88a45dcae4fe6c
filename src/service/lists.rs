//! Lists.

use std::future::IntoFuture;

use bytes::Bytes;

use super::request::{Request, group, operation};
use crate::{
    command::{Call, Guard},
    error::{Error, Result},
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    transport::call::Road,
    value::Value,
};

group! {
    /// Lists. Made by [`RedisService::list`](crate::RedisService::list).
    ///
    /// Indexes count from 0; negative ones count from the end, where -1 is the last element.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager, Side};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let list = redis.service().list();
    /// assert_eq!(list.rpush("jobs", ["a", "b", "c"]).await?, 3);
    /// let all: Vec<String> = list.lrange("jobs", 0, -1).await?;
    /// assert_eq!(all, ["a", "b", "c"]);
    /// let taken: Option<String> = list.lmove("jobs", "taken", Side::Left, Side::Right).await?;
    /// assert_eq!(taken.as_deref(), Some("a"));
    /// assert_eq!(list.rpop_many::<String>("jobs", 5).await?, ["c", "b"]);
    /// # Ok(())
    /// # }
    /// ```
    ListOperations
}

/// An end of a list.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// use redis_manager::Side;
///
/// let list = redis.service().list();
/// list.rpush("ring", [1, 2, 3]).await?;
/// let moved: Option<u8> = list.lmove("ring", "ring", Side::Left, Side::Right).await?;
/// assert_eq!((moved, list.lindex("ring", -1).await?), (Some(1), Some(1)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a list has two ends")]
pub enum Side {
    /// Where index 0 is.
    Left,
    /// Where index -1 is.
    Right,
}

/// An `LPOS` under construction: await it for the index of the first match, or end it with [`many`](Self::many) or [`all`](Self::all).
/// Returned by [`ListOperations::lpos`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let list = redis.service().list();
/// list.rpush("l", ["a", "b", "a", "a"]).await?;
/// assert_eq!(list.lpos("l", "a").await?, Some(0));
/// assert_eq!(list.lpos("l", "a").rank(-1).await?, Some(3));
/// assert_eq!(list.lpos("l", "a").rank(2).all().await?, [2, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct LPosCommand<'a> {
    road: &'a Road,
    key: Key,
    element: Bytes,
    rank: Option<i64>,
    max_len: Option<usize>,
}

impl<'a> ListOperations<'a> {
    /// Puts elements to the left end, one after the other (`LPUSH`), so that the last one comes first; returns the new length. One round
    /// trip; none, and 0, for no elements.
    pub fn lpush(&self, key: impl Into<Key>, elements: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        self.push("LPUSH", key, elements)
    }

    /// Puts elements to the right end (`RPUSH`) and returns the new length. One round trip; none, and 0, for no elements.
    pub fn rpush(&self, key: impl Into<Key>, elements: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        self.push("RPUSH", key, elements)
    }

    /// As [`lpush`](Self::lpush), but only if there is such a list (`LPUSHX`); 0 if not.
    pub fn lpushx(
        &self,
        key: impl Into<Key>,
        elements: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, u64> {
        self.push("LPUSHX", key, elements)
    }

    /// As [`rpush`](Self::rpush), but only if there is such a list (`RPUSHX`); 0 if not.
    pub fn rpushx(
        &self,
        key: impl Into<Key>,
        elements: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, u64> {
        self.push("RPUSHX", key, elements)
    }

    /// Takes the leftmost element away and returns it (`LPOP`); `None` without such a list. One round trip.
    pub fn lpop<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        Request::on(self.road, "LPOP", key, Option::from_reply, |call| call)
    }

    /// Takes the rightmost element away and returns it (`RPOP`); `None` without such a list. One round trip.
    pub fn rpop<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<T>> {
        Request::on(self.road, "RPOP", key, Option::from_reply, |call| call)
    }

    /// Takes up to so many elements from the left end and returns them, the leftmost first (`LPOP` with a count); none without such a list.
    /// One round trip; none for a count of 0.
    pub fn lpop_many<T: FromReply>(&self, key: impl Into<Key>, count: usize) -> Request<'a, Vec<T>> {
        self.pop_many("LPOP", key, count)
    }

    /// Takes up to so many elements from the right end and returns them, the rightmost first (`RPOP` with a count); none without such a list.
    /// One round trip; none for a count of 0.
    pub fn rpop_many<T: FromReply>(&self, key: impl Into<Key>, count: usize) -> Request<'a, Vec<T>> {
        self.pop_many("RPOP", key, count)
    }

    /// Returns the elements from one index to another, both included (`LRANGE`); none if there are no such indexes, the range is reversed,
    /// or without such a list. One round trip.
    pub fn lrange<T: FromReply>(&self, key: impl Into<Key>, start: i64, stop: i64) -> Request<'a, Vec<T>> {
        Request::on(self.road, "LRANGE", key, Vec::from_reply, |call| {
            call.number(start).number(stop).guarded(Guard::Wrapped)
        })
    }

    /// Keeps the elements from one index to another, both included, and removes the others (`LTRIM`): all of them if the range is reversed
    /// or there are no such indexes. One round trip.
    pub fn ltrim(&self, key: impl Into<Key>, start: i64, stop: i64) -> Request<'a, ()> {
        Request::on(self.road, "LTRIM", key, Reply::into_unit, |call| {
            call.number(start).number(stop)
        })
    }

    /// Returns how many elements there are (`LLEN`). One round trip.
    pub fn llen(&self, key: impl Into<Key>) -> Request<'a, u64> {
        Request::on(self.road, "LLEN", key, Reply::into_count, |call| call)
    }

    /// Returns the element at an index (`LINDEX`); `None` if there is none. One round trip.
    pub fn lindex<T: FromReply>(&self, key: impl Into<Key>, index: i64) -> Request<'a, Option<T>> {
        Request::on(self.road, "LINDEX", key, Option::from_reply, |call| call.number(index))
    }

    /// Replaces the element at an index (`LSET`). One round trip.
    ///
    /// It fails with kind `Server` if there is no such index, or no such list.
    pub fn lset(&self, key: impl Into<Key>, index: i64, element: impl Into<Value>) -> Request<'a, ()> {
        let element = element.into().into_bytes();
        Request::on(self.road, "LSET", key, Reply::into_unit, |call| {
            call.number(index).arg(element)
        })
    }

    /// Removes elements that are equal to this one (`LREM`) and returns how many: up to `count` from the left, up to `-count` from the right if
    /// it is negative, all if it is 0. One round trip.
    pub fn lrem(&self, key: impl Into<Key>, count: i64, element: impl Into<Value>) -> Request<'a, u64> {
        let element = element.into().into_bytes();
        Request::on(self.road, "LREM", key, Reply::into_count, |call| {
            call.number(count).arg(element)
        })
    }

    /// Puts an element to the left of the first one that is equal to `pivot` (`LINSERT BEFORE`) and returns the new length; `None` if there is no
    /// such pivot, or no such list. One round trip.
    pub fn linsert_before(
        &self,
        key: impl Into<Key>,
        pivot: impl Into<Value>,
        element: impl Into<Value>,
    ) -> Request<'a, Option<u64>> {
        self.insert("BEFORE", key, pivot.into(), element.into())
    }

    /// Puts an element to the right of the first one that is equal to `pivot` (`LINSERT AFTER`). Otherwise as
    /// [`linsert_before`](Self::linsert_before).
    pub fn linsert_after(
        &self,
        key: impl Into<Key>,
        pivot: impl Into<Value>,
        element: impl Into<Value>,
    ) -> Request<'a, Option<u64>> {
        self.insert("AFTER", key, pivot.into(), element.into())
    }

    /// Takes an element from one end of a list, puts it to one end of another or the same, and returns it (`LMOVE`); `None` if there is nothing to
    /// take. One round trip.
    ///
    /// In a cluster both keys must lie in one slot.
    pub fn lmove<T: FromReply>(
        &self,
        from: impl Into<Key>,
        to: impl Into<Key>,
        from_side: Side,
        to_side: Side,
    ) -> Request<'a, Option<T>> {
        let build = |prefix: &Prefix| {
            let call = Call::new("LMOVE")
                .key(prefix.key(from.into())?)
                .key(prefix.key(to.into())?);
            Ok(call.arg(from_side.word()).arg(to_side.word()))
        };
        Request::new(self.road, build, Option::from_reply)
    }

    /// Looks for elements that are equal to this one (`LPOS`). Add options, then await it for the index of the first one, which is `None` if there
    /// is none. One round trip.
    pub fn lpos(&self, key: impl Into<Key>, element: impl Into<Value>) -> LPosCommand<'a> {
        LPosCommand {
            road: self.road,
            key: key.into(),
            element: element.into().into_bytes(),
            rank: None,
            max_len: None,
        }
    }

    fn push(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        elements: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, u64> {
        let elements: Vec<_> = elements
            .into_iter()
            .map(|element| element.into().into_bytes())
            .collect();
        if elements.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        Request::on(self.road, name, key, Reply::into_count, |call| call.args(elements))
    }

    fn pop_many<T: FromReply>(&self, name: &'static str, key: impl Into<Key>, count: usize) -> Request<'a, Vec<T>> {
        if count == 0 {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        Request::on(self.road, name, key, Vec::from_reply, |call| {
            call.number(at_most(count)).guarded(Guard::Wrapped)
        })
    }

    fn insert(
        &self,
        side: &'static str,
        key: impl Into<Key>,
        pivot: Value,
        element: Value,
    ) -> Request<'a, Option<u64>> {
        Request::on(self.road, "LINSERT", key, inserted, |call| {
            call.arg(side).args([pivot.into_bytes(), element.into_bytes()])
        })
    }
}

impl Side {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Left => "LEFT",
            Self::Right => "RIGHT",
        }
    }
}

impl<'a> LPosCommand<'a> {
    /// Begins with the match of this rank: 1 is the first from the left, -1 the first from the right, from where it then goes on to the left.
    ///
    /// A rank of 0 is refused, with kind `InvalidArgument`.
    pub fn rank(mut self, rank: i64) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Looks at so many elements only. None is refused, with kind `InvalidArgument`.
    pub fn max_len(mut self, max_len: usize) -> Self {
        self.max_len = Some(max_len);
        self
    }

    /// Returns the indexes of up to so many matches, in the order in which they are found (`LPOS COUNT`). One round trip; none for a count of 0.
    pub fn many(self, count: usize) -> Request<'a, Vec<u64>> {
        if count == 0 {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        self.counting(Some(at_most(count)), Vec::from_reply)
    }

    /// Returns the indexes of all matches, in the order in which they are found (`LPOS COUNT 0`). One round trip.
    pub fn all(self) -> Request<'a, Vec<u64>> {
        self.counting(Some(0), Vec::from_reply)
    }

    fn request(self) -> Request<'a, Option<u64>> {
        self.counting(None, Option::from_reply)
    }

    /// Its reply needs no guard: indexes are numbers.
    fn counting<T>(self, count: Option<i64>, read: fn(Reply) -> Result<T>) -> Request<'a, T> {
        let build = |prefix: &Prefix| {
            let mut call = Call::new("LPOS").key(prefix.key(self.key)?).arg(self.element);
            match self.rank {
                // Servers differ in what they make of the smallest one, which has no absolute value.
                Some(0 | i64::MIN) => return Err(Error::invalid("a rank of 0 or out of range")),
                Some(rank) => call = call.arg("RANK").number(rank),
                None => {}
            }
            if let Some(count) = count {
                call = call.arg("COUNT").number(count);
            }
            match self.max_len {
                Some(0) => return Err(Error::invalid("a max_len of 0")),
                Some(max_len) => call = call.arg("MAXLEN").number(at_most(max_len)),
                None => {}
            }
            Ok(call)
        };
        Request::new(self.road, build, read)
    }
}

operation!(LPosCommand, Option<u64>);

/// Nothing has more elements than that: so a larger number means the same.
fn at_most(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads the new length: 0 says that there is no such list, -1 that there is no such pivot.
fn inserted(reply: Reply) -> Result<Option<u64>> {
    match reply.into_integer()? {
        0 | -1 => Ok(None),
        length => Reply::Integer(length).into_count().map(Some),
    }
}
