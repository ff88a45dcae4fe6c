//! What a cluster of healthy nodes answers.

use std::{collections::HashSet, sync::Arc, time::Duration};

use redis_manager::{Config, ErrorKind, HealthState, RedisManager, Script, Side};
use tokio::task::JoinSet;

use super::{keys_everywhere, patient_manager};
use crate::deployment::{Cluster, slot_of};

const KEYS: usize = 300;

#[tokio::test]
async fn every_group_of_operations_works_whatever_the_slots() {
    let cluster = Cluster::of_masters(3).await;
    let redis = patient_manager(&cluster);
    assert!(redis.initialize().await);
    assert_eq!(redis.health().state, HealthState::Ready);
    strings_and_keys(&redis).await;
    collections(&redis).await;
    composed(&redis).await;
    redis.disconnect().await;
    assert!(redis.set("k", "after").await, "a later call connects anew");
}

async fn strings_and_keys(redis: &RedisManager) {
    let keys = keys_everywhere("k", KEYS);
    for key in &keys {
        assert!(redis.set(key.as_str(), key.as_str()).ex(600).await, "{key}");
        assert_eq!(redis.get(key.as_str()).await.as_deref(), Some(key.as_str()));
    }
    let values = redis.get_many(keys.as_slice()).await;
    assert!(values.iter().zip(&keys).all(|(value, key)| value.as_ref() == Some(key)));
    let pairs = keys.iter().map(|key| (key.as_str(), "v"));
    assert!(redis.set_many(pairs.clone()).await);
    assert!(redis.set_many(pairs).ex(600).await);
    let service = redis.service();
    assert_eq!(service.keys().dbsize().await.unwrap(), KEYS as u64);
    assert_eq!(service.keys().exists(keys.as_slice()).await.unwrap(), KEYS as u64);
    assert!(redis.expire("k:1", 50).await);
    assert!(redis.ttl("k:1").await <= 50);
    assert_eq!(redis.delete(&keys[..100]).await, 100);
    assert_eq!(service.keys().unlink(&keys[100..200]).await.unwrap(), 100);
    assert_eq!(redis.incr("counter").await, Some(1));
    assert_eq!(
        redis.get_many(["k:250", "absent", "k:251"]).await,
        [Some("v".into()), None, Some("v".into())]
    );
    assert!(service.keys().ping().await.is_ok());
    assert_eq!(service.keys().delete_pattern("k:*").await.unwrap(), 100);
}

async fn collections(redis: &RedisManager) {
    let service = redis.service();
    for at in 0..20 {
        let key = format!("c:{at}");
        assert_eq!(redis.hset(format!("{key}:h"), "f", "v").await, 1);
        assert_eq!(redis.hget(format!("{key}:h"), "f").await.as_deref(), Some("v"));
        service.list().rpush(format!("{key}:l"), ["a", "b"]).await.unwrap();
        let list: Vec<String> = service.list().lrange(format!("{key}:l"), 0, -1).await.unwrap();
        assert_eq!(list, ["a", "b"]);
        service.set().sadd(format!("{key}:s"), ["m"]).await.unwrap();
        assert!(service.set().sismember(format!("{key}:s"), "m").await.unwrap());
        service.zset().zadd(format!("{key}:z"), [("m", 1.0)]).await.unwrap();
        assert_eq!(service.zset().zscore(format!("{key}:z"), "m").await.unwrap(), Some(1.0));
        assert!(redis.set_json(format!("{key}:j"), &vec![at]).await);
        assert_eq!(redis.get_json::<Vec<i32>>(format!("{key}:j")).await, Some(vec![at]));
    }
}

