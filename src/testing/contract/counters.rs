//! Numbers that are counted up and down.

use std::{
    future::{Future, poll_fn},
    ops::Deref,
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::{Verdict, equal, holds};
use crate::cache_store::{CacheStore, CacheStoreExt};

/// A missing key counts as 0.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_counter_begins_at_zero<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("increment of nothing", &store.increment("up", 5).await?, &5)?;
    equal("decrement of nothing", &store.decrement("down", 5).await?, &-5)?;
    equal("increment of nothing by 0", &store.increment("zero", 0).await?, &0)?;
    equal("ttl of a counter", &store.ttl("up").await?, &None)
}

/// `increment` and `decrement` answer the sum.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_counter_goes_up_and_down<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("increment", &store.increment("k", 1).await?, &1)?;
    equal("increment by 10", &store.increment("k", 10).await?, &11)?;
    equal("increment by -1", &store.increment("k", -1).await?, &10)?;
    equal("decrement", &store.decrement("k", 3).await?, &7)?;
    equal("decrement by -3", &store.decrement("k", -3).await?, &10)
}

/// A number that was stored can be counted, and a counter can be read as a number.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_counter_can_be_stored_and_read<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("k", 41.into(), None).await?;
    equal("increment", &store.increment("k", 1).await?, &42)?;
    equal("get_text", &store.get_text("k").await?.as_deref(), &Some("42"))?;
    store.set_json("k", &-1, None).await?;
    equal("increment of JSON", &store.increment("k", 1).await?, &0)?;
    equal("get_json", &store.get_json("k").await?, &Some(0))
}

/// Counting leaves the time to live alone.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_counter_keeps_its_time_to_live<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let minute = Duration::from_secs(60);
    store.set("k", 1.into(), Some(minute)).await?;
    store.increment("k", 1).await?;
    store.decrement("k", 1).await?;
    let left = store.ttl("k").await?;
    holds("it still has its ttl", left.is_some() && left <= Some(minute))
}

/// What is no whole number is an error, and stays what it was.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn text_cannot_be_counted<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    for text in ["sesame", "1.5", "", " 1", "99999999999999999999"] {
        store.set("k", text.into(), None).await?;
        holds("increment of text fails", store.increment("k", 1).await.is_err())?;
        holds("decrement of text fails", store.decrement("k", 1).await.is_err())?;
        equal("the text", &store.get_text("k").await?.as_deref(), &Some(text))?;
    }
    Ok(())
}

/// A sum that no `i64` holds is an error, and the number stays what it was.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_counter_never_wraps_around<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("high", i64::MAX.into(), None).await?;
    store.set("low", i64::MIN.into(), None).await?;
    holds(
        "increment beyond the highest fails",
        store.increment("high", 1).await.is_err(),
    )?;
    holds(
        "decrement beyond the lowest fails",
        store.decrement("low", 1).await.is_err(),
    )?;
    holds(
        "a step that cannot be turned round fails",
        store.decrement("high", i64::MIN).await.is_err(),
    )?;
    equal("the highest", &store.increment("high", 0).await?, &i64::MAX)?;
    equal("the lowest", &store.increment("low", 0).await?, &i64::MIN)
}

/// Increments at the same time are all counted, and each answers another sum.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn concurrent_increments_are_all_counted<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let mut calls: Vec<_> = (0..100).map(|_| Some(store.increment("k", 1))).collect();
    let mut sums = Vec::new();
    let all = poll_fn(|context| {
        for slot in &mut calls {
            if let Some(call) = slot
                && let Poll::Ready(sum) = pin!(call).as_mut().poll(context)
            {
                *slot = None;
                sums.push(sum);
            }
        }
        let is_done = calls.iter().all(Option::is_none);
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    });
    all.await;
    let mut sums = sums.into_iter().collect::<Result<Vec<i64>, _>>()?;
    sums.sort_unstable();
    equal("the sums", &sums, &(1..=100).collect::<Vec<i64>>())
}
