//! Several keys at once.

use std::{ops::Deref, time::Duration};

use super::{Verdict, equal, holds, refused};
use crate::{cache_store::CacheStore, value::Value};

/// `get_many` answers as many values as keys, in their order, `None` for what is missing; a key that is named twice comes twice.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn values_come_in_the_order_of_their_keys<P: Deref<Target: CacheStore>>(
    make: impl AsyncFn() -> P,
) -> Verdict {
    let store = make().await;
    store.set("a", "1".into(), None).await?;
    store.set("b", "".into(), None).await?;
    let keys = ["nobody", "b", "a", "nobody", "a", "b"];
    let found = store.get_many(&keys).await?;
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    let (a, b) = (Some(&b"1"[..]), Some(&b""[..]));
    equal("get_many", &found, &[None, b, a, None, a, b])?;
    for count in 1..=5 {
        let found = store.get_many(&keys[..count]).await?;
        equal("how many get_many answers", &found.len(), &count)?;
    }
    let many: Vec<String> = (0..1_000).map(|number| format!("key {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let pairs: Vec<(&str, Value)> = many.iter().map(|key| (*key, (*key).into())).collect();
    store.set_many(&pairs, None).await?;
    let found = store.get_many(&many).await?;
    let is_in_order = found
        .iter()
        .map(Option::as_deref)
        .eq(many.iter().map(|key| Some(key.as_bytes())));
    holds("a thousand values come in their order", is_in_order)
}

/// No keys and no pairs are answered, not refused.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn empty_lists_are_nothing_to_do<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("get_many", &store.get_many(&[]).await?.len(), &0)?;
    store.set_many(&[], None).await?;
    Ok(store.set_many(&[], Some(Duration::from_secs(60))).await?)
}

/// `set_many` gives all keys the same time to live.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn many_values_are_set_with_one_ttl<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let ttl = Duration::from_secs(60);
    store.set_many(&[("a", 1.into()), ("b", "x".into())], Some(ttl)).await?;
    equal("a", &store.get("a").await?.as_deref(), &Some(&b"1"[..]))?;
    equal("b", &store.get("b").await?.as_deref(), &Some(&b"x"[..]))?;
    for key in ["a", "b"] {
        let left = store.ttl(key).await?;
        holds("each has the ttl", left.is_some() && left <= Some(ttl))?;
    }
    Ok(())
}

/// `set_many` without a time to live is for ever, whatever was there.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn set_many_takes_the_ttl_off<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("a", "old".into(), Some(Duration::from_secs(60))).await?;
    store
        .set_many(&[("a", "new".into()), ("b", "new".into())], None)
        .await?;
    equal("get", &store.get("a").await?.as_deref(), &Some(&b"new"[..]))?;
    equal("ttl", &store.ttl("a").await?, &None)
}

/// If one pair cannot be set, none is.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn set_many_sets_all_or_none<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("b", "old".into(), None).await?;
    for ttl in [None, Some(Duration::from_secs(60))] {
        let pairs = [("a", "new".into()), ("b", "new".into()), ("", "new".into())];
        refused("set_many with an empty key", store.set_many(&pairs, ttl).await)?;
        equal("exists of the first", &store.exists("a").await?, &false)?;
        equal("the second", &store.get("b").await?.as_deref(), &Some(&b"old"[..]))?;
    }
    Ok(())
}
