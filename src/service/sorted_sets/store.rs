//! `ZUNIONSTORE` and `ZINTERSTORE` with their options.

use std::future::IntoFuture;

use super::score;
use crate::{
    command::Call,
    error::Error,
    key::{Key, Prefix},
    reply::Reply,
    service::request::{Request, operation},
    transport::call::Road,
};

/// A `ZUNIONSTORE` or `ZINTERSTORE` under construction: add options, then await it; it answers how many members are stored. An empty outcome
/// leaves no key.
///
/// Plain sets among the keys count as sorted sets whose scores are 1; the embedded backend takes sorted sets only.
///
/// Fails with kind `InvalidArgument` without keys, and if there are not as many weights as keys or one of them is not a number.
///
/// # Examples
///
/// ```
/// use redis_manager::{Aggregate, Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let zset = redis.service().zset();
/// zset.zadd("monday", [("Ada", 3), ("Bob", 1)]).await?;
/// zset.zadd("tuesday", [("Ada", 1)]).await?;
/// let days = ["monday", "tuesday"];
/// assert_eq!(zset.zunionstore("both", days).weights([1, 10]).await?, 2);
/// assert_eq!(zset.zscore("both", "Ada").await?, Some(13.0));
/// assert_eq!(zset.zinterstore("best", days).aggregate(Aggregate::Max).await?, 1);
/// assert_eq!(zset.zscore("best", "Ada").await?, Some(3.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct ZStoreCommand<'a> {
    road: &'a Road,
    name: &'static str,
    destination: Key,
    keys: Vec<Key>,
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
}

/// What becomes of a member's scores in several sorted sets.
///
/// # Examples
///
/// ```
/// assert_eq!(redis_manager::Aggregate::default(), redis_manager::Aggregate::Sum);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Aggregate {
    /// They are added; infinity minus infinity is 0.
    #[default]
    Sum,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
}

impl<'a> ZStoreCommand<'a> {
    pub(super) fn new(road: &'a Road, name: &'static str, destination: Key, keys: Vec<Key>) -> Self {
        Self {
            road,
            name,
            destination,
            keys,
            weights: None,
            aggregate: Aggregate::default(),
        }
    }

    /// Multiplies the scores of each sorted set, in the order of the keys, before they are put together.
    pub fn weights(mut self, weights: impl IntoIterator<Item = impl Into<f64>>) -> Self {
        self.weights = Some(weights.into_iter().map(Into::into).collect());
        self
    }

    /// Says what becomes of a member's scores; they are added unless told otherwise.
    pub fn aggregate(mut self, aggregate: Aggregate) -> Self {
        self.aggregate = aggregate;
        self
    }

    fn request(self) -> Request<'a, u64> {
        let build = |prefix: &Prefix| {
            let count = self.keys.len();
            if count == 0 {
                return Err(Error::invalid("no keys to put together"));
            }
            let mut call = Call::new(self.name).key(prefix.key(self.destination)?);
            call = call.number(count).keys_of(prefix.keys(self.keys)?);
            if let Some(weights) = self.weights {
                if weights.len() != count {
                    return Err(Error::invalid("not as many weights as keys"));
                }
                call = call.arg("WEIGHTS");
                for weight in weights {
                    call = call.number(score(weight)?);
                }
            }
            Ok(match self.aggregate {
                Aggregate::Sum => call,
                Aggregate::Min => call.arg("AGGREGATE").arg("MIN"),
                Aggregate::Max => call.arg("AGGREGATE").arg("MAX"),
            })
        };
        Request::new(self.road, build, Reply::into_count)
    }
}

operation!(ZStoreCommand, u64);
