//! How long a key lives.

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use super::{Verdict, equal, gone, holds, refused};
use crate::cache_store::CacheStore;

const MINUTE: Duration = Duration::from_secs(60);

/// `ttl` is `None` for both.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_missing_key_and_one_that_does_not_expire_have_no_ttl<P: Deref<Target: CacheStore>>(
    make: impl AsyncFn() -> P,
) -> Verdict {
    let store = make().await;
    equal("ttl of nothing", &store.ttl("k").await?, &None)?;
    store.set("k", "v".into(), None).await?;
    equal("ttl of what does not expire", &store.ttl("k").await?, &None)
}

/// `ttl` says what is left, which is never more than was given.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_ttl_counts_down<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let began = Instant::now();
    store.set("k", "v".into(), Some(MINUTE)).await?;
    let first = store.ttl("k").await?.unwrap_or_default();
    let least = MINUTE.saturating_sub(began.elapsed() + Duration::from_secs(1));
    holds("ttl is not more than was given", first <= MINUTE)?;
    holds("ttl is not less than is left", first >= least)?;
    loop {
        let left = store.ttl("k").await?.unwrap_or_default();
        holds("ttl only falls", left <= first)?;
        if left < first {
            return Ok(());
        }
        holds("ttl falls", began.elapsed() < Duration::from_secs(30))?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A time to live of less than a second is one: not none, not zero, not a second.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_short_ttl_ends_after_its_time<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let ttl = Duration::from_millis(120);
    let began = Instant::now();
    store.set("k", "v".into(), Some(ttl)).await?;
    holds("ttl is not more than was given", store.ttl("k").await? <= Some(ttl))?;
    // Stores count by the millisecond, and some by a clock that they read now and then.
    holds("it lives for its time", gone(&*store, "k", began).await? >= ttl / 2)?;
    equal("get", &store.get("k").await?, &None)?;
    equal("get_many", &store.get_many(&["k"]).await?, &[None])?;
    equal("ttl", &store.ttl("k").await?, &None)?;
    equal("delete", &store.delete("k").await?, &false)?;
    equal("expire", &store.expire("k", MINUTE).await?, &false)?;
    equal("increment", &store.increment("k", 1).await?, &1)
}

/// `set` without a time to live is for ever, whatever was there.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn overwriting_takes_the_ttl_off<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("k", "v".into(), Some(MINUTE)).await?;
    store.set("k", "w".into(), None).await?;
    equal("ttl", &store.ttl("k").await?, &None)
}

/// `set` with a time to live counts from then on, whatever was there.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn overwriting_with_a_ttl_sets_it_anew<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("k", "v".into(), Some(MINUTE)).await?;
    store.set("k", "w".into(), Some(MINUTE * 60)).await?;
    holds("ttl is the new one", store.ttl("k").await? > Some(MINUTE * 2))?;
    store.set("k", "x".into(), None).await?;
    store.set("k", "y".into(), Some(MINUTE)).await?;
    let left = store.ttl("k").await?;
    holds("ttl where there was none", left.is_some() && left <= Some(MINUTE))
}

/// `expire` gives a key a time to live, a longer or a shorter one, and leaves its value alone.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn expire_changes_the_ttl<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("k", "v".into(), None).await?;
    equal("expire", &store.expire("k", MINUTE).await?, &true)?;
    let left = store.ttl("k").await?;
    holds("it has a ttl", left.is_some() && left <= Some(MINUTE))?;
    equal("expire, longer", &store.expire("k", MINUTE * 60).await?, &true)?;
    holds("the ttl is longer", store.ttl("k").await? > Some(MINUTE * 2))?;
    equal("get", &store.get("k").await?.as_deref(), &Some(&b"v"[..]))?;
    let began = Instant::now();
    equal(
        "expire, shorter",
        &store.expire("k", Duration::from_millis(5)).await?,
        &true,
    )?;
    gone(&*store, "k", began).await?;
    Ok(())
}

/// `expire` of a missing key is `false`, and makes none.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn expire_of_a_missing_key_is_false<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("expire", &store.expire("k", MINUTE).await?, &false)?;
    equal("exists", &store.exists("k").await?, &false)
}

/// A time to live of zero is refused with kind `InvalidArgument`, and changes nothing.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_ttl_of_zero_is_refused<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let zero = Duration::ZERO;
    store.set("k", "v".into(), None).await?;
    refused("set with a ttl of zero", store.set("k", "w".into(), Some(zero)).await)?;
    let pairs = [("k", "w".into())];
    refused("set_many with a ttl of zero", store.set_many(&pairs, Some(zero)).await)?;
    refused("expire after zero", store.expire("k", zero).await)?;
    equal("get", &store.get("k").await?.as_deref(), &Some(&b"v"[..]))?;
    equal("ttl", &store.ttl("k").await?, &None)
}
