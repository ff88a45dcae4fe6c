//! Versions that entries depend on: one of a namespace, one of each tag. An entry is valid while all are what they were when it was stored.
//!
//! A version is a number that nobody can foresee, not a count: one that was evicted, or has expired, and is made anew is another, so that what was stored before is
//! never taken for valid again. To invalidate is to write one key, whatever depends on it.

use std::time::Duration;

use crate::{
    chance,
    command::{version, version_id},
    envelope::header::Id,
    ttl::Ttl,
};

/// What is at the key of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Absent,
    Present(Id),
}

/// What [`mark`](crate::service::EntryOperations::mark) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) id: Id,
    /// It was made so by an invalidation, and not because there was none.
    pub(super) is_raised: bool,
    pub(super) age: Duration,
}

/// How long a version lives at least; it is written anew by whoever stores something after half of that.
pub(super) const LIFE: Duration = Duration::from_secs(6 * 3600);

impl Version {
    /// Reads what is at the key. What is no version counts as absent: nothing depends on it.
    pub(super) fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(version_id).into()
    }

    /// Says whether nothing was invalidated between two looks at the version: it is the same, or was only made where there was none.
    pub(super) fn has_held(self, now: Self) -> bool {
        match (self, now) {
            (Self::Absent, Self::Present(id)) => id % 2 == 1,
            (before, now) => before == now,
        }
    }
}

impl From<Option<Id>> for Version {
    fn from(id: Option<Id>) -> Self {
        id.map_or(Self::Absent, Self::Present)
    }
}

impl Marked {
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let age = std::str::from_utf8(text.get(18..)?).ok()?;
        Some(Self {
            id: version_id(text)?,
            is_raised: text.first() == Some(&b'r'),
            age: Duration::from_millis(age.parse().ok()?),
        })
    }
}

/// Returns what is written where there is no version yet.
pub(super) fn created(id: Id, ttl: Ttl) -> bytes::Bytes {
    version('c', id, ttl)
}

/// Returns what is written to invalidate all that depends on a version. Its number is even, as those of others are not.
pub(super) fn raised(id: Id, ttl: Ttl) -> bytes::Bytes {
    version('r', id & !1, ttl)
}

/// Returns a number that nobody can foresee, and that is not zero.
pub(super) fn token() -> u64 {
    chance::token() | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let written = raised(0xab, Ttl::from_secs(1).unwrap());
        assert_eq!(written, "r00000000000000aa:1000");
        assert_eq!(Version::read(Some(&written)), Version::Present(0xaa));
        assert!(!Version::Absent.has_held(Version::Present(0xaa)) && Version::Absent.has_held(Version::Present(0xab)));
        assert!(!Version::Present(1).has_held(Version::Absent) && Version::Present(1).has_held(Version::Present(1)));
        assert_eq!(Version::read(None), Version::Absent);
        assert_eq!(Version::read(Some(b"something else, of users")), Version::Absent);
    }

    #[test]
    fn what_a_mark_tells_is_read() {
        let marked = Marked::read(b"c00000000000000ab:250").unwrap();
        assert_eq!((marked.id, marked.is_raised), (0xab, false));
        assert_eq!(marked.age, Duration::from_millis(250));
        assert_eq!(Marked::read(b"c00000000000000ab"), None);
    }
}
