//! Values as the near cache holds them.

use std::{fmt, sync::Arc};

use bytes::Bytes;

/// What is at a key. A small value lies behind its key, so that a hit touches as little memory as can be; whoever wants it copies it. A large one is shared.
#[derive(Clone)]
pub(crate) enum Held {
    /// There is no such key.
    Absent,
    Small(Block),
    Large(Bytes),
}

/// A key, and what belongs to it, in one piece of memory together with the count of its holders.
#[derive(Clone)]
pub(crate) struct Block {
    bytes: Arc<[u8]>,
    key_len: usize,
}

/// Up to this size a copy costs no more than sharing.
const SMALL: usize = 512;

impl Held {
    /// Copies a key and its value.
    pub(super) fn together(key: &[u8], value: Option<&Bytes>) -> (Block, Self) {
        let block = |value: &[u8]| Block {
            bytes: [key, value].concat().into(),
            key_len: key.len(),
        };
        match value {
            None => (block(&[]), Self::Absent),
            Some(value) if value.len() <= SMALL => {
                let block = block(value);
                (block.clone(), Self::Small(block))
            }
            Some(value) => (block(&[]), Self::Large(Bytes::copy_from_slice(value))),
        }
    }

    pub(crate) fn as_slice(&self) -> Option<&[u8]> {
        match self {
            Self::Absent => None,
            Self::Small(block) => block.bytes.get(block.key_len..),
            Self::Large(bytes) => Some(bytes),
        }
    }

    pub(crate) fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Large(bytes) => Some(bytes),
            Self::Absent | Self::Small(_) => self.as_slice().map(Bytes::copy_from_slice),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().map_or(0, <[u8]>::len)
    }
}

impl Block {
    pub(super) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_len).unwrap_or_default()
    }
}

/// Shows no content.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("len", &self.len()).finish()
    }
}

/// Shows no content.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("len", &self.bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_size_come_back_and_are_not_shown() {
        for len in [0, 1, SMALL, SMALL + 1] {
            let value = Bytes::from(vec![b'v'; len]);
            let (block, held) = Held::together(b"key", Some(&value));
            assert_eq!(block.key(), b"key");
            assert_eq!(held.as_slice(), Some(&value[..]));
            assert!(!format!("{held:?} {block:?}").contains("key"));
            assert_eq!(held.into_bytes(), Some(value));
        }
        assert_eq!(Held::together(b"key", None).1.into_bytes(), None);
    }
}
