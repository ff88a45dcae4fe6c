//! Deleting what matches, and all.

use std::ops::Deref;

use super::{Verdict, equal, refused};
use crate::{cache_store::CacheStore, error::Result, value::Value};

async fn fill<S: CacheStore + ?Sized>(store: &S, keys: &[&str]) -> Result<()> {
    let pairs: Vec<(&str, Value)> = keys.iter().map(|key| (*key, "v".into())).collect();
    store.set_many(&pairs, None).await
}

/// Returns those of the keys that there are.
async fn left<'a, S: CacheStore + ?Sized>(store: &S, keys: &[&'a str]) -> Result<Vec<&'a str>> {
    let values = store.get_many(keys).await?;
    let keys = keys.iter().zip(values).filter(|(_, value)| value.is_some());
    Ok(keys.map(|(key, _)| *key).collect())
}

/// `delete_pattern` understands `*`, `?` and `[…]`, answers how many keys it deleted, and leaves the others.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_pattern_deletes_what_it_matches_and_nothing_else<P: Deref<Target: CacheStore>>(
    make: impl AsyncFn() -> P,
) -> Verdict {
    let store = make().await;
    let keys = ["user:1", "user:2", "user:30", "User:1", "a user:1", "user", "user:"];
    let cases: [(&str, &[&str]); 6] = [
        ("user:*", &["User:1", "a user:1", "user"]),
        ("user:?", &["user:30", "User:1", "a user:1", "user", "user:"]),
        ("user:[13-9]*", &["user:2", "User:1", "a user:1", "user", "user:"]),
        ("[^u]*", &["user:1", "user:2", "user:30", "user", "user:"]),
        ("user", &["user:1", "user:2", "user:30", "User:1", "a user:1", "user:"]),
        ("*", &[]),
    ];
    for (pattern, spared) in cases {
        fill(&*store, &keys).await?;
        let deleted = store.delete_pattern(pattern).await?;
        let what = format!("what {pattern} leaves");
        equal(&what, &left(&*store, &keys).await?, &spared)?;
        let what = format!("how many {pattern} deletes");
        equal(
            &what,
            &usize::try_from(deleted).unwrap_or(usize::MAX),
            &(keys.len() - spared.len()),
        )?;
    }
    let many: Vec<String> = (0..1_500).map(|number| format!("many:{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    fill(&*store, &many).await?;
    equal("delete_pattern of many", &store.delete_pattern("many:*").await?, &1_500)
}

/// Then it answers 0.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_pattern_that_matches_nothing_deletes_nothing<P: Deref<Target: CacheStore>>(
    make: impl AsyncFn() -> P,
) -> Verdict {
    let store = make().await;
    equal(
        "delete_pattern in an empty store",
        &store.delete_pattern("*").await?,
        &0,
    )?;
    fill(&*store, &["k"]).await?;
    equal("delete_pattern", &store.delete_pattern("x*").await?, &0)?;
    equal("exists", &store.exists("k").await?, &true)
}

/// A character after `\` stands for itself.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn special_characters_can_be_escaped<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let keys = ["a*", "ab", "a?", "a[b]", "a\\"];
    for (pattern, deleted) in [("a\\*", "a*"), ("a\\?", "a?"), ("a\\[b\\]", "a[b]"), ("a\\\\", "a\\")] {
        fill(&*store, &keys).await?;
        equal(pattern, &store.delete_pattern(pattern).await?, &1)?;
        let spared: Vec<_> = keys.into_iter().filter(|key| *key != deleted).collect();
        equal(pattern, &left(&*store, &keys).await?, &spared)?;
    }
    Ok(())
}

/// An empty pattern is refused with kind `InvalidArgument`.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn an_empty_pattern_is_refused<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    fill(&*store, &["k"]).await?;
    refused("an empty pattern", store.delete_pattern("").await)?;
    equal("exists", &store.exists("k").await?, &true)
}

/// `flush` deletes every key of this store and answers how many; another store of the same making keeps its own.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn flush_empties_this_store_and_no_other<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let (store, other) = (make().await, make().await);
    let keys = ["a", "b", "*", "c:d"];
    fill(&*store, &keys).await?;
    equal("what the other store has of it", &left(&*other, &keys).await?, &[""; 0])?;
    fill(&*other, &keys[..2]).await?;
    equal("flush", &store.flush().await?, &4)?;
    equal("what is left", &left(&*store, &keys).await?, &[""; 0])?;
    equal("what the other store has", &left(&*other, &keys).await?, &keys[..2])?;
    equal("flush of an empty store", &store.flush().await?, &0)
}
