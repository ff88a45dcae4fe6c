//! Behaviour 11: what was loaded before an invalidation goes to its caller, and is not stored.

use std::time::Duration;

use redis_manager::{Cache, CachePolicy, Load, RedisManager};
use tokio::task::JoinHandle;

use super::{Failure, Gate, HOUR, Runs, put_stale, settled};
use crate::{
    face::{Shared, embedded, patient},
    support::eventually,
};

/// What was at the key when the load began.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Before {
    Absent,
    Removed,
    Fresh,
    Stale,
}

/// What happens while it loads.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Remove,
    RemoveMatching,
    Put,
    Write,
    WriteOfNothingKept,
    Expire,
    InvalidateTag,
    InvalidateTagOfLoader,
    Clear,
}

const BEFORE: [Before; 4] = [Before::Absent, Before::Removed, Before::Fresh, Before::Stale];

const EVENTS: [Event; 9] = [
    Event::Remove,
    Event::RemoveMatching,
    Event::Put,
    Event::Write,
    Event::WriteOfNothingKept,
    Event::Expire,
    Event::InvalidateTag,
    Event::InvalidateTagOfLoader,
    Event::Clear,
];

const OLD: u64 = 1;
const NEW: u64 = 2;

impl Before {
    async fn prepare(self, cache: &Cache, key: &str) {
        match self {
            Self::Absent => {}
            Self::Removed => assert!(cache.remove(key).await),
            Self::Fresh => assert!(cache.put(key, &0_u64).await),
            Self::Stale => put_stale(cache, key, &0_u64).await,
        }
    }

    /// Begins a load that has read the old value already.
    async fn load(self, cache: &Cache, key: String, gate: &Gate) -> JoinHandle<u64> {
        let (cache, passing) = (cache.clone(), gate.clone());
        let loading = tokio::spawn(async move {
            if self == Self::Fresh {
                return cache.refresh(key, passing.bring(OLD)).await.unwrap();
            }
            let load = |_| async move {
                passing.pass().await;
                Ok::<_, Failure>(Load::new(OLD).tag("loaders"))
            };
            cache.get_or_load_with(key, load).await.unwrap().value.unwrap()
        });
        gate.is_reached().await;
        loading
    }
}

impl Event {
    async fn happen(self, cache: &Cache, key: &str) {
        let done = match self {
            Self::Remove => cache.remove(key).await,
            Self::RemoveMatching => cache.remove_matching(key).await.is_some(),
            Self::Put => cache.put(key, &NEW).await,
            Self::Write => cache.write(key, Runs::default().bring(NEW)).await == Ok(NEW),
            Self::WriteOfNothingKept => {
                let long = cache.write(key, Runs::default().bring("x".repeat(2_000))).await;
                long.is_ok()
            }
            Self::Expire => {
                cache.expire(key).await;
                true
            }
            Self::InvalidateTag => cache.invalidate_tag("own").await,
            Self::InvalidateTagOfLoader => cache.invalidate_tag("loaders").await,
            Self::Clear => cache.clear().await,
        };
        assert!(done, "{self:?}");
    }

    /// Whether the load may be stored all the same: it does not have the tag; or nothing at the server tells of it, as documented.
    fn is_harmless(self, before: Before, is_foreign: bool) -> bool {
        match self {
            Self::InvalidateTagOfLoader => before == Before::Fresh,
            Self::RemoveMatching => before == Before::Absent && is_foreign,
            _ => false,
        }
    }
}

fn cache_of(redis: &RedisManager, name: String, policy: &CachePolicy) -> Cache {
    redis.cache(name).with(policy.clone()).tagged(["own"])
}

/// Goes through all that can happen, each in a cache of its own.
async fn nothing_old_is_stored(loads: &RedisManager, happens: &RedisManager, policy: &CachePolicy) {
    let is_foreign = !std::ptr::eq(loads, happens);
    for before in BEFORE {
        for event in EVENTS
            .into_iter()
            .filter(|event| !event.is_harmless(before, is_foreign))
        {
            let name = format!("{before:?} {event:?}");
            let (cache, other) = (cache_of(loads, name.clone(), policy), cache_of(happens, name, policy));
            let (key, gate) = ("k", Gate::closed());
            before.prepare(&cache, key).await;
            let loading = before.load(&cache, key.to_owned(), &gate).await;
            event.happen(&other, key).await;
            let settled_before = settled(&cache);
            gate.open();
            let case = format!("{before:?}, {event:?}");
            assert_eq!(loading.await.unwrap(), OLD, "its caller's: {case}");
            eventually("it has come to its end", || async { settled(&cache) > settled_before }).await;
            let expected = matches!(event, Event::Put | Event::Write).then_some(NEW);
            for cache in [&cache, &other] {
                assert_eq!(cache.get::<u64>(key).await, expected, "{case}");
            }
            for cache in [&cache, &other] {
                let anew = cache.get_or_load(key, Runs::default().bring(NEW)).await;
                assert_eq!(anew.unwrap(), NEW, "{case}");
            }
        }
    }
}

fn usual() -> CachePolicy {
    CachePolicy::new().stale_for(HOUR).max_value_len(1_000)
}

fn leased() -> CachePolicy {
    usual().lease(Duration::from_secs(10))
}

#[tokio::test]
async fn behaviour_11_no_stale_set_in_memory() {
    let redis = embedded();
    nothing_old_is_stored(&redis, &redis, &usual()).await;
}

