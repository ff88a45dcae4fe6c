//! Reply shapes that fred would misread never reach it.
//!
//! fred takes any reply array of three or four elements whose first is `message`, `subscribe` or the like for a pub/sub
//! message: it swallows the frame, and from then on every reply on that connection goes to the wrong caller. So no
//! array's first element may be bytes that a user can write. The guard asks for one more key, or field, in front, that does not
//! exist, and drops its reply; or lets a script put a list around the list. Maps, sets and nested lists are safe in RESP3.

use bytes::{BufMut, Bytes, BytesMut};
use once_cell::sync::Lazy;

use super::token::token;

/// Sixteen digits that nobody outside this process knows, so that nobody can create the absent key.
static NONCE: Lazy<String> = Lazy::new(token);

/// Puts a key, or a field, that does not exist in front of the one in that place.
///
/// Its name begins with that one's, so that access rules and prefixes which admit that one admit it too.
pub(super) fn with_absent(mut words: Vec<Bytes>, place: usize) -> Vec<Bytes> {
    let first = words.get(place).map_or(&[][..], |word| &word[..]);
    let mut absent = BytesMut::with_capacity(first.len() + 24);
    absent.put_slice(first);
    absent.put_slice(b"\0absent:");
    absent.put_slice(NONCE.as_bytes());
    words.insert(place.min(words.len()), absent.freeze());
    words
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
        let keys = with_absent(vec!["app:a".into(), "app:b".into()], 0);
        assert_eq!(keys.len(), 3);
        assert!(keys[0].starts_with(b"app:a\0absent:"));
        assert_eq!(keys[0].len(), "app:a\0absent:".len() + 16);
        assert_eq!(unguarded(keys), ["app:a", "app:b"]);
    }
}
