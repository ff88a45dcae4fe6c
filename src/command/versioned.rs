//! A value and the versions that it depends on, read together, as the read-through cache reads an entry.
//!
//! Question and answer are one piece each: on the hottest way of all, whatever needs memory of its own shows.

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use super::entry::version_id;
use crate::{
    envelope::header::Id,
    error::Result,
    key::{Key, Prefix},
};

/// The keys of a value and of its versions, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned {
    keys: Bytes,
    ends: SmallVec<[usize; USUAL]>,
}

/// The same before they have their prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VersionedKeys<'k> {
    pub(crate) value: &'k Key,
    pub(crate) version: &'k Key,
    pub(crate) more: &'k [Key],
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VersionedValue {
    pub(crate) value: Option<Bytes>,
    /// `None` for what is no version.
    pub(crate) version: Option<Id>,
    /// More versions, in the order of their keys.
    pub(crate) more: Vec<Option<Id>>,
}

/// Most values depend on one version.
const USUAL: usize = 2;

/// What an answer says of each version: whether there is one, and which.
const VERSION: usize = 1 + size_of::<Id>();

impl<'k> VersionedKeys<'k> {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'k Key> {
        [self.value, self.version].into_iter().chain(self.more)
    }
}

impl Versioned {
    /// # Errors
    ///
    /// - A key is empty, or longer than Redis permits.
    pub(crate) fn new(prefix: &Prefix, keys: VersionedKeys<'_>) -> Result<Self> {
        let len = keys.iter().map(|key| prefix.len() + key.as_bytes().len()).sum();
        let (mut whole, mut ends) = (Vec::with_capacity(len), SmallVec::new());
        for key in keys.iter() {
            prefix.write(key, &mut whole)?;
            ends.push(whole.len());
        }
        let keys = whole.into();
        Ok(Self { keys, ends })
    }

    /// The same of keys as the server knows them.
    pub(crate) fn of<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        let (mut whole, mut ends) = (Vec::new(), SmallVec::new());
        for key in keys {
            whole.extend(key);
            ends.push(whole.len());
        }
        let keys = whole.into();
        Self { keys, ends }
    }

    /// Returns the key of the value.
    pub(crate) fn key(&self) -> &[u8] {
        self.keys().next().unwrap_or_default()
    }

    /// Returns all keys: the value's, then those of the versions.
    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let key = self.keys.get(begin..*end).unwrap_or_default();
            begin = *end;
            key
        })
    }

    /// Writes an answer of what is at the keys.
    pub(crate) fn answer<'a>(mut found: impl ExactSizeIterator<Item = Option<&'a [u8]>>) -> Bytes {
        let value = found.next().flatten();
        let len = 1 + found.len() * VERSION + value.map_or(0, <[u8]>::len);
        let mut answer = Vec::with_capacity(len);
        answer.push(value.is_some().into());
        for version in found {
            let id = version.and_then(version_id);
            answer.push(id.is_some().into());
            answer.extend(id.unwrap_or_default().to_be_bytes());
        }
        answer.extend(value.unwrap_or_default());
        answer.into()
    }
}

impl VersionedValue {
    /// Reads what [`Versioned::answer`] has written of a value, a version, and so many more. `None` if it is something else.
    pub(crate) fn read(mut answer: Bytes, more: usize) -> Option<Self> {
        if answer.len() <= (1 + more) * VERSION {
            return None;
        }
        let is_there = answer.get_u8() != 0;
        let mut version = || {
            let is_there = answer.get_u8() != 0;
            let id = answer.get_u64();
            is_there.then_some(id)
        };
        Some(Self {
            version: version(),
            more: (0..more).map(|_| version()).collect(),
            value: is_there.then_some(answer),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_as_they_were_put_in() {
        let [value, version, tag, empty] = ["app:a", "b%epoch", "b%tag:c", ""].map(Key::from);
        let keys = VersionedKeys {
            value: &value,
            version: &version,
            more: &[tag],
        };
        let all = Versioned::new(&Prefix::new("p:"), keys).unwrap();
        let expected: [&[u8]; 3] = [b"p:app:a", b"p:b%epoch", b"p:b%tag:c"];
        assert_eq!(all.keys().collect::<Vec<_>>(), expected);
        assert_eq!(all.key(), b"p:app:a");
        let keys = VersionedKeys { value: &empty, ..keys };
        assert!(Versioned::new(&Prefix::default(), keys).is_err());
    }

    #[test]
    fn what_was_answered_is_read() {
        let version: &[u8] = b"c00000000000000ab:1000";
        for value in [None, Some(&b""[..]), Some(&b"value"[..])] {
            let found = [value, Some(version), None, Some(b"another")];
            let read = VersionedValue::read(Versioned::answer(found.into_iter()), 2).unwrap();
            assert_eq!(read.value.as_deref(), value);
            assert_eq!((read.version, &read.more[..]), (Some(0xab), &[None, None][..]));
        }
        assert_eq!(VersionedValue::read("short".into(), 0), None);
    }
}
