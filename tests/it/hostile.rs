//! No value, key or field that a user can write brings replies and callers out of step.
//!
//! The client library takes a reply array that begins with `message`, `subscribe` or the like for a pub/sub message, swallows it, and
//! gives every later reply on that connection to the wrong caller. The tests of `bypass` show that this happens where
//! the guard is bypassed, so that the others could fail; they also show that the manager notices.

mod bypass;
mod forgiving;
mod lists;
mod model;
mod operations;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::{prelude::Strategy, sample::select};
use redis_manager::{Config, RedisManager, RedisService};
use tokio::task::JoinSet;

/// What a reply, or a part of one, must not be mistaken for.
const HOSTILE: [&[u8]; 32] = [
    b"message",
    b"pmessage",
    b"smessage",
    b"subscribe",
    b"psubscribe",
    b"ssubscribe",
    b"unsubscribe",
    b"punsubscribe",
    b"sunsubscribe",
    b"pubsub",
    b"invalidate",
    b"monitor",
    b"push",
    b"MESSAGE",
    b"MOVED 1 h:1",
    b"ASK 1 h:1",
    b"CLUSTERDOWN",
    b"READONLY",
    b"LOADING",
    b"NOAUTH",
    b"QUEUED",
    b"OK",
    b"PONG",
    b"+OK\r\n",
    b"-ERR x\r\n",
    b"$-1\r\n",
    b"_\r\n",
    b"*3\r\n$7\r\nmessage\r\n",
    b">3\r\n$7\r\nmessage\r\n",
    b"\0",
    b"\xff",
    b"",
];

type Text = &'static [u8];

/// Longer than the test, so that what is left of it never matters.
const HOUR: u64 = 3_600;

fn text() -> impl Strategy<Value = Text> {
    select(&HOSTILE)
}

/// Tasks that write and read what is theirs alone, and panic at any answer that is not exactly theirs.
struct Witnesses {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
}

impl Witnesses {
    fn of(redis: &RedisService, count: usize) -> Self {
        let (stop, rounds) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let mut tasks = JoinSet::new();
        for name in 0..count {
            let (redis, stop, rounds) = (redis.clone(), Arc::clone(&stop), Arc::clone(&rounds));
            tasks.spawn(async move {
                for round in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    testify(&redis, name, round).await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { tasks, stop, rounds }
    }

    /// Waits for all of them and returns how many rounds they made.
    async fn dismiss(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(finished) = self.tasks.join_next().await {
            finished.expect("a task got another's reply");
        }
        self.rounds.load(Ordering::Relaxed)
    }
}

async fn testify(redis: &RedisService, name: usize, round: i64) {
    let own = |what: &str| format!("{what} of {name} in round {round}");
    let key = |what: &str| format!("own:{name}:{what}");
    let some = |what: &str| Some(own(what));
    let (a, b, counter) = (key("a"), key("b"), key("counter"));
    let (strings, hash, list, zset) = (redis.string(), redis.hash(), redis.list(), redis.zset());
    assert!(strings.set(&a, own("text")).await.unwrap());
    assert!(strings.set_many([(&b, own("other"))]).ex(HOUR).await.unwrap());
    assert_eq!(strings.get(&a).await.unwrap(), some("text"));
    let found: Vec<Option<String>> = strings.get_many([&b, "nobody's", &a]).await.unwrap();
    assert_eq!(found, [some("other"), None, some("text")]);
    assert_eq!(strings.incr(&counter).await.unwrap(), round);
    hash.hset(key("hash"), [(own("field"), own("value"))]).await.unwrap();
    assert_eq!(hash.hget(key("hash"), own("field")).await.unwrap(), some("value"));

    let (elements, members) = ([own("x"), own("y"), own("z")], [own("x"), own("y"), own("z")]);
    list.rpush(key("list"), elements.iter()).await.unwrap();
    let ranked = members.iter().map(String::as_str).zip([1.0, 2.0, 3.0]);
    zset.zadd(key("zset"), ranked).await.unwrap();
    assert_eq!(list.lrange::<String>(key("list"), 0, -1).await.unwrap(), elements);
    assert_eq!(
        zset.zrange(key("zset"), 0, -1).members::<String>().await.unwrap(),
        members
    );

    let gone = [&key("list"), &key("zset"), &key("hash"), &a, &b];
    let (text, elements_again, count, deleted): (Option<String>, Vec<String>, i64, u64) = redis
        .pipeline((
            strings.get(&a),
            list.lrange(key("list"), 0, -1),
            strings.incr_by(&counter, 0),
            redis.keys().delete(gone),
        ))
        .await
        .unwrap();
    assert_eq!((text, count, deleted), (some("text"), round, 5));
    assert_eq!(elements_again, elements);
}

fn patient(url: &str) -> RedisManager {
    let mut config = Config::from_url(url);
    config.socket_timeout = Duration::from_secs(10);
    RedisManager::new(config).unwrap()
}

/// The connection for all but poisoned lists was never out of step.
fn assert_undisturbed(redis: &RedisManager) {
    let metrics = redis.metrics();
    assert_eq!(metrics.connects, 1, "the first connection is still right: {metrics:?}");
    let disturbances = (metrics.broken, metrics.timeouts, metrics.outages);
    assert_eq!(disturbances, (0, 0, 0), "{metrics:?}");
}
