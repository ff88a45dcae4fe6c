//! No value, key or field that a user can write brings replies and callers out of step.
//!
//! The client library takes a reply array that begins with `message`, `subscribe` or the like for a pub/sub message, swallows it, and
//! gives every later reply on that connection to the wrong caller. The last tests show that this happens where
//! the guard is bypassed, so that the first could fail; they also show that the manager notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fred::interfaces::KeysInterface;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof},
    sample::select,
    test_runner::{Config as Cases, TestRunner},
};
use redis_manager::{Config, Key, Lookup, RedisManager};
use tokio::{runtime::Builder, task::JoinSet};

use crate::support::{RedisServer, eventually};

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

/// One call of the forgiving face.
#[derive(Debug, Clone)]
enum Call {
    Get(Text),
    GetBytes(Text),
    GetJson(Text),
    Lookup(Text),
    GetMany(Vec<Text>),
    Set(Text, Text, Options),
    SetJson(Text, Text),
    SetMany(Vec<(Text, Text)>, Options),
    Delete(Vec<Text>),
    Exists(Text),
    Expire(Text),
    Ttl(Text),
    Incr(Text, i64),
    Decr(Text, i64),
    HashSet(Text, Vec<(Text, Text)>),
    HashGet(Text, Text),
}

#[derive(Debug, Clone, Copy)]
enum Options {
    None,
    Expiry,
    IfAbsent,
    IfPresent,
}

/// Longer than the test, so that what is left of it never matters.
const HOUR: u64 = 3_600;

fn text() -> impl Strategy<Value = Text> {
    select(&HOSTILE)
}

fn texts() -> impl Strategy<Value = Vec<Text>> {
    vec(text(), 1..=6)
}

fn pairs() -> impl Strategy<Value = Vec<(Text, Text)>> {
    vec((text(), text()), 1..=6)
}

fn options() -> impl Strategy<Value = Options> {
    prop_oneof![
        Just(Options::None),
        Just(Options::Expiry),
        Just(Options::IfAbsent),
        Just(Options::IfPresent)
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => text().prop_map(Call::Get),
        1 => text().prop_map(Call::GetBytes),
        1 => text().prop_map(Call::GetJson),
        1 => text().prop_map(Call::Lookup),
        4 => texts().prop_map(Call::GetMany),
        2 => (text(), text(), options()).prop_map(|(key, value, options)| Call::Set(key, value, options)),
        1 => (text(), text()).prop_map(|(key, value)| Call::SetJson(key, value)),
        4 => (pairs(), options()).prop_map(|(pairs, options)| Call::SetMany(pairs, options)),
        1 => texts().prop_map(Call::Delete),
        1 => text().prop_map(Call::Exists),
        1 => text().prop_map(Call::Expire),
        1 => text().prop_map(Call::Ttl),
        1 => (text(), any::<i64>()).prop_map(|(key, step)| Call::Incr(key, step)),
        1 => (text(), any::<i64>()).prop_map(|(key, step)| Call::Decr(key, step)),
        2 => (text(), pairs()).prop_map(|(key, fields)| Call::HashSet(key, fields)),
        2 => (text(), text()).prop_map(|(key, field)| Call::HashGet(key, field)),
    ]
}

