//! Keys, and the prefix that stands before each of them.

use std::{fmt, hash::BuildHasher};

use bytes::Bytes;
use foldhash::quality::FixedState;
use smallvec::SmallVec;

use crate::error::{Error, Result};

/// A key: any bytes but none. Text converts into it; so do bytes.
///
/// # Examples
///
/// ```
/// use redis_manager::Key;
///
/// let id = 7;
/// assert_eq!(Key::from(format!("user:{id}")), Key::from("user:7"));
/// ```
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(SmallVec<[u8; INLINE]>);

/// One key or any list of keys.
///
/// # Examples
///
/// ```
/// use redis_manager::IntoKeys;
///
/// assert_eq!("a".count(), 1);
/// assert_eq!(["a", "b"].into_keys(), vec!["a".to_owned(), "b".to_owned()].into_keys());
/// ```
pub trait IntoKeys {
    /// Returns how many there are.
    fn count(&self) -> usize;

    /// Returns the keys in their order.
    fn into_keys(self) -> Vec<Key>;
}

/// What the configuration puts before every key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix(Bytes);

/// Keys up to this length need no memory of their own, as the near cache is asked with them as they are.
const INLINE: usize = 32;

/// Redis refuses longer ones.
const MAX_LEN: usize = 512 * 1024 * 1024;

/// Returns a short hash that stands for a key in logs, spans and errors.
///
/// It is foldhash with a fixed seed, cut to 32 bits: equal keys have equal hashes in every process built alike. Every call computes it, so it has to be
/// fast; whoever finds keys with equal hashes gains nothing.
pub(crate) fn key_hash(key: &[u8]) -> u32 {
    let wide = FixedState::default().hash_one(key);
    u32::try_from(wide >> 32).unwrap_or_default()
}

impl Prefix {
    pub(crate) fn new(prefix: &str) -> Self {
        Self(Bytes::copy_from_slice(prefix.as_bytes()))
    }

    /// Returns the key as the server knows it.
    ///
    /// # Errors
    ///
    /// - The key is empty or longer than Redis permits (512 MiB).
    pub(crate) fn key(&self, key: Key) -> Result<Bytes> {
        self.check(&key)?;
        if self.0.is_empty() {
            return Ok(if key.0.spilled() {
                key.0.into_vec().into()
            } else {
                Bytes::copy_from_slice(&key.0)
            });
        }
        Ok([&self.0[..], &key.0[..]].concat().into())
    }

    /// Writes the key as the server knows it behind others.
    ///
    /// # Errors
    ///
    /// - As [`key`](Self::key).
    pub(crate) fn write(&self, key: &Key, keys: &mut Vec<u8>) -> Result<()> {
        self.check(key)?;
        keys.extend_from_slice(&self.0);
        keys.extend_from_slice(&key.0);
        Ok(())
    }

    fn check(&self, key: &Key) -> Result<()> {
        if key.0.is_empty() {
            return Err(Error::invalid("an empty key"));
        }
        if self.0.len() + key.0.len() > MAX_LEN {
            return Err(Error::invalid("a key of more than 512 MiB"));
        }
        Ok(())
    }

    /// Returns the pattern that matches the same keys as the server knows them.
    pub(crate) fn pattern(&self, pattern: &[u8]) -> Bytes {
        let mut whole = Vec::with_capacity(self.0.len() + pattern.len());
        for byte in &self.0 {
            if b"*?[]^\\".contains(byte) {
                whole.push(b'\\');
            }
            whole.push(*byte);
        }
        whole.extend_from_slice(pattern);
        whole.into()
    }

    /// Returns a key of the server as the user knows it.
    pub(crate) fn taken_off(&self, key: &[u8]) -> Key {
        key.strip_prefix(&self.0[..]).unwrap_or(key).into()
    }

    /// Returns a pattern of the server as the user knows it.
    pub(crate) fn pattern_taken_off(&self, pattern: &[u8]) -> Key {
        let prefix = self.pattern(b"");
        pattern.strip_prefix(&prefix[..]).unwrap_or(pattern).into()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn keys(&self, keys: Vec<Key>) -> Result<Vec<Bytes>> {
        keys.into_iter().map(|key| self.key(key)).collect()
    }
}

impl Key {
    /// Makes a key of several parts, one behind the other.
    pub(crate) fn of_parts<const N: usize>(parts: [&[u8]; N]) -> Self {
        let len = parts.iter().map(|part| part.len()).sum();
        if len > INLINE {
            return Self(SmallVec::from_vec(parts.concat()));
        }
        let mut whole = [0; INLINE];
        let mut rest = &mut whole[..];
        for part in parts {
            let (begin, end) = rest.split_at_mut(part.len());
            begin.copy_from_slice(part);
            rest = end;
        }
        Self(SmallVec::from_buf_and_len(whole, len))
    }

