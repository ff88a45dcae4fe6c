//! What else there is works after a failover as before it, and in every runtime.

use std::{thread, time::Duration};

use redis_manager::Key;
use tokio::{runtime::Builder, time::sleep};

use super::{fails_over, is_healed, manager};
use crate::{deployment::Sentinels, support::SLACK};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_watches_and_waiting_go_to_the_new_master() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    let service = redis.service();
    let (string, list) = (service.string(), service.list());
    let before: (i64, i64) = service.transaction((string.incr("n"), string.incr("n"))).await.unwrap();
    assert_eq!(before, (1, 2));
    let mut watched = service.watch("n").await.unwrap();
    let waiting = {
        let redis = std::sync::Arc::clone(&redis);
        tokio::spawn(async move {
            redis
                .service()
                .list()
                .blpop::<String>("l", Duration::from_secs(30))
                .await
        })
    };
    sleep(Duration::from_millis(200)).await;

    let old = sentinels.stop_master();
    fails_over(&sentinels, &redis, old, "with sessions").await;
    let interrupted = tokio::time::timeout(SLACK, waiting).await.unwrap().unwrap();
    assert!(interrupted.unwrap_err().is_unavailable());
    let committed = watched.commit((string.set("n", 100),)).await;
    assert!(committed.is_err(), "its connection is gone");
    drop(watched);

    let after: (i64, i64) = service.transaction((string.incr("m"), string.incr("m"))).await.unwrap();
    assert_eq!(after, (1, 2));
    let mut watched = service.watch("m").await.unwrap();
    assert!(watched.commit((string.incr("m"),)).await.unwrap().is_some());
    assert_eq!(sentinels.command(1, &["GET", "m"]).text(), "3");
    list.rpush("l", ["a"]).await.unwrap();
    let popped: Option<(Key, String)> = list.blpop("l", Duration::from_secs(1)).await.unwrap();
    assert_eq!(popped, Some(("l".into(), "a".to_owned())));
    // Values on connections of their own.
    let large = "x".repeat(2 << 20);
    assert!(redis.set("large", &large).await);
    assert_eq!(redis.get("large").await.unwrap().len(), large.len());
    assert_eq!(
        list.lrange::<String>("none", 0, -1).await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_runtime_finds_the_new_master() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    let (killed, told) = std::sync::mpsc::channel();
    let other = {
        let (redis, lost) = (std::sync::Arc::clone(&redis), sentinels.port(0));
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                assert!(redis.set("other", 1).await);
                assert_eq!(redis.metrics().connects, 2);
                killed.send(()).unwrap();
                is_healed(&redis, lost).await;
                assert!(redis.set("other", 2).await);
            });
        })
    };
    told.recv().unwrap();
    let old = sentinels.stop_master();
    fails_over(&sentinels, &redis, old, "two runtimes").await;
    tokio::task::spawn_blocking(|| other.join().unwrap()).await.unwrap();
    assert_eq!(sentinels.command(1, &["GET", "other"]).text(), "2");
    // The first runtime outlives the second, and is followed still.
    sentinels.wait_until_settled().await;
    sentinels.resume(old);
    sentinels.wait_until_replica(old).await;
    let old = sentinels.failover().await;
    fails_over(&sentinels, &redis, old, "after a runtime has ended").await;
}