impl Call {
    /// Returns the answer as text, so that the answers of two backends can be compared.
    async fn ask(&self, redis: &RedisManager) -> String {
        match self.clone() {
            Self::Get(key) => shown(redis.get(key).await),
            Self::GetBytes(key) => shown(redis.get_bytes(key).await),
            Self::GetJson(key) => shown(redis.get_json::<String>(key).await),
            Self::Lookup(key) => match redis.lookup(key).await {
                Lookup::Unavailable(error) => shown(error.kind()),
                other => shown(other),
            },
            Self::GetMany(keys) => shown(redis.get_many(keys).await),
            Self::Set(key, value, options) => {
                let request = redis.set(key, value);
                shown(match options {
                    Options::None => request.await,
                    Options::Expiry => request.ex(HOUR).await,
                    Options::IfAbsent => request.nx().await,
                    Options::IfPresent => request.xx().keep_ttl().await,
                })
            }
            Self::SetJson(key, value) => shown(redis.set_json(key, &String::from_utf8_lossy(value)).await),
            Self::SetMany(pairs, Options::Expiry) => shown(redis.set_many(pairs).ex(HOUR).await),
            Self::SetMany(pairs, _) => shown(redis.set_many(pairs).await),
            Self::Delete(keys) => {
                let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
                shown(redis.delete(keys).await)
            }
            Self::Exists(key) => shown(redis.exists(key).await),
            Self::Expire(key) => shown(redis.expire(key, HOUR).await),
            Self::Ttl(key) => shown(redis.ttl(key).await.min(0)),
            Self::Incr(key, step) => shown(redis.incr(key).by(step).await),
            Self::Decr(key, step) => shown(redis.decr(key).by(step).await),
            Self::HashSet(key, fields) => shown(redis.hset_many(key, fields).await),
            Self::HashGet(key, field) => shown(redis.hget(key, field).await),
        }
    }
}

fn shown(answer: impl std::fmt::Debug) -> String {
    format!("{answer:?}")
}

/// Tasks that write and read what is theirs alone, and panic at any answer that is not exactly theirs.
struct Witnesses {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
}

