//! What `FaultyCache` does on command.

use std::{sync::Arc, time::Duration};

use redis_manager::{
    CacheStore, CacheStoreExt, ErrorKind, MemoryCache, Value,
    testing::{CacheOperation, Fault, FaultyCache},
};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

fn faulty() -> Arc<FaultyCache<MemoryCache>> {
    Arc::new(FaultyCache::new(super::memory()))
}

async fn kind_of(cache: &impl CacheStore) -> Option<ErrorKind> {
    cache.get("k").await.err().map(|error| error.kind())
}

#[tokio::test]
async fn it_fails_with_every_kind_until_the_fault_ends() {
    let cache = faulty();
    for kind in [
        ErrorKind::Disabled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::OutOfMemory,
        ErrorKind::Server,
    ] {
        let fault = cache.faults().inject(Fault::fail(kind));
        assert_eq!(kind_of(&cache).await, Some(kind));
        assert_eq!(kind_of(&cache).await, Some(kind));
        assert_eq!(cache.ping().await.unwrap_err().kind(), kind);
        assert_eq!(fault.met(), 3);
        fault.end();
        assert_eq!(kind_of(&cache).await, None);
    }
}

#[tokio::test]
async fn an_injected_error_says_that_it_is_one_and_where() {
    let cache = faulty();
    let _fault = cache.faults().inject(Fault::fail(ErrorKind::Unavailable));
    let error = cache.set("k", "v".into(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "set: an injected fault");
    assert!(error.is_retryable(), "the store was not asked");
}

#[tokio::test]
async fn every_operation_fails_and_is_counted_as_itself() {
    use CacheOperation as Op;

    let cache = faulty();
    let faults = cache.faults();
    let _fault = faults.inject(Fault::fail(ErrorKind::Timeout));
    let pairs = [("k", Value::from(1))];
    assert!(cache.get("k").await.is_err());
    assert!(cache.set("k", 1.into(), None).await.is_err());
    assert!(cache.delete("k").await.is_err());
    assert!(cache.exists("k").await.is_err());
    assert!(cache.expire("k", MINUTE).await.is_err());
    assert!(cache.ttl("k").await.is_err());
    assert!(cache.increment("k", 1).await.is_err());
    assert!(cache.decrement("k", 1).await.is_err());
    assert!(cache.get_many(&["k"]).await.is_err());
    assert!(cache.set_many(&pairs, None).await.is_err());
    assert!(cache.delete_pattern("k").await.is_err());
    assert!(cache.flush().await.is_err());
    assert!(cache.ping().await.is_err());
    for operation in [
        Op::Get,
        Op::Set,
        Op::Delete,
        Op::Exists,
        Op::Expire,
        Op::Ttl,
        Op::Increment,
        Op::Decrement,
        Op::GetMany,
        Op::SetMany,
        Op::DeletePattern,
        Op::Flush,
        Op::Ping,
    ] {
        assert_eq!(faults.calls(operation), 1, "{operation:?}");
    }
    assert_eq!(faults.total_calls(), 13);
    assert!(!cache.store().exists("k").await.unwrap());
    assert_eq!(faults.total_calls(), 13, "the store within is asked uncounted");
}

#[tokio::test]
async fn it_fails_the_next_calls_and_the_nth_call() {
    let cache = faulty();
    let timeout = || Fault::fail(ErrorKind::Timeout);
    let twice = cache.faults().inject(timeout().times(2));
    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(cache.get("k").await.is_err());
    }
    assert_eq!((failed, twice.met()), (vec![true, true, false, false], 2));
    let third = cache.faults().inject(timeout().nth(3));
    let mut failed = Vec::new();
    for _ in 0..5 {
        failed.push(cache.get("k").await.is_err());
    }
    assert_eq!((failed, third.met()), (vec![false, false, true, false, false], 1));
    let never = cache.faults().inject(timeout().times(0));
    assert!(cache.get("k").await.is_ok());
    assert_eq!(never.met(), 0);
}

#[tokio::test]
async fn it_fails_some_operations_only() {
    let cache = faulty();
    let fail = || Fault::fail(ErrorKind::ReadOnly);
    {
        let _writes = cache.faults().inject(fail().on_writes());
        assert!(cache.get("k").await.is_ok());
        assert!(cache.set("k", "v".into(), None).await.is_err());
    }
    {
        let _reads = cache.faults().inject(fail().on_reads());
        assert!(cache.get("k").await.is_err());
        assert!(cache.set("k", "v".into(), None).await.is_ok());
    }
    let some = [CacheOperation::Ping, CacheOperation::Ttl];
    let _some = cache.faults().inject(fail().on(some).nth(2));
    assert!(cache.get("k").await.is_ok());
    assert!(cache.ping().await.is_ok());
    assert!(cache.get("k").await.is_ok());
    assert!(cache.ttl("k").await.is_err());
}