#[tokio::test]
async fn behaviour_11_no_stale_set_at_a_server() {
    let shared = Shared::join();
    nothing_old_is_stored(&shared.redis, &shared.redis, &usual()).await;
    shared.assert_undisturbed();
}

#[tokio::test]
async fn behaviour_11_no_stale_set_when_another_manager_invalidates() {
    let shared = Shared::join();
    let other = patient(&shared.server.url(), &shared.prefix);
    nothing_old_is_stored(&shared.redis, &other, &usual()).await;
}

#[tokio::test]
async fn behaviour_11_no_stale_set_under_a_lease_in_memory() {
    let redis = embedded();
    nothing_old_is_stored(&redis, &redis, &leased()).await;
}

#[tokio::test]
async fn behaviour_11_no_stale_set_under_a_lease_when_another_manager_invalidates() {
    let shared = Shared::join();
    let other = patient(&shared.server.url(), &shared.prefix);
    nothing_old_is_stored(&shared.redis, &other, &leased()).await;
}

on_both_backends! {
    behaviour_11_who_asks_after_a_removal_does_not_share_a_load_from_before_it,
    behaviour_11_a_refresh_does_not_share_a_load_from_before_it,
    behaviour_11_in_place_nothing_old_is_stored_either,
    behaviour_11_of_many_keys_only_what_was_removed_is_not_stored,
}

async fn behaviour_11_who_asks_after_a_removal_does_not_share_a_load_from_before_it(redis: &RedisManager) {
    for event in EVENTS {
        let cache = cache_of(redis, format!("late {event:?}"), &usual());
        let gate = Gate::closed();
        let loading = Before::Absent.load(&cache, "k".to_owned(), &gate).await;
        event.happen(&cache, "k").await;
        let late = cache.get_or_load("k", Runs::default().bring(NEW)).await;
        assert_eq!(late.unwrap(), NEW, "{event:?}");
        gate.open();
        assert_eq!(loading.await.unwrap(), OLD, "{event:?}");
        eventually("it is stored", || async { cache.get::<u64>("k").await == Some(NEW) }).await;
    }
}

async fn behaviour_11_a_refresh_does_not_share_a_load_from_before_it(redis: &RedisManager) {
    let (cache, gate) = (redis.cache("refresh"), Gate::closed());
    let loading = Before::Absent.load(&cache, "k".to_owned(), &gate).await;
    assert_eq!(cache.refresh("k", Runs::default().bring(NEW)).await.unwrap(), NEW);
    eventually("it is stored", || async { cache.get::<u64>("k").await == Some(NEW) }).await;
    let settled_before = settled(&cache);
    gate.open();
    assert_eq!(loading.await.unwrap(), OLD);
    eventually("it has come to its end", || async { settled(&cache) > settled_before }).await;
    assert_eq!(cache.get::<u64>("k").await, Some(NEW));
}

async fn behaviour_11_in_place_nothing_old_is_stored_either(redis: &RedisManager) {
    for event in EVENTS {
        if event == Event::InvalidateTagOfLoader {
            continue;
        }
        let cache = cache_of(redis, format!("in place {event:?}"), &usual());
        let gate = Gate::closed();
        let loading = cache.get_or_load_in_place("k", gate.bring(OLD));
        let happening = async {
            gate.is_reached().await;
            event.happen(&cache, "k").await;
            let settled_before = settled(&cache);
            gate.open();
            settled_before
        };
        let (loaded, settled_before) = tokio::join!(loading, happening);
        assert_eq!(loaded, Ok(OLD), "{event:?}");
        eventually("it has come to its end", || async { settled(&cache) > settled_before }).await;
        assert_ne!(cache.get::<u64>("k").await, Some(OLD), "{event:?}");
    }
}

async fn behaviour_11_of_many_keys_only_what_was_removed_is_not_stored(redis: &RedisManager) {
    let (cache, gate) = (redis.cache("many"), Gate::closed());
    let passing = gate.clone();
    let load = move |keys: Vec<&'static str>| async move {
        passing.pass().await;
        Ok::<_, Failure>(keys.into_iter().map(|key| (key, OLD)).collect::<Vec<_>>())
    };
    let loading = cache.get_or_load_many(["a", "b", "c"], load);
    let removing = async {
        gate.is_reached().await;
        assert!(cache.remove(["b", "unknown"]).await);
        gate.open();
    };
    let (values, ()) = tokio::join!(loading, removing);
    assert_eq!(values.unwrap(), [Some(OLD); 3]);
    eventually("it has come to its end", || async { settled(&cache) == 3 }).await;
    assert_eq!(
        cache.get_many::<u64, _>(["a", "b", "c"]).await,
        [Some(OLD), None, Some(OLD)]
    );
}

#[tokio::test]
async fn behaviour_11_under_a_lease_a_refresh_is_neither_anothers_load_nor_the_value_from_before() {
    let shared = Shared::join();
    let other = patient(&shared.server.url(), &shared.prefix);
    let (first, second) = (
        shared.redis.cache("refresh").with(leased()),
        other.cache("refresh").with(leased()),
    );
    assert!(first.put("k", &0_u64).await);
    let gate = Gate::closed();
    let slow = first.refresh("k", gate.bring(OLD));
    let quick = async {
        gate.is_reached().await;
        let quick = second.refresh("k", Runs::default().bring(NEW)).await;
        eventually("it is stored", || async { second.get::<u64>("k").await == Some(NEW) }).await;
        gate.open();
        quick
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!((slow.unwrap(), quick.unwrap()), (OLD, NEW));
    assert_eq!(first.get::<u64>("k").await, Some(NEW));
}
