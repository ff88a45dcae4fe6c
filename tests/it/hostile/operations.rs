//! Every operation of the honest face, with hostile texts in every place, asked one by one, as pipelines and as transactions.

use bytes::Bytes;
use fred::{
    interfaces::ClientLike,
    types::{
        Builder, RespVersion,
        config::{Config as FredConfig, Server, ServerConfig},
    },
};
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::{Index, select},
    test_runner::{Config as Cases, TestCaseError, TestRunner},
};
use redis_manager::{Config, Key, RedisManager, RedisService};
use tokio::runtime::{Builder as Runtimes, Runtime};

use super::{HOSTILE, Text, Witnesses, assert_undisturbed, model::Pair, patient, text};
use crate::{
    operations::{
        Args, BAGS, CHANCES, COUNTS, FLAGS, LISTS, MANY, MAPS, NUMBERS, Operation, PLACES, SCORED, SCORES, VALUES,
        WAYS, Way, all,
    },
    support::{RedisServer, free_port, wait_until},
};

/// Each round has a connection of its own. Raise it to search for longer.
const ROUNDS: u32 = 8;
/// Each case is up to `STEPS` questions, most of them of several operations.
const CASES: u32 = 25;
const STEPS: usize = 16;

/// What a client takes for a message if there are two or three more elements.
const MESSAGES: [Text; 9] = [
    b"message",
    b"pmessage",
    b"smessage",
    b"subscribe",
    b"psubscribe",
    b"ssubscribe",
    b"unsubscribe",
    b"punsubscribe",
    b"sunsubscribe",
];

const PATTERNS: [Text; 8] = [
    b"message",
    b"*message*",
    b"?essage",
    b"[ms]*",
    b"[^o]*",
    b"\\message",
    b"*\r\n",
    b"",
];

#[derive(Debug, Clone)]
enum Step {
    /// One operation several times.
    Alike(Chosen, Vec<Args>, Way),
    /// One operation of each of twelve kinds, together.
    Mixed(Vec<Index>, Vec<Args>, Way),
    Chance(Index, Box<Args>, Way),
}

/// An operation, by its place in the list of all.
#[derive(Clone)]
struct Chosen(Index);

impl Chosen {
    fn operation(&self) -> &'static dyn Operation {
        *self.0.get(&all())
    }
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.operation().name())
    }
}

/// A key of the type that is asked for, or now and then of any: a few keys of each, so that most hold something.
fn key(first: usize) -> impl Strategy<Value = Key> {
    prop_oneof![
        12 => (first..first + 3).prop_map(|at| Key::from(HOSTILE[at])),
        1 => (0..LEX).prop_map(|at| Key::from(HOSTILE[at])),
    ]
}

const LIST: usize = 0;
const SET: usize = 3;
const ZSET: usize = 6;
const HASH: usize = 9;
const STRING: usize = 12;
const LEX: usize = 15;

/// As often as not three or four that begin like a message.
fn texts() -> impl Strategy<Value = Vec<Text>> {
    prop_oneof![
        1 => vec(text(), 1..=6),
        1 => (select(&MESSAGES), vec(text(), 2..=3)).prop_map(|(first, rest)| [&[first], &rest[..]].concat()),
    ]
}

fn args() -> impl Strategy<Value = Args> {
    let singles = (key(STRING), key(LIST), key(LIST), key(SET), key(SET));
    let others = (key(ZSET), key(ZSET), key(HASH), key(LIST), key(STRING));
    let several = (
        vec(key(STRING), 1..=4),
        vec(key(SET), 1..=4),
        vec(key(ZSET), 1..=3),
        vec(key(HASH), 1..=4),
    );
    let written = (text(), text(), texts(), select(&PATTERNS));
    let numbers = (-6..6_i64, -6..6_i64, 0..7_usize);
    (singles, others, several, written, numbers).prop_map(|(singles, others, several, written, numbers)| {
        let (text, other_text, texts, pattern) = written;
        Args {
            string: singles.0,
            list: singles.1,
            other_list: singles.2,
            set: singles.3,
            other_set: singles.4,
            zset: others.0,
            other_zset: others.1,
            hash: others.2,
            any: others.3,
            other: others.4,
            strings: several.0,
            sets: several.1,
            zsets: several.2,
            others: several.3,
            lex: Key::from(HOSTILE[LEX]),
            text: Bytes::from_static(text),
            other_text: Bytes::from_static(other_text),
            texts: texts.into_iter().map(Bytes::from_static).collect(),
            pattern: Bytes::from_static(pattern),
            start: numbers.0,
            stop: numbers.1,
            count: numbers.2,
        }
    })
}

