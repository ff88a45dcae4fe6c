//! The honest face, group by group, on both backends.

mod hashes;
mod keys;
mod sorted_sets;
mod strings;

use redis_manager::{Error, ErrorKind, RedisManager};

/// What a client may take for a pub/sub message if a list begins with it, and what is no text.
const HOSTILE: [&[u8]; 5] = [b"message", b"subscribe", b"pmessage", b"", b"\xff"];

/// Lists of exactly three and four elements that begin with a hostile word.
fn hostile_lists() -> impl Iterator<Item = Vec<&'static [u8]>> {
    let rest: [&[u8]; 3] = [b"z", b"zz", b"zzz"];
    let list = move |first, len: usize| [&[first], &rest[..len - 1]].concat();
    HOSTILE
        .into_iter()
        .flat_map(move |first| [list(first, 3), list(first, 4)])
}

/// The connection still answers each caller with what it asked for.
async fn assert_in_step(redis: &RedisManager) {
    for value in ["one", "two", "three"] {
        assert!(redis.set("in step", value).await);
        let found: Option<String> = redis.service().string().get("in step").await.unwrap();
        assert_eq!(found.as_deref(), Some(value));
    }
}

/// The error is of this kind, and names operation and key, the latter by its hash only.
fn assert_told(error: &Error, kind: ErrorKind, operation: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{operation} on key #")), "{text}");
    assert!(!text.contains("the-key") && !text.contains("sesame"), "{text}");
}

/// The call is wrong in itself.
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Error>, why: &str) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidArgument, why));
}