async fn composed(redis: &RedisManager) {
    let service = redis.service();
    let strings = service.string();
    let operations: Vec<_> = (0..50).map(|at| strings.incr(format!("p:{at}"))).collect();
    let counts = service.pipeline(operations).await.unwrap();
    assert_eq!(counts, [1; 50]);
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for at in 0..20 {
        let count: i64 = service.scripts().run(&script, format!("p:{at}"), [5]).await.unwrap();
        assert_eq!(count, 6);
    }
    let moved = service
        .transaction((strings.decr_by("{a}x", 5), strings.incr_by("{a}y", 5)))
        .await;
    assert_eq!(moved.unwrap(), (-5, 5));
    let mut watch = service.watch("{a}x").await.unwrap();
    let seen: Option<i64> = watch.read(strings.get("{a}x")).await.unwrap();
    assert_eq!(seen, Some(-5));
    assert_eq!(watch.commit((strings.incr("{a}x"),)).await.unwrap(), Some((-4,)));
    service.list().rpush("queue", ["job"]).await.unwrap();
    let taken: Option<(redis_manager::Key, String)> =
        service.list().blpop("queue", Duration::from_secs(5)).await.unwrap();
    assert_eq!(taken.map(|(_, job)| job).as_deref(), Some("job"));
    service.list().rpush("{q}from", ["job"]).await.unwrap();
    let (left, right) = (Side::Left, Side::Right);
    let wait = Duration::from_secs(5);
    let job: Option<String> = service
        .list()
        .blmove("{q}from", "{q}to", left, right, wait)
        .await
        .unwrap();
    assert_eq!(job.as_deref(), Some("job"));
}

#[tokio::test]
async fn keys_in_several_slots_are_refused_where_a_command_cannot_be_taken_apart() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let service = redis.service();
    let strings = service.string();
    let slots = [slot_of("a"), slot_of("b")].map(|slot| slot.to_string());
    let script = Script::new("return 1");
    let errors = [
        service.keys().rename("a", "b").await.unwrap_err(),
        service.set().sinter::<String>(["a", "b"]).await.unwrap_err(),
        service
            .transaction((strings.incr("a"), strings.incr("b")))
            .await
            .unwrap_err(),
        service.watch(["a", "b"]).await.unwrap_err(),
        service
            .scripts()
            .run::<i64>(&script, ["a", "b"], [0; 0])
            .await
            .unwrap_err(),
        service
            .list()
            .blpop::<String>(["a", "b"], Duration::from_secs(1))
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(slots.iter().all(|slot| error.message().contains(slot)), "{error}");
        assert!(error.message().contains("hash tag"), "{error}");
    }
    let (first, second) = service
        .pipeline((service.keys().rename("a", "b"), strings.incr("c")))
        .each()
        .await;
    assert_eq!(first.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(second.unwrap(), 1);
}

#[tokio::test]
async fn a_password_and_a_prefix_hold_for_every_node() {
    let cluster = Cluster::start_with(2, 0, &["--requirepass", "sesame"]).await;
    let with = |password: &str| {
        let mut config = Config::from_url(cluster.url());
        config.password = Some(password.into());
        config.key_prefix = "app:".to_owned();
        RedisManager::new(config).unwrap()
    };
    let redis = with("sesame");
    let keys = keys_everywhere("k", 20);
    for key in &keys {
        assert!(redis.set(key.as_str(), "v").await);
        let node = cluster.node_of(&format!("app:{key}"));
        assert_eq!(cluster.command(node, &["GET", &format!("app:{key}")]).text(), "v");
    }
    assert_eq!(redis.service().keys().flush_prefix().await.unwrap(), 20);
    let locked_out = with("wrong");
    assert_eq!(locked_out.get("k").await, None);
    let reason = locked_out.health().reason.unwrap_or_default();
    assert!(
        reason.contains("wrong user or password") && !reason.contains("sesame"),
        "{reason}"
    );
    let mut config = Config::from_url(cluster.url());
    config.db = 1;
    let error = RedisManager::new(config).unwrap_err();
    assert!(error.to_string().starts_with("REDIS_DB: "), "{error}");
}

#[tokio::test]
async fn more_keys_than_may_be_under_way_take_more_round_trips() {
    let cluster = Cluster::of_masters(1).await;
    let redis = patient_manager(&cluster);
    let keys = keys_everywhere("many", 5_000);
    assert!(
        redis
            .set_many(keys.iter().map(|key| (key.as_str(), key.as_str())))
            .await
    );
    let values = redis.get_many(keys.as_slice()).await;
    assert!(values.iter().zip(&keys).all(|(value, key)| value.as_ref() == Some(key)));
    let strings = redis.service().string();
    let operations: Vec<_> = keys.iter().map(|key| strings.strlen(key.as_str())).collect();
    assert_eq!(redis.service().pipeline(operations).await.unwrap().len(), 5_000);
    assert_eq!(redis.delete(keys.as_slice()).await, 5_000);
}