fn way() -> impl Strategy<Value = Way> {
    select(&WAYS)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<Index>(), vec(args(), 1..=2), way()).prop_map(|(at, args, way)| Step::Alike(Chosen(at), args, way)),
        1 => (vec(any::<Index>(), KINDS), vec(args(), KINDS), select(&[Way::Pipeline, Way::Transaction][..]))
            .prop_map(|(which, args, way)| Step::Mixed(which, args, way)),
        1 => (any::<Index>(), args(), way()).prop_map(|(at, args, way)| Step::Chance(at, args.into(), way)),
    ]
}

/// What each collection holds at first.
fn contents() -> impl Strategy<Value = Vec<Vec<Text>>> {
    vec(texts(), LEX)
}

/// As many as a tuple can have.
const KINDS: usize = 12;

/// Asks for one of each kind together, and returns the answers as text.
async fn mixed(redis: &RedisService, which: &[Index], args: &[Args], way: Way) -> Result<Vec<String>, String> {
    macro_rules! ask {
        ($($place:literal $table:ident $answer:ident)+) => {{
            let batch = ($((which[$place].get($table).ask)(redis, &args[$place]),)+);
            let results = match way {
                Way::Transaction => redis.transaction(batch).each().await.map_err(|error| error.code().to_owned())?,
                _ => redis.pipeline(batch).each().await,
            };
            let ($($answer,)+) = results;
            vec![$(format!(
                "{}: {:?}",
                which[$place].get($table).name,
                $answer.map_err(|error| error.code())
            )),+]
        }};
    }
    let mut answers = ask! {
        0 COUNTS a 1 LISTS b 2 VALUES c 3 BAGS d 4 FLAGS e 5 MANY f 6 SCORED g 7 MAPS h 8 PLACES i 9 NUMBERS j 10 SCORES k 11 LISTS l
    };
    // In no particular order.
    let mut letters: Vec<_> = std::mem::take(&mut answers[3]).into_bytes();
    letters.sort_unstable();
    answers[3] = String::from_utf8_lossy(&letters).into_owned();
    Ok(answers)
}

async fn fill(pair: &Pair<'_>, contents: &[Vec<Text>]) -> Result<(), String> {
    let fillers: [(usize, &str); 5] = [
        (LIST, "rpush"),
        (SET, "sadd"),
        (ZSET, "zadd"),
        (HASH, "hset"),
        (STRING, "set"),
    ];
    let operations = all();
    for (first, name) in fillers {
        let operation = operations.iter().find(|operation| operation.name() == name).unwrap();
        for at in first..first + 3 {
            let args = Args::on(&Key::from(HOSTILE[at]), &contents[at]);
            pair.ask(*operation, &[args], Way::OneByOne).await?;
        }
    }
    let alike = operations
        .iter()
        .find(|operation| operation.name() == "zadd_alike")
        .unwrap();
    let args = Args::on(&Key::from(HOSTILE[LEX]), &contents[0]);
    pair.ask(*alike, &[args], Way::OneByOne).await
}

async fn take(step: &Step, pair: &Pair<'_>) -> Result<(), String> {
    let possible = |way: Way| match way {
        Way::Transaction if pair.is_alone => Way::Pipeline,
        way => way,
    };
    match step {
        Step::Alike(chosen, args, way) => pair.ask(chosen.operation(), args, possible(*way)).await,
        Step::Chance(at, args, way) => pair.ask_by_chance(at.get(CHANCES), args, possible(*way)).await,
        Step::Mixed(which, args, way) => {
            let real = mixed(pair.real, which, args, possible(*way)).await;
            let model = mixed(pair.model, which, args, possible(*way)).await;
            if real == model {
                return Ok(());
            }
            Err(format!("{real:?} instead of {model:?}"))
        }
    }
}

