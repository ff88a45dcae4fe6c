//! `ZRANGE` with its options.

use super::{LexBound, ScoreBound};
use crate::{
    command::{Call, Guard},
    error::{Error, Result},
    key::{Key, Prefix},
    reply::FromReply,
    service::request::Request,
    transport::call::Road,
};

/// A `ZRANGE` under construction: add options, then finish it with [`members`](Self::members) or [`with_scores`](Self::with_scores) and await
/// that. Without such a key there are no members.
///
/// By score and by lex, `min` and `max` are always given from low to high, with [`rev`](Self::rev) too (where Redis itself wants them
/// swapped); a range whose `min` is above its `max` is empty.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let zset = redis.service().zset();
/// zset.zadd("z", [("a", 1), ("b", 2), ("c", 3), ("d", 4)]).await?;
/// let last: Vec<String> = zset.zrange("z", -2, -1).members().await?;
/// assert_eq!(last, ["c", "d"]);
/// let page: Vec<(String, f64)> = zset.zrange_by_score("z", 1, 3).rev().limit(1, 2).with_scores().await?;
/// assert_eq!(page, [("b".to_owned(), 2.0), ("a".to_owned(), 1.0)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless finished and awaited"]
pub struct ZRangeCommand<'a> {
    road: &'a Road,
    key: Key,
    by: By,
    is_reversed: bool,
    /// Offset and count.
    limit: Option<(u64, u64)>,
}

#[derive(Debug)]
enum By {
    Index(i64, i64),
    Score(ScoreBound, ScoreBound),
    Lex(LexBound, LexBound),
}

impl<'a> ZRangeCommand<'a> {
    pub(super) fn by_index(road: &'a Road, key: Key, start: i64, stop: i64) -> Self {
        Self::new(road, key, By::Index(start, stop))
    }

    pub(super) fn by_score(road: &'a Road, key: Key, min: ScoreBound, max: ScoreBound) -> Self {
        Self::new(road, key, By::Score(min, max))
    }

    pub(super) fn by_lex(road: &'a Road, key: Key, min: LexBound, max: LexBound) -> Self {
        Self::new(road, key, By::Lex(min, max))
    }

    fn new(road: &'a Road, key: Key, by: By) -> Self {
        Self {
            road,
            key,
            by,
            is_reversed: false,
            limit: None,
        }
    }

    /// Begins with the highest; places count from there too.
    pub fn rev(mut self) -> Self {
        self.is_reversed = true;
        self
    }

    /// Leaves the first `offset` members of the range out, and returns at most `count`. Only by score or by lex; otherwise it fails with kind
    /// `InvalidArgument`.
    pub fn limit(mut self, offset: u64, count: u64) -> Self {
        self.limit = Some((offset, count));
        self
    }

    /// Ends the construction: what is awaited answers the members.
    pub fn members<T: FromReply>(self) -> Request<'a, Vec<T>> {
        let road = self.road;
        // A list of what users wrote.
        let build = |prefix: &Prefix| Ok(self.into_call(prefix)?.guarded(Guard::Wrapped));
        Request::new(road, build, Vec::from_reply)
    }

    /// Ends the construction: what is awaited answers the members with their scores. Fails with kind `InvalidArgument` by lex, where all scores
    /// are the same.
    pub fn with_scores<T: FromReply>(self) -> Request<'a, Vec<(T, f64)>> {
        let road = self.road;
        // A list of lists needs no guard.
        let build = |prefix: &Prefix| match self.by {
            By::Lex(..) => Err(Error::invalid("the scores of a range by lex")),
            By::Index(..) | By::Score(..) => Ok(self.into_call(prefix)?.arg("WITHSCORES")),
        };
        Request::new(road, build, Vec::from_reply)
    }

    fn into_call(self, prefix: &Prefix) -> Result<Call> {
        let call = Call::new("ZRANGE").key(prefix.key(self.key)?);
        let swap = |(min, max)| if self.is_reversed { (max, min) } else { (min, max) };
        let call = match self.by {
            By::Index(..) if self.limit.is_some() => {
                return Err(Error::invalid("the limit of a range by places"));
            }
            By::Index(start, stop) => call.number(start).number(stop),
            By::Score(min, max) => {
                let (from, to) = swap((min.into_word()?, max.into_word()?));
                call.arg(from).arg(to).arg("BYSCORE")
            }
            By::Lex(min, max) => {
                let (from, to) = swap((min.into_word(), max.into_word()));
                call.arg(from).arg(to).arg("BYLEX")
            }
        };
        let call = call.flag("REV", self.is_reversed);
        Ok(match self.limit {
            Some((offset, count)) => call.arg("LIMIT").number(offset).number(count),
            None => call,
        })
    }
}
