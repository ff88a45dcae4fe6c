//! Reply shapes that fred would misread never reach it.
//!
//! fred takes any reply array of three to five elements whose first is `message`, `subscribe` or the like for a pub/sub
//! message: it swallows the frame, and from then on every reply on that connection goes to the wrong caller. So no
//! array's first element may be bytes that a user can write. The guard asks for one more key, in front, that does not
//! exist, and drops its reply.

use std::hash::{BuildHasher, RandomState};

use bytes::{BufMut, Bytes, BytesMut};
use once_cell::sync::Lazy;

/// Sixteen digits that nobody outside this process knows, so that nobody can create the absent key.
static NONCE: Lazy<String> = Lazy::new(|| format!("{:016x}", RandomState::new().hash_one("absent")));

/// Puts a key that does not exist before the others.
///
/// Its name begins with the first key's, so that access rules and prefixes which admit that one admit it too.
pub(super) fn guarded_keys(keys: Vec<Bytes>) -> Vec<Bytes> {
    let first = keys.first().map_or(&[][..], |key| &key[..]);
    let mut absent = BytesMut::with_capacity(first.len() + 24);
    absent.put_slice(first);
    absent.put_slice(b"\0absent:");
    absent.put_slice(NONCE.as_bytes());
    [absent.freeze()].into_iter().chain(keys).collect()
}

/// Drops the reply of the key that does not exist.
pub(super) fn unguarded<T>(mut replies: Vec<T>) -> Vec<T> {
    if !replies.is_empty() {
        replies.remove(0);
    }
    replies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_absent_key_comes_first_and_cannot_be_guessed() {
        let keys = guarded_keys(vec!["app:a".into(), "app:b".into()]);
        assert_eq!(keys.len(), 3);
        assert!(keys[0].starts_with(b"app:a\0absent:"));
        assert_eq!(keys[0].len(), "app:a\0absent:".len() + 16);
        assert_eq!(unguarded(keys), ["app:a", "app:b"]);
    }
}
