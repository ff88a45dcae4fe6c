//! What was removed while Redis was away is not served when it is back, however it went away.

use redis_manager::RedisManager;

use super::{Readers, Source, Way};
use crate::support::{Proxy, RedisServer, eventually, is_back, is_refusing};

/// How Redis goes away, and comes back with what it had.
enum Outage {
    Stalled,
    Stopped,
    Killed,
}

/// One way to invalidate, tried with a value that changes from one to two.
struct Trial {
    way: Way,
    source: Source,
}

async fn nothing_that_was_removed_is_served(outage: Outage) {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let proxy = Proxy::before(&server).await;
    // The second one has lost its server as well, unless only the network of the first fails.
    let (redis, other) = (proxy.manager(), server.manager());
    let mut trials = Vec::new();
    for way in Way::ALL {
        let source = Source::of(1);
        source.is_stored(&way.cache(&redis), "k").await;
        assert_eq!(way.cache(&other).get::<u64>("k").await, Some(1));
        trials.push(Trial { way, source });
    }
    let untouched = Source::of(1);
    untouched.is_stored(&redis.cache("untouched"), "k").await;
    match outage {
        Outage::Stalled => proxy.stall(),
        Outage::Stopped => server.stop(),
        Outage::Killed => server.kill(),
    }
    is_refusing(&redis).await;
    let mut readers = Vec::new();
    for Trial { way, source } in &trials {
        let cache = way.cache(&redis);
        source.change(2);
        assert!(!way.invalidate(&cache, 2).await, "{way:?} is confirmed by nobody");
        assert_eq!(source.through(&cache, "k").await, 2, "{way:?} in the outage");
        readers.push(Readers::of(&cache, "k", source, 2));
    }
    match outage {
        Outage::Stalled => {
            proxy.cut();
            proxy.restore();
        }
        Outage::Stopped => server.resume(),
        Outage::Killed => server.restart(),
    }
    is_back(&redis).await;
    is_back(&other).await;
    for Trial { way, source } in &trials {
        // Of the first one's patterns the pages come after its first answers.
        if *way == Way::RemoveMatching {
            eventually("the pattern is removed", || async {
                way.cache(&other).get::<u64>("k").await != Some(1)
            })
            .await;
        }
        assert_eq!(source.through(&way.cache(&other), "k").await, 2, "{way:?} by another");
    }
    for readers in readers {
        readers.end().await;
    }
    assert_eq!(untouched.through(&redis.cache("untouched"), "k").await, 1);
    assert_eq!(untouched.loads(), 1, "what was not removed is still there");
    is_stored_again(&redis, &trials).await;
}

/// Afterwards the cache is what it was before.
async fn is_stored_again(redis: &RedisManager, trials: &[Trial]) {
    for Trial { way, source } in trials {
        let cache = way.cache(redis);
        eventually("it is stored again", || async {
            assert_eq!(source.through(&cache, "k").await, 2, "{way:?}");
            cache.get::<u64>("k").await == Some(2)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_08_nothing_removed_while_the_network_was_away_is_served_again() {
    nothing_that_was_removed_is_served(Outage::Stalled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_08_nothing_removed_while_the_server_hung_is_served_again() {
    nothing_that_was_removed_is_served(Outage::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_08_nothing_removed_while_the_server_was_dead_is_served_again() {
    nothing_that_was_removed_is_served(Outage::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_08_others_are_told_of_what_was_removed_even_if_its_manager_never_reads() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let (redis, other) = (proxy.manager(), server.manager());
    for way in Way::ALL {
        Source::of(1).is_stored(&way.cache(&redis), "k").await;
    }
    proxy.stall();
    is_refusing(&redis).await;
    for way in Way::ALL {
        way.invalidate(&way.cache(&redis), 2).await;
    }
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    for way in Way::ALL {
        eventually("another does not find it any more", || async {
            way.cache(&other).get::<u64>("k").await.is_none()
        })
        .await;
    }
}

#[cfg(feature = "near-cache")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_08_what_is_near_is_served_in_an_outage_and_what_was_removed_is_not() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = super::near_manager(proxy.url());
    let sources = Way::ALL.map(|way| (way, Source::of(1)));
    for (way, source) in &sources {
        source.is_stored(&way.cache(&redis), "k").await;
    }
    let untouched = redis.cache("untouched");
    let source = Source::of(1);
    source.is_stored(&untouched, "k").await;
    for (way, _) in &sources {
        super::is_near(&redis, &way.cache(&redis), "k").await;
    }
    super::is_near(&redis, &untouched, "k").await;
    proxy.stall();
    is_refusing(&redis).await;
    for (way, source) in &sources {
        let cache = way.cache(&redis);
        assert_eq!((source.through(&cache, "k").await, source.loads()), (1, 1), "{way:?}");
        source.change(2);
        way.invalidate(&cache, 2).await;
        for _ in 0..20 {
            assert_eq!(source.through(&cache, "k").await, 2, "{way:?}");
        }
    }
    assert_eq!((source.through(&untouched, "k").await, source.loads()), (1, 1));
    proxy.cut();
    proxy.restore();
    let reading = async {
        for _ in 0..50 {
            for (way, source) in &sources {
                assert_eq!(source.through(&way.cache(&redis), "k").await, 2, "{way:?}");
            }
        }
    };
    tokio::join!(is_back(&redis), reading);
    assert_eq!((source.through(&untouched, "k").await, source.loads()), (1, 1));
}
