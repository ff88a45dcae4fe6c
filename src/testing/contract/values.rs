//! One key and its value.

use std::{collections::BTreeMap, ops::Deref, time::Duration};

use bytes::Bytes;

use super::{Verdict, Violation, equal, holds, refused};
use crate::{
    cache_store::{CacheStore, CacheStoreExt},
    error::ErrorKind,
    value::Value,
};

/// `get` of a key that is not there is `None`, no error.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_missing_key_is_none<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("get", &store.get("nobody").await?, &None)?;
    equal("get_text", &store.get_text("nobody").await?, &None)?;
    equal("get_json", &store.get_json::<u8>("nobody").await?, &None)?;
    equal("exists, after it was asked for", &store.exists("nobody").await?, &false)
}

/// What was set is what is got: nothing, text, zeros, what is not UTF-8, what protocols are made of, and a megabyte.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_value_is_any_bytes<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let values: [&[u8]; 7] = [
        b"",
        "Grüße".as_bytes(),
        b"\0",
        b"\xff\xfe",
        b"$-1\r\n*2\r\n+OK\r\n",
        b"message",
        &every_byte,
    ];
    for value in values {
        store.set("k", value.into(), None).await?;
        equal("get", &store.get("k").await?.as_deref(), &Some(value))?;
    }
    let long = vec![0xa5_u8; 100_000];
    store.set("k", long.clone().into(), None).await?;
    holds(
        "a long value comes back",
        store.get("k").await? == Some(Bytes::from(long)),
    )?;
    store.set("k", Value::from(-42), None).await?;
    equal("a number is text", &store.get_text("k").await?.as_deref(), &Some("-42"))
}

/// A key is any text: spaces, line breaks, colons, no matter which letters; keys that differ in case are two.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_key_is_any_text<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let keys = [
        "a:b:c",
        "A:b:c",
        "with space",
        "line\r\nbreak",
        "\0",
        "ключ",
        "*",
        "k\\",
        "../k",
        "%2e",
    ];
    for key in keys {
        store.set(key, key.into(), None).await?;
    }
    for key in keys {
        equal("get", &store.get_text(key).await?.as_deref(), &Some(key))?;
    }
    Ok(())
}

/// An empty key is refused with kind `InvalidArgument`, by every method that takes a key.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn an_empty_key_is_refused<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let minute = Duration::from_secs(60);
    refused("get of an empty key", store.get("").await)?;
    refused("set of an empty key", store.set("", "v".into(), None).await)?;
    refused("delete of an empty key", store.delete("").await)?;
    refused("exists of an empty key", store.exists("").await)?;
    refused("expire of an empty key", store.expire("", minute).await)?;
    refused("ttl of an empty key", store.ttl("").await)?;
    refused("increment of an empty key", store.increment("", 1).await)?;
    refused("decrement of an empty key", store.decrement("", 1).await)?;
    refused("get_many with an empty key", store.get_many(&["k", ""]).await)?;
    refused("get_json of an empty key", store.get_json::<u8>("").await)?;
    refused("set_json of an empty key", store.set_json("", &1, None).await)
}

/// The last value counts.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn overwriting_replaces_the_value<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    store.set("k", "a long first value".into(), None).await?;
    store.set("other", "o".into(), None).await?;
    store.set("k", "short".into(), None).await?;
    equal("get", &store.get("k").await?.as_deref(), &Some(&b"short"[..]))?;
    equal("another key", &store.get("other").await?.as_deref(), &Some(&b"o"[..]))
}

/// `delete` says whether there was a key; then there is none.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn delete_says_whether_there_was_a_key<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("delete of nothing", &store.delete("k").await?, &false)?;
    store.set("k", "v".into(), None).await?;
    store.set("l", "w".into(), None).await?;
    equal("delete", &store.delete("k").await?, &true)?;
    equal("get", &store.get("k").await?, &None)?;
    equal("delete again", &store.delete("k").await?, &false)?;
    equal("another key", &store.exists("l").await?, &true)
}

/// `exists` is true for every key that was set, even to nothing.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn exists_says_whether_there_is_a_key<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    equal("exists of nothing", &store.exists("k").await?, &false)?;
    store.set("k", "".into(), None).await?;
    equal("exists of an empty value", &store.exists("k").await?, &true)?;
    store.delete("k").await?;
    equal("exists of what was deleted", &store.exists("k").await?, &false)
}

/// What was set as JSON reads as what it was.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn json_comes_back_as_it_was<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    let value = BTreeMap::from([
        ("text".to_owned(), vec![Some("\"Grüße\"\n".to_owned()), None]),
        (String::new(), vec![]),
    ]);
    store.set_json("k", &value, Some(Duration::from_secs(60))).await?;
    equal("get_json", &store.get_json("k").await?, &Some(value))?;
    holds("it has its time to live", store.ttl("k").await?.is_some())?;
    store.set_json("k", &None::<u8>, None).await?;
    equal(
        "get_json of null",
        &store.get_json::<Option<u8>>("k").await?,
        &Some(None),
    )
}

/// What is no JSON, or JSON of another shape, is an error of kind `Decode`, which does not show the value.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn json_of_another_shape_is_an_error_without_its_content<P: Deref<Target: CacheStore>>(
    make: impl AsyncFn() -> P,
) -> Verdict {
    let store = make().await;
    for value in [r#""sesame""#, "sesame", r#"{"sesame": "#, ""] {
        store.set("k", value.into(), None).await?;
        let Err(error) = store.get_json::<Vec<u32>>("k").await else {
            return Err(Violation::new("a value of another shape was read"));
        };
        equal("the kind of the error", &error.kind(), &ErrorKind::Decode)?;
        holds(
            "the error does not show the value",
            !format!("{error} {error:?}").contains("sesame"),
        )?;
        equal("the value stays", &store.get_text("k").await?.as_deref(), &Some(value))?;
    }
    store.set("k", (&b"\xff"[..]).into(), None).await?;
    let kind = store.get_text("k").await.err().map(|error| error.kind());
    equal("the kind of get_text's error", &kind, &Some(ErrorKind::Decode))
}

/// `ping` succeeds.
///
/// # Errors
///
/// - The store behaves otherwise.
pub async fn a_store_answers_a_ping<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Verdict {
    let store = make().await;
    Ok(store.ping().await?)
}
