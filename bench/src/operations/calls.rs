//! The operations that the client library has as well.

use std::{collections::HashMap, sync::Arc};

use fred::{
    clients::Client,
    interfaces::{HashesInterface, KeysInterface, ListInterface, SortedSetsInterface},
};
use redis_manager::RedisService;

use super::duel::{Duel, fight};
use crate::{Outcome, arguments::Arguments, suite::VALUE};

/// Elements of what is read as a whole.
const TEN: usize = 10;

/// Elements where ten of them are read.
const TWENTY: usize = 20;

/// `GET`s in a pipeline.
const FIFTY: usize = 50;

/// One field of a hash.
#[derive(Debug, Clone)]
struct Field;

/// A hash of ten fields.
#[derive(Debug, Clone)]
struct Fields;

/// The first ten elements of a longer list.
#[derive(Debug, Clone)]
struct Elements;

/// The first ten members of a larger sorted set.
#[derive(Debug, Clone)]
struct Members;

/// Many `GET`s at once, always of the same keys.
#[derive(Debug, Clone)]
struct Gets {
    /// The keys.
    keys: Arc<[String]>,
}

/// Measures `HGET`.
pub(super) fn hget(arguments: &Arguments) -> Outcome {
    fight(arguments, Field)
}

/// Measures `HGETALL`.
pub(super) fn hgetall(arguments: &Arguments) -> Outcome {
    fight(arguments, Fields)
}

/// Measures `LRANGE`.
pub(super) fn lrange(arguments: &Arguments) -> Outcome {
    fight(arguments, Elements)
}

/// Measures `ZRANGE`.
pub(super) fn zrange(arguments: &Arguments) -> Outcome {
    fight(arguments, Members)
}

/// Measures a pipeline of `GET`s.
pub(super) fn pipeline(arguments: &Arguments) -> Outcome {
    let keys = (0..FIFTY).map(|number| format!("page:{number}:body")).collect();
    fight(arguments, Gets { keys })
}

impl Duel for Field {
    const NAME: &'static str = "hget";
    type Answer = String;

    async fn prepare(&self, service: &RedisService, key: &str) -> Outcome {
        service.hash().hset(key, [("f", VALUE)]).await?;
        Ok(())
    }

    async fn ours(&self, service: &RedisService, key: &str) -> Option<String> {
        service.hash().hget::<String>(key, "f").await.ok().flatten()
    }

    async fn theirs(&self, fred: &Client, key: &str) -> Option<String> {
        fred.hget::<Option<String>, _, _>(key, "f").await.ok().flatten()
    }

    fn is_right(answer: &String) -> bool {
        answer.len() == VALUE.len()
    }
}

impl Duel for Fields {
    const NAME: &'static str = "hgetall10";
    type Answer = HashMap<String, String>;

    async fn prepare(&self, service: &RedisService, key: &str) -> Outcome {
        let fields = (0..TEN).map(|number| (format!("field:{number}"), VALUE));
        service.hash().hset(key, fields).await?;
        Ok(())
    }

    async fn ours(&self, service: &RedisService, key: &str) -> Option<Self::Answer> {
        service.hash().hgetall(key).await.ok()
    }

    async fn theirs(&self, fred: &Client, key: &str) -> Option<Self::Answer> {
        fred.hgetall(key).await.ok()
    }

    fn is_right(answer: &Self::Answer) -> bool {
        answer.len() == TEN && answer.values().all(|value| value.len() == VALUE.len())
    }
}

impl Duel for Elements {
    const NAME: &'static str = "lrange10";
    type Answer = Vec<String>;

    async fn prepare(&self, service: &RedisService, key: &str) -> Outcome {
        service.list().rpush(key, [VALUE; TWENTY]).await?;
        Ok(())
    }

    async fn ours(&self, service: &RedisService, key: &str) -> Option<Self::Answer> {
        service.list().lrange::<String>(key, 0, 9).await.ok()
    }

    async fn theirs(&self, fred: &Client, key: &str) -> Option<Self::Answer> {
        fred.lrange(key, 0, 9).await.ok()
    }

    fn is_right(answer: &Self::Answer) -> bool {
        are_ten(answer)
    }
}

impl Duel for Members {
    const NAME: &'static str = "zrange10";
    type Answer = Vec<String>;

    async fn prepare(&self, service: &RedisService, key: &str) -> Outcome {
        let members = (0_u8..)
            .take(TWENTY)
            .map(|number| (format!("{VALUE}:{number}"), f64::from(number)));
        service.zset().zadd(key, members).await?;
        Ok(())
    }

    async fn ours(&self, service: &RedisService, key: &str) -> Option<Self::Answer> {
        service.zset().zrange(key, 0, 9).members::<String>().await.ok()
    }

    async fn theirs(&self, fred: &Client, key: &str) -> Option<Self::Answer> {
        fred.zrange(key, 0, 9, None, false, None, false).await.ok()
    }

    fn is_right(answer: &Self::Answer) -> bool {
        are_ten(answer)
    }
}

/// Says whether these are ten texts that were stored.
fn are_ten(texts: &[String]) -> bool {
    texts.len() == TEN && texts.iter().all(|text| text.starts_with(VALUE))
}

impl Duel for Gets {
    const NAME: &'static str = "pipeline50";
    const TASKS: usize = 8;
    type Answer = Vec<Option<String>>;

    async fn prepare(&self, service: &RedisService, _key: &str) -> Outcome {
        let pairs = self.keys.iter().map(|key| (key, VALUE));
        service.string().set_many(pairs).await?;
        Ok(())
    }

    async fn ours(&self, service: &RedisService, _key: &str) -> Option<Self::Answer> {
        let strings = service.string();
        let gets: Vec<_> = self.keys.iter().map(|key| strings.get::<String>(key)).collect();
        service.pipeline(gets).await.ok()
    }

    async fn theirs(&self, fred: &Client, _key: &str) -> Option<Self::Answer> {
        let pipeline = fred.pipeline();
        for key in &*self.keys {
            // Says only that it was queued.
            pipeline.get::<(), _>(key).await.ok()?;
        }
        pipeline.all().await.ok()
    }

    fn is_right(answer: &Self::Answer) -> bool {
        answer.len() == FIFTY && answer.iter().flatten().count() == FIFTY
    }
}