/// Asks both for whatever chance finds, and panics with the shortest case in which they differ.
fn compare(runtime: &Runtime, pair: &Pair<'_>, cases: u32) {
    let cases = Cases {
        cases,
        failure_persistence: None,
        max_shrink_time: 10_000,
        ..Cases::default()
    };
    let outcome = TestRunner::new(cases).run(&(contents(), vec(step(), 1..=STEPS)), |(contents, steps)| {
        runtime.block_on(async {
            pair.clear().await;
            fill(pair, &contents).await.map_err(TestCaseError::fail)?;
            for step in &steps {
                take(step, pair).await.map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn runtime() -> Runtime {
    Runtimes::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Lists go by a connection of their own until one is poisoned, afterwards by script: so each round has a new manager.
#[test]
fn no_operation_disturbs_anybody() {
    let server = RedisServer::start();
    let runtime = runtime();
    let _inside = runtime.enter();
    for _ in 0..ROUNDS {
        server.command(&["FLUSHALL"]);
        let redis: RedisManager = patient(&server.url());
        let model = patient("memory://");
        let witnesses = Witnesses::of(redis.service(), 3);
        let pair = Pair {
            real: redis.service(),
            model: model.service(),
            is_alone: false,
            is_guest: false,
        };
        compare(&runtime, &pair, CASES);
        assert!(runtime.block_on(witnesses.dismiss()) > 0);
        assert_undisturbed(&redis);
        runtime.block_on(redis.disconnect());
    }
}

/// Then the way by script is the only one for lists. There can be no transactions.
#[test]
fn no_operation_disturbs_anybody_without_a_connection_for_lists() {
    let server = RedisServer::start();
    let runtime = runtime();
    let _inside = runtime.enter();
    let mut config = Config::from_url(server.url());
    config.socket_timeout = std::time::Duration::from_secs(10);
    config.max_connections = 1;
    let redis = RedisManager::new(config).unwrap();
    let model = patient("memory://");
    let witnesses = Witnesses::of(redis.service(), 3);
    let pair = Pair {
        real: redis.service(),
        model: model.service(),
        is_alone: true,
        is_guest: false,
    };
    compare(&runtime, &pair, CASES * 2);
    assert!(runtime.block_on(witnesses.dismiss()) > 0);
    assert_undisturbed(&redis);
}

/// In a cluster a word like `MOVED` may be a redirection. The operations have all their keys in one slot, since many take no others;
/// the witnesses have theirs anywhere.
#[test]
fn no_operation_disturbs_anybody_in_a_cluster() {
    let bus_port = free_port().to_string();
    let server = RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus_port]);
    assert_eq!(server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "+OK");
    wait_until("the cluster serves", || {
        server.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    let runtime = runtime();
    let _inside = runtime.enter();
    let url = format!("redis-cluster://127.0.0.1:{}", server.port());
    for _ in 0..ROUNDS {
        server.command(&["FLUSHALL"]);
        let mut config = Config::from_url(url.as_str());
        config.socket_timeout = std::time::Duration::from_secs(10);
        let other = RedisManager::new(config.clone()).unwrap();
        config.key_prefix = "{slot}".to_owned();
        let redis = RedisManager::new(config).unwrap();
        let model = patient("memory://");
        let witnesses = [redis.service(), other.service()].map(|service| Witnesses::of(service, 2));
        let pair = Pair {
            real: redis.service(),
            model: model.service(),
            is_alone: false,
            is_guest: false,
        };
        compare(&runtime, &pair, CASES);
        for witnesses in witnesses {
            assert!(runtime.block_on(witnesses.dismiss()) > 0);
        }
        for manager in [redis, other] {
            assert_undisturbed(&manager);
            runtime.block_on(manager.disconnect());
        }
    }
}

#[test]
fn no_operation_disturbs_a_client_of_the_callers() {
    let server = RedisServer::start();
    let runtime = runtime();
    let _inside = runtime.enter();
    let client = runtime.block_on(async {
        let config = FredConfig {
            server: ServerConfig::Centralized {
                server: Server::new("127.0.0.1", server.port()),
            },
            version: RespVersion::RESP3,
            ..FredConfig::default()
        };
        let mut builder = Builder::from_config(config);
        builder.with_performance_config(|performance| {
            performance.default_command_timeout = std::time::Duration::from_secs(10);
        });
        let client = builder.build().unwrap();
        client.init().await.unwrap();
        client
    });
    let service = RedisService::from_client(&client).unwrap();
    let model = patient("memory://");
    let witnesses = Witnesses::of(&service, 3);
    let pair = Pair {
        real: &service,
        model: model.service(),
        is_alone: false,
        is_guest: true,
    };
    compare(&runtime, &pair, CASES * 2);
    assert!(runtime.block_on(witnesses.dismiss()) > 0);
    assert!(client.is_connected());
}