#[tokio::test]
async fn a_stalled_call_goes_on_when_the_fault_ends_or_is_dropped_or_reset() {
    let cache = faulty();
    let ends: [fn(&FaultyCache<MemoryCache>, redis_manager::testing::ActiveFault); 3] = [
        |_, stall| stall.end(),
        |_, stall| drop(stall),
        |cache, _stall| cache.faults().reset(),
    ];
    for end in ends {
        let stall = cache.faults().inject(Fault::stall());
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move { cache.increment("n", 1).await })
            })
            .collect();
        stall.until_met(3).await;
        super::settle().await;
        assert!(calls.iter().all(|call| !call.is_finished()));
        assert!(!cache.store().exists("n").await.unwrap(), "the store was not asked yet");
        end(&cache, stall);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(cache.store().increment("n", 0).await.unwrap(), 3);
        cache.store().delete("n").await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_stalled_was_never_made_unless_the_fault_is_late() {
    let cache = faulty();
    let write = |key: &'static str| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { cache.set(key, "v".into(), None).await })
    };
    let stall = cache.faults().inject(Fault::stall());
    let call = write("early");
    stall.until_met(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    stall.end();
    let stall = cache.faults().inject(Fault::stall().late());
    let call = write("late");
    stall.until_met(1).await;
    super::settle().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    stall.end();
    assert!(!cache.exists("early").await.unwrap());
    assert!(cache.exists("late").await.unwrap());
    assert_eq!(cache.faults().calls(CacheOperation::Set), 2, "both stay counted");
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_waited_for_on_the_clock_of_tokio() {
    let cache = faulty();
    let _fault = cache.faults().inject(Fault::delay(MINUTE).on_reads());
    let began = Instant::now();
    assert_eq!(cache.get("k").await.unwrap(), None);
    assert!(began.elapsed() >= MINUTE);
    let began = Instant::now();
    cache.set("k", "v".into(), None).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn faults_are_met_in_their_order_until_one_answers() {
    let cache = faulty();
    let delay = cache.faults().inject(Fault::delay(MINUTE));
    let failure = cache.faults().inject(Fault::fail(ErrorKind::Timeout));
    let never = cache.faults().inject(Fault::stall());
    let late = cache.faults().inject(Fault::delay(MINUTE).late());
    let began = Instant::now();
    assert_eq!(kind_of(&cache).await, Some(ErrorKind::Timeout));
    assert_eq!(began.elapsed(), MINUTE);
    assert_eq!((delay.met(), failure.met(), never.met(), late.met()), (1, 1, 0, 0));
}

#[tokio::test]
async fn a_late_failure_has_done_its_work() {
    let cache = faulty();
    let _fault = cache
        .faults()
        .inject(Fault::fail(ErrorKind::Unavailable).late().on_writes());
    let error = cache.increment("n", 5).await.unwrap_err();
    assert!(error.is_unavailable());
    assert!(!error.is_retryable(), "it ran");
    assert_eq!(cache.get_text("n").await.unwrap().as_deref(), Some("5"));
}

#[tokio::test]
async fn dropped_writes_are_answered_and_not_made() {
    let cache = faulty();
    cache.set("k", "v".into(), None).await.unwrap();
    cache.set("n", 5.into(), None).await.unwrap();
    let fault = cache.faults().inject(Fault::drop_writes());
    cache.set("new", "v".into(), None).await.unwrap();
    cache.set_json("new", &1, None).await.unwrap();
    cache.set_many(&[("new", 1.into())], Some(MINUTE)).await.unwrap();
    assert!(cache.delete("k").await.unwrap());
    assert!(!cache.delete("nobody").await.unwrap());
    assert!(cache.expire("k", MINUTE).await.unwrap());
    assert!(!cache.expire("nobody", MINUTE).await.unwrap());
    assert_eq!(cache.increment("n", 2).await.unwrap(), 7);
    assert_eq!(cache.decrement("n", 2).await.unwrap(), 3);
    assert_eq!(cache.increment("nobody", 2).await.unwrap(), 2);
    assert_eq!(cache.delete_pattern("*").await.unwrap(), 0);
    assert_eq!(cache.flush().await.unwrap(), 0);
    assert_eq!(fault.met(), 12);
    assert_eq!(cache.get_text("k").await.unwrap().as_deref(), Some("v"));
    assert_eq!(cache.ttl("k").await.unwrap(), None);
    assert_eq!(cache.get_text("n").await.unwrap().as_deref(), Some("5"));
    assert!(!cache.exists("new").await.unwrap());
    assert_eq!(fault.met(), 12, "reads pass");
}

#[tokio::test]
async fn a_reset_ends_all_faults_and_counts_anew() {
    let cache = faulty();
    let faults = cache.faults();
    let _one = faults.inject(Fault::fail(ErrorKind::Timeout));
    let _two = faults.clone().inject(Fault::drop_writes());
    assert!(cache.ping().await.is_err());
    faults.reset();
    assert_eq!(faults.total_calls(), 0);
    cache.set("k", "v".into(), None).await.unwrap();
    assert!(cache.exists("k").await.unwrap());
    assert_eq!(faults.total_calls(), 2);
}

#[tokio::test]
async fn waiting_for_a_fault_that_was_reset_ends() {
    let cache = faulty();
    let fault = cache.faults().inject(Fault::stall());
    let reset = async { cache.faults().reset() };
    tokio::join!(fault.until_met(1), reset);
    assert_eq!(fault.met(), 0);
}