impl Witnesses {
    fn of(redis: &Arc<RedisManager>, count: usize) -> Self {
        let (stop, rounds) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let mut tasks = JoinSet::new();
        for name in 0..count {
            let (redis, stop, rounds) = (Arc::clone(redis), Arc::clone(&stop), Arc::clone(&rounds));
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

async fn testify(redis: &RedisManager, name: usize, round: i64) {
    let own = |what: &str| format!("{what} of {name} in round {round}");
    let (a, b) = (format!("own:{name}:a"), format!("own:{name}:b"));
    assert!(redis.set(&a, own("text")).await);
    assert!(redis.set_many([(&b, own("other"))]).ex(HOUR).await);
    assert_eq!(redis.get(&a).await, Some(own("text")));
    let found = redis.get_many([&b, "nobody's", &a].map(Key::from)).await;
    assert_eq!(found, [Some(own("other")), None, Some(own("text"))]);
    assert_eq!(redis.incr(format!("own:{name}:counter")).await, Some(round));
    redis.hset(format!("own:{name}:hash"), own("field"), own("value")).await;
    let value = redis.hget(format!("own:{name}:hash"), own("field")).await;
    assert_eq!(value, Some(own("value")));
    assert_eq!(redis.delete([&a, &b]).await, 2);
}

fn patient(url: &str) -> RedisManager {
    let mut config = Config::from_url(url);
    config.socket_timeout = Duration::from_secs(10);
    RedisManager::new(config).unwrap()
}

/// The embedded store says what is right. Both hold nothing but what the calls of one case wrote.
#[test]
fn hostile_keys_values_and_fields_disturb_nobody() {
    let server = RedisServer::start();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let redis = Arc::new(patient(&server.url()));
    let model = patient("memory://");
    let _inside = runtime.enter();
    let witnesses = Witnesses::of(&redis, 4);

    let keys: Vec<Key> = HOSTILE
        .iter()
        .filter(|key| !key.is_empty())
        .map(|key| Key::from(*key))
        .collect();
    let cases = Cases {
        cases: 250,
        failure_persistence: None,
        max_shrink_time: 10_000,
        ..Cases::default()
    };
    let outcome = TestRunner::new(cases).run(&vec(call(), 1..=16), |calls| {
        runtime.block_on(async {
            redis.delete(keys.as_slice()).await;
            model.delete(keys.as_slice()).await;
            for call in &calls {
                prop_assert_eq!(call.ask(&redis).await, call.ask(&model).await, "{:?}", call);
            }
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }

    assert!(runtime.block_on(witnesses.dismiss()) > 0);
    let metrics = redis.metrics();
    assert_eq!(metrics.connects, 1, "the first connection is still right: {metrics:?}");
    assert_eq!(
        (metrics.broken, metrics.timeouts, metrics.outages),
        (0, 0, 0),
        "{metrics:?}"
    );
}

/// Every place of every batch, not only those that chance finds.
#[tokio::test]
async fn every_hostile_value_comes_back_from_every_place_of_a_batch() {
    let server = RedisServer::start();
    let redis = Arc::new(patient(&server.url()));
    let witnesses = Witnesses::of(&redis, 2);
    redis.set("plain", "plain").await;
    for value in HOSTILE {
        redis.set("hostile", value).await;
        for length in 1..=6 {
            for place in 0..length {
                let keys = (0..length).map(|at| if at == place { "hostile" } else { "plain" });
                let found = redis.get_many(keys.collect::<Vec<_>>()).await;
                let right = |at| {
                    if at == place {
                        String::from_utf8(value.into()).ok()
                    } else {
                        Some("plain".into())
                    }
                };
                assert_eq!(found, (0..length).map(right).collect::<Vec<_>>(), "{value:?}");
            }
        }
    }
    assert!(witnesses.dismiss().await > 0);
    assert_eq!(redis.metrics().connects, 1);
    assert_eq!(redis.metrics().broken, 0);
}

/// Sends what the guard never would: an array whose first element a user has written.
async fn bypass_the_guard(redis: &RedisManager) {
    let client = redis.client().expect("there is a connection");
    let keys = ["first", "own:0", "own:1"].map(fred::types::Key::from).to_vec();
    let answer: Result<Vec<Option<String>>, _> = client.mget(keys).await;
    assert_ne!(
        answer.unwrap_or_default().first(),
        Some(&Some("message".to_owned())),
        "fred reads such arrays now: is the guard still needed?"
    );
}

/// Eight concurrent reads. Says whether each got what is its own.
async fn reads_are_right(redis: &Arc<RedisManager>) -> bool {
    let mut reads = JoinSet::new();
    for name in 0..8 {
        let redis = Arc::clone(redis);
        reads.spawn(async move { redis.get(format!("own:{name}")).await == Some(format!("value of {name}")) });
    }
    reads.join_all().await.into_iter().all(|is_right| is_right)
}

async fn with_values() -> (RedisServer, Arc<RedisManager>) {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(
        redis
            .set_many((0..8).map(|n| (format!("own:{n}"), format!("value of {n}"))))
            .await
    );
    assert!(redis.set("first", "message").await);
    assert!(reads_are_right(&redis).await);
    (server, redis)
}

#[tokio::test]
async fn without_the_guard_others_get_wrong_replies() {
    let (_server, redis) = with_values().await;
    let wrong_replies = || async {
        let bypass = Arc::clone(&redis);
        let bypass = tokio::spawn(async move { bypass_the_guard(&bypass).await });
        tokio::task::yield_now().await;
        let were_right = reads_are_right(&redis).await;
        bypass.await.unwrap();
        eventually("there is a connection", || async { redis.initialize().await }).await;
        !were_right
    };
    eventually("the bypass did harm", wrong_replies).await;
}

#[tokio::test]
async fn a_connection_out_of_step_is_noticed_and_replaced() {
    let (_server, redis) = with_values().await;
    assert_eq!(redis.metrics().connects, 1);
    bypass_the_guard(&redis).await;
    let took = eventually("own reads are right on a new connection", || async {
        redis.metrics().connects > 1 && reads_are_right(&redis).await
    })
    .await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    for _ in 0..20 {
        assert!(reads_are_right(&redis).await, "and they stay so");
    }
    assert_eq!(redis.metrics().connects, 2, "one new connection was enough");
}

/// Then hardly a call times out: each gets a reply, but another's. Only a question that nobody else asks finds that out.
#[tokio::test]
async fn a_connection_out_of_step_is_noticed_under_load_too() {
    let (_server, redis) = with_values().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let (redis, is_over) = (Arc::clone(&redis), Arc::clone(&is_over));
        load.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                reads_are_right(&redis).await;
                tokio::task::yield_now().await;
            }
        });
    }
    bypass_the_guard(&redis).await;
    let took = eventually("own reads are right on a new connection", || async {
        redis.metrics().connects > 1 && reads_are_right(&redis).await
    })
    .await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    is_over.store(true, Ordering::Relaxed);
    load.join_all().await;
}
