//! Every operation that answers a list, with every hostile word as its first element and one to five elements, both ways: on the connection
//! where a token proves the answer, and by script.

use bytes::Bytes;
use redis_manager::{Config, Key, RedisManager, Script};
use tokio::task::JoinSet;

use super::{HOSTILE, Text, Witnesses, assert_undisturbed, patient};
use crate::{
    operations::{Args, BAGS, CHANCES, LISTS, MANY, Way},
    support::{RedisServer, is_surveyed},
};

/// With that many elements a list is taken for a message.
const DANGEROUS: std::ops::RangeInclusive<usize> = 3..=4;

const LENGTHS: std::ops::RangeInclusive<usize> = 1..=5;

/// The elements in their order, which is that of the sorted set as well.
fn elements(first: Text, length: usize) -> Vec<Text> {
    const REST: [Text; 4] = [b"\xff\xffa", b"\xff\xffb", b"\xff\xffc", b"\xff\xffd"];
    [&[first], &REST[..length - 1]].concat()
}

/// By script: there is no connection for lists.
fn alone(server: &RedisServer) -> RedisManager {
    let mut config = Config::from_url(server.url());
    config.socket_timeout = std::time::Duration::from_secs(10);
    config.max_connections = 1;
    RedisManager::new(config).unwrap()
}

/// Stores the elements in a list, a set, two sorted sets, a hash and strings, and returns what to ask with.
async fn store(redis: &RedisManager, elements: &[Text]) -> Args {
    let service = redis.service();
    let key = |name: &str| Key::from(format!("the {name}"));
    let mut args = Args::on(&key("string"), elements);
    (args.list, args.other_list) = (key("list"), key("other list"));
    (args.set, args.sets) = (key("set"), vec![key("set"), key("set")]);
    (args.zset, args.lex, args.hash) = (key("zset"), key("lex"), key("hash"));
    args.count = elements.len();
    args.strings = (0..elements.len()).map(|at| key(&format!("string {at}"))).collect();
    let keys = [&args.list, &args.set, &args.zset, &args.lex, &args.hash];
    service.keys().delete(keys).await.unwrap();
    let texts = args.texts.clone();
    let strings = args.strings.iter().cloned().zip(texts.clone()).collect::<Vec<_>>();
    let scores = texts.iter().cloned().zip((0..).map(f64::from));
    let stored = service
        .pipeline((
            service.string().set_many(strings),
            service.list().rpush(&args.list, texts.clone()),
            service.set().sadd(&args.set, texts.clone()),
            service.zset().zadd(&args.zset, scores.collect::<Vec<_>>()),
            service
                .zset()
                .zadd(&args.lex, texts.iter().map(|text| (text.clone(), 0.0))),
            service
                .hash()
                .hset(&args.hash, texts.iter().cloned().zip(texts.clone())),
        ))
        .await;
    stored.unwrap();
    args
}

async fn assert_in_step(redis: &RedisManager, args: &Args, name: &str) {
    let value: Option<Bytes> = redis.service().string().get(&args.strings[0]).await.unwrap();
    assert_eq!(value.as_ref(), args.texts.first(), "after {name}");
}

/// Asks for each list, in any order, and with anything removed put back before the next.
async fn every_list_is_right(redis: &RedisManager, elements: &[Text], ways: &[Way]) {
    let mut right: Vec<Bytes> = elements.iter().map(|text| Bytes::from_static(text)).collect();
    right.sort();
    for entry in LISTS.iter().chain(BAGS).chain(CHANCES) {
        // `sdiff` of a set with itself is empty; a member may repeat by chance.
        if ["sdiff", "srandmember_repeating"].contains(&entry.name) {
            continue;
        }
        for way in ways {
            let args = store(redis, elements).await;
            let answer = entry
                .answers(redis.service(), std::slice::from_ref(&args), *way)
                .await
                .remove(0);
            let mut answer = answer.unwrap_or_else(|error| panic!("{} {way:?}: {error}", entry.name));
            answer.sort();
            assert_eq!(answer, right, "{} {way:?}", entry.name);
            assert_in_step(redis, &args, entry.name).await;
        }
    }
    let args = store(redis, elements).await;
    for entry in MANY {
        for way in ways {
            let answer = entry
                .answers(redis.service(), std::slice::from_ref(&args), *way)
                .await
                .remove(0);
            let values: Vec<_> = args.texts.iter().cloned().map(Some).collect();
            assert_eq!(answer.unwrap(), values, "{} {way:?}", entry.name);
            assert_in_step(redis, &args, entry.name).await;
        }
    }
    let echo = Script::new("return ARGV");
    let nothing: [&str; 0] = [];
    let scripts = redis.service().scripts();
    let echoed: Vec<Bytes> = scripts.run(&echo, nothing, args.texts.clone()).await.unwrap();
    assert_eq!(echoed, args.texts);
    assert_in_step(redis, &args, "a script").await;
}

#[tokio::test]
async fn every_list_is_right_by_script() {
    let server = RedisServer::start();
    let redis = alone(&server);
    for word in HOSTILE {
        for length in LENGTHS {
            every_list_is_right(&redis, &elements(word, length), &[Way::OneByOne, Way::Pipeline]).await;
        }
    }
    assert_undisturbed(&redis);
}