    /// Returns the bytes, without the configured prefix.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text, `None` if it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// At once: a clone of what is inside would be made byte by byte.
impl Clone for Key {
    fn clone(&self) -> Self {
        self.as_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(b\"{}\")", self.0.escape_ascii())
    }
}

/// What is not UTF-8 is shown as `\u{FFFD}`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        key.as_bytes().into()
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        key.into_bytes().into()
    }
}

impl From<&String> for Key {
    fn from(key: &String) -> Self {
        key.as_str().into()
    }
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Self {
        Self(SmallVec::from_slice(key))
    }
}

impl From<Vec<u8>> for Key {
    fn from(key: Vec<u8>) -> Self {
        Self(SmallVec::from_vec(key))
    }
}

impl From<Bytes> for Key {
    fn from(key: Bytes) -> Self {
        key[..].into()
    }
}

impl From<&Self> for Key {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

macro_rules! one_key {
    ($($single:ty),*) => {$(
        impl IntoKeys for $single {
            fn count(&self) -> usize {
                1
            }

            fn into_keys(self) -> Vec<Key> {
                vec![self.into()]
            }
        }
    )*};
}

one_key!(&str, String, &String, Bytes, Key, &Key);

impl<K: Into<Key>> IntoKeys for Vec<K> {
    fn count(&self) -> usize {
        self.len()
    }

    fn into_keys(self) -> Vec<Key> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<K: Into<Key>, const N: usize> IntoKeys for [K; N] {
    fn count(&self) -> usize {
        N
    }

    fn into_keys(self) -> Vec<Key> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<K: Into<Key> + Clone> IntoKeys for &[K] {
    fn count(&self) -> usize {
        self.len()
    }

    fn into_keys(self) -> Vec<Key> {
        self.iter().cloned().map(Into::into).collect()
    }
}

impl<K: Into<Key> + Clone> IntoKeys for &Vec<K> {
    fn count(&self) -> usize {
        self.len()
    }

    fn into_keys(self) -> Vec<Key> {
        self.as_slice().into_keys()
    }
}

impl<K: Into<Key> + Clone, const N: usize> IntoKeys for &[K; N] {
    fn count(&self) -> usize {
        N
    }

    fn into_keys(self) -> Vec<Key> {
        self.as_slice().into_keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_stands_before_every_key() {
        assert_eq!(Prefix::new("app:").key("k".into()).unwrap(), "app:k");
        assert_eq!(Prefix::default().key("k".into()).unwrap(), "k");
    }

    #[test]
    fn a_pattern_means_the_prefix_as_it_stands() {
        let prefix = Prefix::new("a*[b]:");
        assert_eq!(prefix.pattern(b"user:*"), "a\\*\\[b\\]:user:*");
        assert_eq!(prefix.taken_off(b"a*[b]:k"), "k".into());
        assert_eq!(prefix.pattern_taken_off(b"a\\*\\[b\\]:k*"), "k*".into());
        assert_eq!(prefix.taken_off(b"other"), "other".into());
    }

    #[test]
    fn an_empty_key_is_refused_even_behind_a_prefix() {
        assert!(Prefix::new("app:").key("".into()).is_err());
    }

    #[test]
    fn keys_come_one_at_a_time_or_as_any_list() {
        let owned = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!("a".into_keys().len(), 1);
        assert_eq!(["a", "b"].into_keys(), (&owned).into_keys());
        assert_eq!(owned.as_slice().into_keys(), owned.into_keys());
    }

    #[test]
    fn a_key_is_shown_as_text_of_any_length() {
        let long = "k".repeat(INLINE + 1);
        assert_eq!(format!("{:?}", Key::from("a\"\u{e9}")), r#"Key(b"a\"\xc3\xa9")"#);
        assert_eq!(format!("{:?}", Key::from(&long)), format!("Key(b\"{long}\")"));
    }

    #[test]
    fn the_hash_is_short_and_stable() {
        assert_eq!(key_hash(b"user:1"), key_hash(b"user:1"));
        assert_ne!(key_hash(b"user:1"), key_hash(b"user:2"));
    }
}
