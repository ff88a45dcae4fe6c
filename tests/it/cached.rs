//! The attribute `#[cached]`: what it does, on what it can stand, and that a mistake does not compile.

mod signatures;

use std::{
    error::Error,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use redis_manager::{CachePolicy, RedisManager, cached};

on_both_backends! {
    the_body_runs_for_what_is_not_known_and_only_then,
    an_error_is_given_back_and_never_stored,
    nothing_found_is_stored_only_with_negative,
    nothing_found_without_error_is_stored_only_with_negative,
    different_arguments_never_meet,
    fields_of_arguments_stand_in_keys,
    a_key_without_placeholders_is_one_for_all,
    a_tag_removes_whatever_has_it,
    another_schema_is_another_value,
    times_may_be_constants_or_depend_on_arguments,
    a_policy_may_be_given,
    question_marks_and_returns_end_the_body_alone,
}

/// Counts how often bodies run.
#[derive(Default)]
struct Runs(AtomicU32);

impl Runs {
    fn one_more(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_mistake_in_an_option_or_a_function_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/cached/*.rs");
}

#[cached(cache = "it-plain", key = "{id}", ttl = "60s", jitter = 0.1, stale = "10m", manager = redis)]
async fn plain(redis: &RedisManager, runs: &Runs, id: u64) -> (u64, u32) {
    (id, runs.one_more())
}

async fn the_body_runs_for_what_is_not_known_and_only_then(redis: &RedisManager) {
    let runs = Runs::default();
    for _ in 0..3 {
        assert_eq!(plain(redis, &runs, 7).await, (7, 1));
    }
    assert_eq!(plain(redis, &runs, 8).await, (8, 2));
    assert_eq!(runs.count(), 2);
}

#[tokio::test]
async fn without_redis_the_body_simply_runs() {
    let (redis, runs) = (RedisManager::disabled("a test"), Runs::default());
    assert_eq!(plain(&redis, &runs, 7).await, (7, 1));
    assert_eq!(plain(&redis, &runs, 7).await, (7, 2));
}

#[cached(cache = "it-global", key = "{id}", ttl = "60s", tags = ["all"])]
async fn global(id: u64) -> u64 {
    id + 1
}

#[tokio::test]
async fn the_global_manager_is_asked_if_no_other_is_named() {
    // It may be anything here; only that it answers is shown.
    assert_eq!((global(1).await, global(1).await), (2, 2));
}

#[cached(cache = "it-errors", key = "{id}", ttl = "60s", manager = redis)]
async fn failing_first(redis: &RedisManager, runs: &Runs, id: u64) -> Result<u64, Box<dyn Error>> {
    if runs.one_more() < 3 {
        Err("not yet")?;
    }
    Ok(id)
}

async fn an_error_is_given_back_and_never_stored(redis: &RedisManager) {
    let runs = Runs::default();
    for _ in 0..2 {
        let error = failing_first(redis, &runs, 7).await.unwrap_err();
        assert_eq!(error.to_string(), "not yet");
    }
    for _ in 0..2 {
        assert_eq!(failing_first(redis, &runs, 7).await.unwrap(), 7);
    }
    assert_eq!(runs.count(), 3);
}

#[cached(cache = "it-nothing", key = "{id}", ttl = "60s", manager = redis)]
async fn nothing(redis: &RedisManager, runs: &Runs, id: u64) -> Result<Option<u64>, std::fmt::Error> {
    runs.one_more();
    Ok((id > 0).then_some(id))
}

#[cached(cache = "it-negative", key = "{id}", ttl = "60s", negative = "10s", manager = redis)]
async fn negative(redis: &RedisManager, runs: &Runs, id: u64) -> Result<Option<u64>, std::fmt::Error> {
    runs.one_more();
    Ok((id > 0).then_some(id))
}

async fn nothing_found_is_stored_only_with_negative(redis: &RedisManager) {
    let runs = Runs::default();
    for id in [0, 0, 1, 1] {
        assert_eq!(nothing(redis, &runs, id).await, Ok((id > 0).then_some(id)));
    }
    assert_eq!(runs.count(), 3);
    let runs = Runs::default();
    for id in [0, 0, 1, 1] {
        assert_eq!(negative(redis, &runs, id).await, Ok((id > 0).then_some(id)));
    }
    assert_eq!(runs.count(), 2);
}

#[cached(cache = "it-option", key = "{id}", ttl = "60s", manager = redis)]
async fn option(redis: &RedisManager, runs: &Runs, id: u64) -> Option<u64> {
    runs.one_more();
    (id > 0).then_some(id)
}

#[cached(cache = "it-negative-option", key = "{id}", ttl = "60s", negative = "10s", manager = redis)]
async fn negative_option(redis: &RedisManager, runs: &Runs, id: u64) -> Option<u64> {
    runs.one_more();
    (id > 0).then_some(id)
}

async fn nothing_found_without_error_is_stored_only_with_negative(redis: &RedisManager) {
    let runs = Runs::default();
    for id in [0, 0, 1, 1] {
        assert_eq!(option(redis, &runs, id).await, (id > 0).then_some(id));
    }
    assert_eq!(runs.count(), 3);
    let runs = Runs::default();
    for id in [0, 0, 1, 1] {
        assert_eq!(negative_option(redis, &runs, id).await, (id > 0).then_some(id));
    }
    assert_eq!(runs.count(), 2);
}

#[cached(cache = "it-texts", key = "text:{one}:{other}", ttl = "60s", manager = redis)]
async fn joined(redis: &RedisManager, one: &str, other: String) -> Vec<String> {
    vec![one.to_owned(), other]
}

async fn different_arguments_never_meet(redis: &RedisManager) {
    let texts = ["", "a", "a:b", "b", ":", "a:", "%3A", "{one}", "*", "a\r\nb", "ü🦀"];
    for _ in 0..2 {
        for one in texts {
            for other in texts {
                assert_eq!(joined(redis, one, other.to_owned()).await, [one, other]);
            }
        }
    }
}

struct Place {
    shop: (u8, String),
    r#type: char,
}

#[cached(cache = "it-fields", key = "{place.shop.0}:{place.shop.1}:{place.type}:{type}", ttl = "60s", manager = redis)]
async fn placed(redis: &RedisManager, place: &Place, r#type: bool) -> String {
    format!("{:?} {} {}", place.shop, place.r#type, r#type)
}

async fn fields_of_arguments_stand_in_keys(redis: &RedisManager) {
    for shop in [(1, "a".to_owned()), (2, "a".to_owned()), (1, "b".to_owned())] {
        for r#type in ['x', 'y'] {
            let place = Place {
                shop: shop.clone(),
                r#type,
            };
            assert_eq!(placed(redis, &place, true).await, format!("{shop:?} {type} true"));
        }
    }
}

#[cached(cache = "it-one", key = "all {{of}} them", ttl = "60s", manager = redis)]
async fn one_for_all(redis: &RedisManager, id: u64) -> u64 {
    id
}

async fn a_key_without_placeholders_is_one_for_all(redis: &RedisManager) {
    assert_eq!((one_for_all(redis, 1).await, one_for_all(redis, 2).await), (1, 1));
}

#[cached(cache = "it-tags", key = "{tenant}:{id}", ttl = "60s", tags = ["tenant:{tenant}", "all"], manager = redis)]
async fn tagged(redis: &RedisManager, runs: &Runs, tenant: &str, id: u64) -> u32 {
    let _ = (tenant, id);
    runs.one_more()
}

async fn a_tag_removes_whatever_has_it(redis: &RedisManager) {
    let (runs, cache) = (Runs::default(), redis.cache("it-tags"));
    assert_eq!(
        (tagged(redis, &runs, "a", 1).await, tagged(redis, &runs, "b:c", 1).await),
        (1, 2)
    );
    // Stored in the background: what is invalidated meanwhile is not.
    for key in ["a:1", "b%3Ac:1"] {
        while cache.get::<u32>(key).await.is_none() {
            tokio::task::yield_now().await;
        }
    }
    cache.invalidate_tag("tenant:b%3Ac").await;
    assert_eq!(
        (tagged(redis, &runs, "a", 1).await, tagged(redis, &runs, "b:c", 1).await),
        (1, 3)
    );
    cache.invalidate_tag("all").await;
    assert_eq!(
        (tagged(redis, &runs, "a", 1).await, tagged(redis, &runs, "b:c", 1).await),
        (4, 5)
    );
}

const VERSION: u32 = 2;

#[cached(cache = "it-schema", key = "one", ttl = "60s", schema = 1, manager = redis)]
async fn as_number(redis: &RedisManager) -> u64 {
    7
}

#[cached(cache = "it-schema", key = "one", ttl = "60s", schema = VERSION, manager = redis)]
async fn as_number_of_another_unit(redis: &RedisManager) -> u64 {
    7_000
}

async fn another_schema_is_another_value(redis: &RedisManager) {
    assert_eq!(as_number(redis).await, 7);
    assert_eq!(as_number_of_another_unit(redis).await, 7_000);
}

const MINUTE: Duration = Duration::from_secs(60);

#[cached(cache = "it-constant", key = "{id}", ttl = MINUTE, stale = MINUTE * 10, manager = redis)]
async fn for_a_constant_time(redis: &RedisManager, runs: &Runs, id: u64) -> u64 {
    runs.one_more();
    id
}

#[cached(cache = "it-asked", key = "{id}", ttl = ttl, manager = redis)]
async fn for_as_long_as_is_asked(redis: &RedisManager, runs: &Runs, id: u64, ttl: Duration) -> u64 {
    runs.one_more();
    id
}

async fn times_may_be_constants_or_depend_on_arguments(redis: &RedisManager) {
    let runs = Runs::default();
    for _ in 0..2 {
        assert_eq!(for_a_constant_time(redis, &runs, 1).await, 1);
    }
    assert_eq!(runs.count(), 1);
    for id in [1, 1, 2, 2] {
        assert_eq!(for_as_long_as_is_asked(redis, &runs, id, MINUTE).await, id);
    }
    assert_eq!(runs.count(), 3);
    let short = Duration::from_millis(1);
    for_as_long_as_is_asked(redis, &runs, 3, short).await;
    while runs.count() < 5 {
        for_as_long_as_is_asked(redis, &runs, 3, short).await;
    }
}

static POLICY: LazyLock<CachePolicy> = LazyLock::new(|| CachePolicy::new().ttl(MINUTE).negative_ttl(MINUTE));

#[cached(cache = "it-policy", key = "{id}", policy = POLICY.clone(), manager = redis)]
async fn by_policy(redis: &RedisManager, runs: &Runs, id: u64) -> Option<u64> {
    runs.one_more();
    (id > 0).then_some(id)
}

async fn a_policy_may_be_given(redis: &RedisManager) {
    let runs = Runs::default();
    for id in [0, 0, 1, 1] {
        assert_eq!(by_policy(redis, &runs, id).await, (id > 0).then_some(id));
    }
    assert_eq!(runs.count(), 2);
}

#[cached(cache = "it-body", key = "{text}", ttl = "60s", manager = redis)]
async fn read(redis: &RedisManager, text: &str) -> Result<i64, std::num::ParseIntError> {
    if text.is_empty() {
        return Ok(0);
    }
    let number = text.parse::<i64>()?;
    tokio::task::yield_now().await;
    Ok(number)
}

async fn question_marks_and_returns_end_the_body_alone(redis: &RedisManager) {
    for _ in 0..2 {
        assert_eq!(read(redis, "").await, Ok(0));
        assert_eq!(read(redis, "-7").await, Ok(-7));
        assert!(read(redis, "seven").await.is_err());
    }
}
