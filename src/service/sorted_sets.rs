//! Sorted sets.

mod add;
mod bounds;
mod range;
mod store;

use bytes::Bytes;

pub use self::{
    add::{ZAddCommand, ZAddIncrCommand},
    bounds::{LexBound, ScoreBound},
    range::ZRangeCommand,
    store::{Aggregate, ZStoreCommand},
};
use super::request::{Request, group};
use crate::{
    command::{Call, Guard},
    error::{Error, Result},
    key::{IntoKeys, Key, Prefix},
    reply::{FromReply, Reply},
    value::Value,
};

group! {
    /// Sorted sets: members, each with a score. Made by [`RedisService::zset`](crate::RedisService::zset).
    ///
    /// They are ordered by score, and by their bytes where scores are equal. Scores are `f64`, the infinite ones too; what is not a number is
    /// refused with kind `InvalidArgument` before anything is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager, ScoreBound};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let zset = redis.service().zset();
    /// assert_eq!(zset.zadd("scores", [("Ada", 90.0), ("Bob", 70.0), ("Cem", 80.0)]).await?, 3);
    /// let best: Vec<(String, f64)> = zset.zrange("scores", 0, 1).rev().with_scores().await?;
    /// assert_eq!(best, [("Ada".to_owned(), 90.0), ("Cem".to_owned(), 80.0)]);
    /// let above: Vec<String> = zset.zrangebyscore("scores", ScoreBound::exclusive(70.0), f64::INFINITY).await?;
    /// assert_eq!(above, ["Cem", "Ada"]);
    /// assert_eq!(zset.zrank_with_score("scores", "Cem").await?, Some((1, 80.0)));
    /// # Ok(())
    /// # }
    /// ```
    SortedSetOperations
}

/// `ZRANK … WITHSCORE` for servers before Redis 7.2 too. `KEYS`: the key; `ARGV`: `ZRANK` or `ZREVRANK`, the member.
const RANK_WITH_SCORE: &str = "local rank = redis.pcall(ARGV[1], KEYS[1], ARGV[2]) \
     if type(rank) ~= 'number' then return rank end \
     return {rank, redis.call('ZSCORE', KEYS[1], ARGV[2])}";

