//! Sentinels that are lost, replaced, or behind the times.

use std::time::Duration;

use tokio::time::sleep;

use super::{assert_writes_to, fails_over, manager, manager_of};
use crate::{deployment::Sentinels, support::eventually};

#[tokio::test]
async fn all_sentinels_may_be_replaced_one_after_the_other() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    for old in 0..3 {
        sentinels.kill_sentinel(old);
        sentinels.add_sentinel().await;
        // The others tell of the new one when they are asked next.
        sleep(Duration::from_secs(6)).await;
    }
    assert_eq!(redis.metrics().outages, 0);
    // Not all that the Sentinels remember are there any more, so that three of six have to do: let them forget.
    for sentinel in 3..6 {
        sentinels.ask_sentinel(sentinel, &["SENTINEL", "RESET", "mymaster"]);
        sentinels.wait_until_known().await;
    }
    let old = sentinels.kill_master();
    fails_over(&sentinels, &redis, old, "with other Sentinels").await;
    assert_writes_to(&sentinels, &redis, 1).await;
}

#[tokio::test]
async fn one_sentinel_leads_to_the_others() {
    let mut sentinels = Sentinels::start().await;
    let only = format!("redis-sentinel://{}/?master=mymaster", sentinels.sentinel_address(2));
    let redis = manager_of(only, |_config| {});
    assert!(redis.set("k", 1).await);
    sleep(Duration::from_millis(500)).await;
    sentinels.stop_sentinel(2);
    let old = sentinels.kill_master();
    fails_over(&sentinels, &redis, old, "by Sentinels that others have told of").await;
    assert_writes_to(&sentinels, &redis, 1).await;
}

#[tokio::test]
async fn without_sentinels_a_master_that_is_well_goes_on() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    for sentinel in 0..3 {
        sentinels.kill_sentinel(sentinel);
    }
    for _ in 0..200 {
        assert!(redis.set("k", 1).await);
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(redis.metrics().outages, 0);
    sentinels.command(0, &["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("it is said that nobody can say where it is", || async {
        redis.set("k", 2).await;
        let reason = redis.health().reason.unwrap_or_default();
        reason.contains("no Sentinel answers")
    })
    .await;
}

#[tokio::test]
async fn a_sentinel_that_is_behind_the_times_is_not_believed() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    sentinels.stop_sentinel(0);
    let old = sentinels.failover().await;
    fails_over(&sentinels, &redis, old, "without one Sentinel").await;
    sentinels.wait_until_replica(old).await;
    let outages = redis.metrics().outages;
    sentinels.resume_sentinel(0);
    for _ in 0..300 {
        assert_writes_to(&sentinels, &redis, 1).await;
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(redis.metrics().outages, outages);
}