/// Transactions have a connection of their own.
#[tokio::test]
async fn every_list_is_right_in_a_transaction() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for word in HOSTILE {
        for length in DANGEROUS {
            every_list_is_right(&redis, &elements(word, length), &[Way::Transaction]).await;
        }
    }
    assert_undisturbed(&redis);
}

/// What goes by the connection for lists.
const WITNESSED: [&str; 5] = ["lrange_all", "zrange_all", "hkeys", "hvals", "lrange"];

/// The first elements of what is taken for a message end so.
const ENDINGS: [Text; 2] = [b"message", b"subscribe"];

/// How often the server has run a script.
fn scripts(server: &RedisServer) -> u64 {
    let statistics = server.command(&["INFO", "commandstats"]);
    let calls = statistics
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_eval:calls="));
    calls.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// A manager for each, because after a list that was taken for a message it asks by script for some time.
#[tokio::test]
async fn every_list_is_right_where_a_token_proves_it() {
    let server = RedisServer::start();
    let mut poisoned = 0;
    for word in HOSTILE {
        for length in LENGTHS {
            for entry in LISTS.iter().chain(BAGS).filter(|entry| WITNESSED.contains(&entry.name)) {
                let is_message = DANGEROUS.contains(&length) && ENDINGS.iter().any(|ending| word.ends_with(ending));
                let redis = patient(&server.url());
                let args = store(&redis, &elements(word, length)).await;
                is_surveyed(&redis).await;
                let before = scripts(&server);
                let answer = entry
                    .answers(redis.service(), std::slice::from_ref(&args), Way::OneByOne)
                    .await
                    .remove(0);
                let mut answer = answer.unwrap();
                answer.sort();
                let mut right = args.texts.clone();
                right.sort();
                assert_eq!(answer, right, "{} {word:?}", entry.name);
                assert_in_step(&redis, &args, entry.name).await;
                assert_undisturbed(&redis);
                let by_script = scripts(&server) - before;
                poisoned += by_script;
                assert!(is_message || by_script == 0, "{word:?} {length} {}", entry.name);
            }
        }
    }
    assert!(
        poisoned > 0,
        "no list was taken for a message: is the guard still needed?"
    );
}

/// A right answer or an honest error, never another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poisoned_lists_asked_for_at_once_disturb_nobody() {
    let server = RedisServer::start();
    for _ in 0..5 {
        server.command(&["FLUSHALL"]);
        let redis = std::sync::Arc::new(patient(&server.url()));
        let mut tasks = JoinSet::new();
        let witnesses = Witnesses::of(redis.service(), 2);
        for name in 0..16_usize {
            let redis = std::sync::Arc::clone(&redis);
            tasks.spawn(async move {
                let word: Text = if name % 2 == 0 { b"message" } else { b"plain" };
                let own = Bytes::from(format!("own {name}"));
                let elements = [Bytes::from_static(word), own.clone(), own];
                let key = format!("poisoned:{name}");
                let list = redis.service().list();
                list.rpush(&key, elements.clone()).await.unwrap();
                let mut right = 0;
                for _ in 0..20 {
                    match list.lrange::<Bytes>(&key, 0, -1).await {
                        Ok(found) => {
                            assert_eq!(found, elements, "another's list");
                            right += 1;
                        }
                        Err(error) => assert!(error.is_unavailable(), "{error}"),
                    }
                }
                right
            });
        }
        let right: Vec<u32> = tasks.join_all().await;
        assert!(right.iter().all(|right| *right > 0), "{right:?}");
        assert!(witnesses.dismiss().await > 0);
        assert_undisturbed(&redis);
    }
}

/// One connection is all that is permitted, and enough.
#[tokio::test]
async fn one_connection_is_enough_for_lists() {
    let server = RedisServer::start();
    let redis = alone(&server);
    let args = store(&redis, &elements(b"message", 3)).await;
    is_surveyed(&redis).await;
    let before = scripts(&server);
    let list: Vec<Bytes> = redis.service().list().lrange(&args.list, 0, -1).await.unwrap();
    assert_eq!(list, args.texts);
    assert_eq!(scripts(&server) - before, 1);
    // This test's own is the second.
    assert!(server.command(&["INFO", "clients"]).contains("connected_clients:2"));
    assert_undisturbed(&redis);
}

/// A server repeats the arguments of a command that it does not know, and cuts them anywhere; a script's error is what the script says.
#[tokio::test]
async fn an_error_that_is_no_text_breaks_no_connection() {
    let server = RedisServer::start();
    let managers = [(); 3].map(|()| patient(&server.url()));
    let [first, second, third] = managers.each_ref().map(RedisManager::service);
    let nothing: [&str; 0] = [];
    let script = Script::new("return redis.error_reply('MINE ' .. ARGV[1])");
    let document = "\u{e9}".repeat(100);
    let answers = [
        first.hash().hpersist("h", [&b"\xff"[..]]).await.map(drop),
        second.json_module().set("k", "$", &document).await.map(drop),
        third
            .scripts()
            .run::<i64>(&script, nothing, [&b"\xff"[..]])
            .await
            .map(drop),
    ];
    let codes = answers.map(|answer| answer.map_or_else(|error| error.code(), |()| "none"));
    let of_fields = if is_surveyed(&managers[0]).await.field_expiry.is_yes() {
        "none"
    } else {
        "unsupported"
    };
    assert_eq!(codes, [of_fields, "unsupported", "server"]);
    managers.iter().for_each(assert_undisturbed);
}