impl<'a> SortedSetOperations<'a> {
    /// Adds members with their scores, or gives new scores to those that are there (`ZADD`). Add options, then await it: it answers how many are
    /// new. One round trip; none for no members.
    pub fn zadd<M: Into<Value>, S: Into<f64>>(
        &self,
        key: impl Into<Key>,
        members: impl IntoIterator<Item = (M, S)>,
    ) -> ZAddCommand<'a> {
        let members = members
            .into_iter()
            .map(|(member, score)| (member.into().into_bytes(), score.into()));
        ZAddCommand::new(self.road, key.into(), members.collect())
    }

    /// Adds to a member's score under conditions (`ZADD INCR`). Add options, then await it: it answers the new score, `None` if a condition
    /// prevented it. A missing member counts from 0. One round trip.
    pub fn zadd_incr(&self, key: impl Into<Key>, member: impl Into<Value>, by: impl Into<f64>) -> ZAddIncrCommand<'a> {
        ZAddIncrCommand::new(self.road, key.into(), member.into().into_bytes(), by.into())
    }

    /// Removes members (`ZREM`) and returns how many there were. One round trip; none for no members.
    pub fn zrem(&self, key: impl Into<Key>, members: impl IntoIterator<Item = impl Into<Value>>) -> Request<'a, u64> {
        let members = all(members);
        if members.is_empty() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        self.on("ZREM", key, Reply::into_count, |call| Ok(call.args(members)))
    }

    /// Returns a member's score (`ZSCORE`), `None` without such a member. One round trip.
    pub fn zscore(&self, key: impl Into<Key>, member: impl Into<Value>) -> Request<'a, Option<f64>> {
        self.member("ZSCORE", key, member, Option::from_reply)
    }

    /// Returns the scores of several members (`ZMSCORE`), as many as members, in their order. One round trip; none for no members.
    pub fn zmscore(
        &self,
        key: impl Into<Key>,
        members: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, Vec<Option<f64>>> {
        let members = all(members);
        if members.is_empty() {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        // A list of numbers needs no guard.
        self.on("ZMSCORE", key, Vec::from_reply, |call| Ok(call.args(members)))
    }

    /// Adds to a member's score (`ZINCRBY`) and returns the sum. A missing member counts from 0. One round trip.
    ///
    /// Fails with kind `Server` if the sum is not a number: infinity minus infinity.
    pub fn zincr_by(&self, key: impl Into<Key>, member: impl Into<Value>, by: impl Into<f64>) -> Request<'a, f64> {
        let by = by.into();
        self.on("ZINCRBY", key, f64::from_reply, |call| {
            Ok(call.number(score(by)?).arg(member.into().into_bytes()))
        })
    }

    /// Returns how many members there are (`ZCARD`), 0 without such a key. One round trip.
    pub fn zcard(&self, key: impl Into<Key>) -> Request<'a, u64> {
        self.on("ZCARD", key, Reply::into_count, Ok)
    }

    /// Returns how many members have a score from `min` to `max` (`ZCOUNT`). One round trip.
    pub fn zcount(
        &self,
        key: impl Into<Key>,
        min: impl Into<ScoreBound>,
        max: impl Into<ScoreBound>,
    ) -> Request<'a, u64> {
        self.by_score("ZCOUNT", key, min.into(), max.into())
    }

    /// Returns how many members stand from `min` to `max` (`ZLEXCOUNT`), where all have the same score. One round trip.
    pub fn zlexcount(&self, key: impl Into<Key>, min: LexBound, max: LexBound) -> Request<'a, u64> {
        self.by_lex("ZLEXCOUNT", key, min, max)
    }

    /// Reads the members from one place to another, both included (`ZRANGE`): 0 is the first, −1 the last. Add options, then finish it with
    /// [`members`](ZRangeCommand::members) or [`with_scores`](ZRangeCommand::with_scores). One round trip.
    pub fn zrange(&self, key: impl Into<Key>, start: i64, stop: i64) -> ZRangeCommand<'a> {
        ZRangeCommand::by_index(self.road, key.into(), start, stop)
    }

    /// Reads the members with a score from `min` to `max` (`ZRANGE BYSCORE`). Finish it as [`zrange`](Self::zrange). One round trip.
    pub fn zrange_by_score(
        &self,
        key: impl Into<Key>,
        min: impl Into<ScoreBound>,
        max: impl Into<ScoreBound>,
    ) -> ZRangeCommand<'a> {
        ZRangeCommand::by_score(self.road, key.into(), min.into(), max.into())
    }

    /// Reads the members from `min` to `max` in the order of their bytes (`ZRANGE BYLEX`), where all have the same score. Finish it as
    /// [`zrange`](Self::zrange). One round trip.
    pub fn zrange_by_lex(&self, key: impl Into<Key>, min: LexBound, max: LexBound) -> ZRangeCommand<'a> {
        ZRangeCommand::by_lex(self.road, key.into(), min, max)
    }

    /// Returns the members with a score from `min` to `max`, lowest first: [`zrange_by_score`](Self::zrange_by_score) without options. One round
    /// trip.
    pub fn zrangebyscore<T: FromReply>(
        &self,
        key: impl Into<Key>,
        min: impl Into<ScoreBound>,
        max: impl Into<ScoreBound>,
    ) -> Request<'a, Vec<T>> {
        self.zrange_by_score(key, min, max).members()
    }

    /// Returns a member's place from the lowest score on (`ZRANK`): 0 is the first; `None` without such a member. One round trip.
    pub fn zrank(&self, key: impl Into<Key>, member: impl Into<Value>) -> Request<'a, Option<u64>> {
        self.member("ZRANK", key, member, Option::from_reply)
    }

    /// Returns a member's place from the highest score on (`ZREVRANK`). Otherwise as [`zrank`](Self::zrank).
    pub fn zrevrank(&self, key: impl Into<Key>, member: impl Into<Value>) -> Request<'a, Option<u64>> {
        self.member("ZREVRANK", key, member, Option::from_reply)
    }

    /// Returns a member's place from the lowest score on, and its score; `None` without such a member. One round trip, by a script in one step,
    /// so that servers before Redis 7.2 have it too.
    pub fn zrank_with_score(&self, key: impl Into<Key>, member: impl Into<Value>) -> Request<'a, Option<(u64, f64)>> {
        self.rank_with_score("ZRANK", key, member)
    }

    /// Returns a member's place from the highest score on, and its score. Otherwise as [`zrank_with_score`](Self::zrank_with_score).
    pub fn zrevrank_with_score(
        &self,
        key: impl Into<Key>,
        member: impl Into<Value>,
    ) -> Request<'a, Option<(u64, f64)>> {
        self.rank_with_score("ZREVRANK", key, member)
    }

    /// Removes the members with a score from `min` to `max` (`ZREMRANGEBYSCORE`) and returns how many there were. One round trip.
    pub fn zremrangebyscore(
        &self,
        key: impl Into<Key>,
        min: impl Into<ScoreBound>,
        max: impl Into<ScoreBound>,
    ) -> Request<'a, u64> {
        self.by_score("ZREMRANGEBYSCORE", key, min.into(), max.into())
    }

    /// Removes the members from one place to another, both included (`ZREMRANGEBYRANK`), and returns how many there were. One round trip.
    pub fn zremrangebyrank(&self, key: impl Into<Key>, start: i64, stop: i64) -> Request<'a, u64> {
        self.on("ZREMRANGEBYRANK", key, Reply::into_count, |call| {
            Ok(call.number(start).number(stop))
        })
    }

    /// Removes the members from `min` to `max` in the order of their bytes (`ZREMRANGEBYLEX`), where all have the same score, and returns how
    /// many there were. One round trip.
    pub fn zremrangebylex(&self, key: impl Into<Key>, min: LexBound, max: LexBound) -> Request<'a, u64> {
        self.by_lex("ZREMRANGEBYLEX", key, min, max)
    }

    /// Removes the member with the lowest score and returns both (`ZPOPMIN`), `None` if there is none. One round trip.
    pub fn zpopmin<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<(T, f64)>> {
        self.pop("ZPOPMIN", key)
    }

    /// Removes the member with the highest score and returns both (`ZPOPMAX`), `None` if there is none. One round trip.
    pub fn zpopmax<T: FromReply>(&self, key: impl Into<Key>) -> Request<'a, Option<(T, f64)>> {
        self.pop("ZPOPMAX", key)
    }

    /// Removes up to `count` members with the lowest scores and returns them, lowest first (`ZPOPMIN`). One round trip; none for a count of 0.
    pub fn zpopmin_many<T: FromReply>(&self, key: impl Into<Key>, count: u64) -> Request<'a, Vec<(T, f64)>> {
        self.pop_many("ZPOPMIN", key, count)
    }

    /// Removes up to `count` members with the highest scores and returns them, highest first (`ZPOPMAX`). One round trip; none for a count of 0.
    pub fn zpopmax_many<T: FromReply>(&self, key: impl Into<Key>, count: u64) -> Request<'a, Vec<(T, f64)>> {
        self.pop_many("ZPOPMAX", key, count)
    }

    /// Stores the union of sorted sets at a key, replacing what is there (`ZUNIONSTORE`). Add options, then await it: it answers how many
    /// members there are. One round trip; no keys at all are refused.
    pub fn zunionstore(&self, destination: impl Into<Key>, keys: impl IntoKeys) -> ZStoreCommand<'a> {
        ZStoreCommand::new(self.road, "ZUNIONSTORE", destination.into(), keys.into_keys())
    }

    /// Stores the members that all of the sorted sets have at a key, replacing what is there (`ZINTERSTORE`). Otherwise as
    /// [`zunionstore`](Self::zunionstore).
    pub fn zinterstore(&self, destination: impl Into<Key>, keys: impl IntoKeys) -> ZStoreCommand<'a> {
        ZStoreCommand::new(self.road, "ZINTERSTORE", destination.into(), keys.into_keys())
    }

    fn rank_with_score(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        member: impl Into<Value>,
    ) -> Request<'a, Option<(u64, f64)>> {
        // A list of two that begins with a number needs no guard.
        self.on(name, key, Option::from_reply, |call| {
            let call = call.arg(member.into().into_bytes()).arg("WITHSCORE");
            Ok(call.guarded(Guard::Scripted(RANK_WITH_SCORE)))
        })
    }

    /// A list of two needs no guard.
    fn pop<T: FromReply>(&self, name: &'static str, key: impl Into<Key>) -> Request<'a, Option<(T, f64)>> {
        let read = |reply| match reply {
            Reply::Array(pair) if pair.is_empty() => Ok(None),
            pair => Option::from_reply(pair),
        };
        self.on(name, key, read, Ok)
    }

    /// A list of lists needs no guard.
    fn pop_many<T: FromReply>(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        count: u64,
    ) -> Request<'a, Vec<(T, f64)>> {
        if count == 0 {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        self.on(name, key, Vec::from_reply, |call| Ok(call.number(count)))
    }

    fn member<T>(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        member: impl Into<Value>,
        read: fn(Reply) -> Result<T>,
    ) -> Request<'a, T> {
        self.on(name, key, read, |call| Ok(call.arg(member.into().into_bytes())))
    }

    fn by_score(&self, name: &'static str, key: impl Into<Key>, min: ScoreBound, max: ScoreBound) -> Request<'a, u64> {
        self.on(name, key, Reply::into_count, |call| {
            Ok(call.arg(min.into_word()?).arg(max.into_word()?))
        })
    }

    fn by_lex(&self, name: &'static str, key: impl Into<Key>, min: LexBound, max: LexBound) -> Request<'a, u64> {
        self.on(name, key, Reply::into_count, |call| {
            Ok(call.arg(min.into_word()).arg(max.into_word()))
        })
    }

    fn on<T>(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        read: fn(Reply) -> Result<T>,
        complete: impl FnOnce(Call) -> Result<Call>,
    ) -> Request<'a, T> {
        let build = |prefix: &Prefix| complete(Call::new(name).key(prefix.key(key.into())?));
        Request::new(self.road, build, read)
    }
}

fn all(members: impl IntoIterator<Item = impl Into<Value>>) -> Vec<Bytes> {
    members.into_iter().map(|member| member.into().into_bytes()).collect()
}

/// Redis has no order for what is not a number.
fn score(score: f64) -> Result<f64> {
    if score.is_nan() {
        return Err(Error::invalid("a score that is not a number"));
    }
    Ok(score)
}
