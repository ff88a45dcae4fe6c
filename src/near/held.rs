//! Values as the near cache holds them.

use std::fmt;

use bytes::Bytes;
use smallvec::SmallVec;

/// What is at a key. To clone a small value is to copy it: a count of its holders would go from processor to processor with every hit, which takes longer. A
/// large one is shared.
pub(crate) enum Held {
    /// There is no such key.
    Absent,
    Small(SmallVec<[u8; TINY]>),
    Large(Bytes),
}

/// Up to this size a copy needs no memory of its own, as those of versions that entries of a cache depend on.
const TINY: usize = 32;

/// Up to this size a copy costs no more than sharing.
const SMALL: usize = 512;

impl Held {
    /// Copies a value: what was read may be a small part of a large buffer.
    pub(super) fn of(value: Option<&Bytes>) -> Self {
        match value {
            None => Self::Absent,
            Some(value) if value.len() <= SMALL => Self::Small(SmallVec::from_slice(value)),
            Some(value) => Self::Large(Bytes::copy_from_slice(value)),
        }
    }

    pub(crate) fn as_slice(&self) -> Option<&[u8]> {
        match self {
            Self::Absent => None,
            Self::Small(bytes) => Some(bytes),
            Self::Large(bytes) => Some(bytes),
        }
    }

    pub(crate) fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Absent => None,
            Self::Small(bytes) if bytes.spilled() => Some(bytes.into_vec().into()),
            Self::Small(bytes) => Some(Bytes::copy_from_slice(&bytes)),
            Self::Large(bytes) => Some(bytes),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().map_or(0, <[u8]>::len)
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        match self {
            Self::Absent => Self::Absent,
            // At once: its own clone is made byte by byte.
            Self::Small(bytes) => Self::Small(SmallVec::from_slice(bytes)),
            Self::Large(bytes) => Self::Large(bytes.clone()),
        }
    }
}

/// Shows no content.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_size_come_back_and_are_not_shown() {
        for len in [0, 1, TINY, TINY + 1, SMALL, SMALL + 1] {
            let value = Bytes::from(vec![b'v'; len]);
            let held = Held::of(Some(&value));
            assert_eq!(held.as_slice(), Some(&value[..]));
            assert!(!format!("{held:?}").contains("vv") && !format!("{held:?}").contains("118"));
            assert_eq!(held.clone().into_bytes(), Some(value));
        }
        assert_eq!(Held::of(None).into_bytes(), None);
    }
}