#[tokio::test]
async fn a_scan_goes_over_all_nodes() {
    let cluster = Cluster::of_masters(3).await;
    let redis = patient_manager(&cluster);
    let keys = keys_everywhere("user", 1000);
    assert!(redis.set_many(keys.iter().map(|key| (key.as_str(), "v"))).await);
    redis.set("other", "v").await;
    let mut scan = redis.service().keys().scan("user:*").count(50);
    let mut found = HashSet::new();
    while let Some(key) = scan.next().await {
        found.insert(key.unwrap().to_string());
    }
    assert_eq!(found, keys.into_iter().collect());
    let mut stopped = redis.service().keys().scan("absent:*");
    assert!(stopped.next().await.is_none());
}

#[tokio::test]
async fn values_that_look_like_redirections_come_back_as_values() {
    let cluster = Cluster::of_masters(3).await;
    let redis = patient_manager(&cluster);
    let service = redis.service();
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = trap.local_addr().unwrap();
    let hostile = [
        format!("MOVED 1 {address}"),
        format!("ASK 1 {address}"),
        "MOVED 1 h:1".to_owned(),
        "ASK 1 h:1".to_owned(),
        "TRYAGAIN".to_owned(),
        "message".to_owned(),
        "-MOVED 1 h:1\r\n".to_owned(),
    ];
    for value in &hostile {
        let value = value.as_str();
        for at in 0..12 {
            assert!(redis.set(format!("{value}{at}"), value).await);
            assert_eq!(redis.get(format!("{value}{at}")).await.as_deref(), Some(value));
        }
        let many: Vec<_> = (0..12).map(|at| format!("{value}{at}")).collect();
        assert_eq!(redis.get_many(many.as_slice()).await, vec![Some(value.to_owned()); 12]);
        redis.hset(format!("h{value}"), value, value).await;
        assert_eq!(redis.hget(format!("h{value}"), value).await.as_deref(), Some(value));
        service.list().rpush(format!("l{value}"), [value, value]).await.unwrap();
        let list: Vec<String> = service.list().lrange(format!("l{value}"), 0, -1).await.unwrap();
        assert_eq!(list, [value, value]);
        let echo = Script::new("return ARGV[1]");
        let echoed: String = service.scripts().run(&echo, "k", [value]).await.unwrap();
        assert_eq!(echoed, value);
        for raised in [
            "return redis.error_reply(ARGV[1])",
            "error({err = ARGV[1]})",
            "error(ARGV[1])",
        ] {
            let script = Script::new(format!("redis.call('INCR', KEYS[1]) {raised}"));
            let error = service
                .scripts()
                .run::<String>(&script, "runs", [value])
                .await
                .unwrap_err();
            assert!(!error.is_retryable(), "{raised} {value:?}: {error:?}");
        }
    }
    let expected = hostile.len() * 3;
    assert_eq!(
        redis.get("runs").await,
        Some(expected.to_string()),
        "no script ran twice"
    );
    assert!(trap.accept().is_err(), "nobody was led to another address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_calls_are_batched_for_each_node_and_everybody_gets_their_own_answer() {
    let cluster = Cluster::of_masters(3).await;
    let redis = Arc::new(patient_manager(&cluster));
    redis.hset("wrong", "f", "v").await;
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let redis = Arc::clone(&redis);
        tasks.spawn(async move {
            for at in 0..200 {
                let key = format!("t:{task}:{at}");
                let value = format!("MOVED {at} 127.0.0.1:{task}");
                let is_set = if at % 2 == 0 {
                    redis.set(key.as_str(), value.as_str()).ex(600).await
                } else {
                    redis.set(key.as_str(), value.as_str()).await
                };
                assert!(is_set, "{key}");
                assert_eq!(redis.get(key.as_str()).await, Some(value), "{key}");
                assert_eq!(redis.get("absent").await, None);
                let wrong = redis.service().string().get::<Option<String>>("wrong").await;
                assert_eq!(wrong.unwrap_err().kind(), ErrorKind::WrongType);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let evals: usize = (0..3)
        .map(|node| cluster.command(node, &["INFO", "commandstats"]).text().to_owned())
        .filter(|statistics| statistics.contains("cmdstat_eval:"))
        .count();
    assert_eq!(evals, 3, "reads and writes left together");
    assert!(redis.ttl("t:0:0").await > 0);
    assert_eq!(redis.ttl("t:0:1").await, -1);
}
