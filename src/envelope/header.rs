//! What stands before a value: what it is, when it was loaded, how long it is fresh, and of which versions it depends.
//!
//! Its first bytes are where scripts of the server look and write, at places that are the same in each:
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | magic, with the version of this layout |
//! | 4 | kind |
//! | 5–7 | codec, packing, sealing |
//! | 8–15 | identity: other bytes with each content |
//! | 16–23 | the lease of whoever loads it anew; zeros without one |
//! | 24–39 | until when, as sixteen digits: milliseconds after 1970, by the server's clock |
//! | 40–47 | when its life last began anew by being read, in the same milliseconds |
//! | 48 | 1 if it was declared stale |
//!
//! What follows never changes: 49 when it was loaded; 57 for how many milliseconds it is fresh from then on; 65 how many microseconds the load took;
//! 69 the schema; 73 the version of the namespace; 81 the length of the body once unpacked; 85 how many tags there are, each with its length, its name
//! and its version. Numbers are big-endian.

use bytes::Bytes;

use crate::codec::Format;

/// What begins every envelope. The first byte is no text, so that none is taken for an envelope.
pub(crate) const MAGIC: [u8; 4] = [0xfd, b'r', b'c', 1];

/// Where the identity stands.
pub(crate) const ID: usize = 8;
/// Where the lease stands.
pub(crate) const LEASE: usize = 16;
/// Where the end of the lease stands, as sixteen digits.
pub(crate) const UNTIL: usize = 24;
/// Where it stands when its life last began anew.
pub(crate) const TOUCHED: usize = 40;
/// Where it stands whether it was declared stale.
pub(crate) const STALE: usize = 48;
/// Where what never changes goes on.
pub(crate) const FIXED: usize = 49;
/// Where the tags begin.
const TAGS: usize = 86;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    /// The loader found nothing.
    NotFound,
    /// Somebody removed what was here: what was loaded before is not to be stored.
    Removed,
    /// Nothing yet: somebody loads.
    Awaited,
}

/// Identity of a content.
pub(crate) type Id = u64;

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) codec: u8,
    pub(crate) packing: u8,
    pub(crate) sealing: u8,
    pub(crate) id: Id,
    /// Milliseconds after 1970.
    pub(crate) touched: i64,
    pub(crate) is_declared_stale: bool,
    /// Milliseconds after 1970.
    pub(crate) loaded: i64,
    /// Milliseconds.
    pub(crate) fresh_for: u64,
    /// Microseconds.
    pub(crate) cost: u32,
    pub(crate) schema: u32,
    pub(crate) epoch: Id,
    pub(crate) raw_len: u32,
    pub(crate) tags: Vec<(Bytes, Id)>,
    /// Where the body begins.
    pub(crate) body: usize,
}

/// What a new envelope says.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) codec: u8,
    pub(crate) packing: u8,
    pub(crate) sealing: u8,
    pub(crate) id: Id,
    pub(crate) loaded: i64,
    pub(crate) fresh_for: u64,
    pub(crate) cost: u32,
    pub(crate) schema: u32,
    pub(crate) epoch: Id,
    pub(crate) raw_len: u32,
    pub(crate) tags: Vec<(Bytes, Id)>,
}

/// Why bytes are no envelope of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It begins with something else, or is of another version.
    Foreign,
    /// It ends too early, or says what cannot be.
    Corrupt,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Value, Self::NotFound, Self::Removed, Self::Awaited];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl Header {
    /// Reads what stands before a body.
    pub(crate) fn read(envelope: &Bytes) -> Result<Self, Unreadable> {
        if !envelope.starts_with(&MAGIC) {
            return Err(Unreadable::Foreign);
        }
        Self::parse(envelope).ok_or(Unreadable::Corrupt)
    }

    fn parse(envelope: &Bytes) -> Option<Self> {
        let byte = |at: usize| envelope.get(at).copied();
        let count = byte(TAGS - 1)?;
        let (mut tags, mut at) = (Vec::with_capacity(count.into()), TAGS);
        for _ in 0..count {
            let name = at + 1..at + 1 + usize::from(byte(at)?);
            at = name.end + 8;
            let version = number(envelope, name.end)?;
            tags.push((envelope.slice(name), version));
        }
        Some(Self {
            kind: Kind::of(byte(4)?)?,
            codec: byte(5)?,
            packing: byte(6)?,
            sealing: byte(7)?,
            id: number(envelope, ID)?,
            touched: signed(envelope, TOUCHED)?,
            is_declared_stale: byte(STALE)? != 0,
            loaded: signed(envelope, FIXED)?,
            fresh_for: number(envelope, FIXED + 8)?,
            cost: short(envelope, FIXED + 16)?,
            schema: short(envelope, FIXED + 20)?,
            epoch: number(envelope, FIXED + 24)?,
            raw_len: short(envelope, FIXED + 32)?,
            tags,
            body: at,
        })
    }
}

impl Draft {
    /// Makes a header that stands alone: nothing was loaded.
    pub(crate) fn bare(kind: Kind, id: Id) -> Self {
        Self {
            kind,
            codec: 0,
            packing: 0,
            sealing: 0,
            id,
            loaded: 0,
            fresh_for: 0,
            cost: 0,
            schema: 0,
            epoch: 0,
            raw_len: 0,
            tags: Vec::new(),
        }
    }

    /// Writes it, with room for a body.
    pub(crate) fn write(&self, body_len: usize) -> Vec<u8> {
        let tags: usize = self.tags.iter().map(|(name, _)| name.len() + 9).sum();
        let mut written = Vec::with_capacity(TAGS + tags + body_len);
        written.extend(MAGIC);
        written.extend([self.kind as u8, self.codec, self.packing, self.sealing]);
        written.extend(self.id.to_be_bytes());
        written.extend([0; 8]);
        written.extend([b'0'; 16]);
        written.extend(self.loaded.to_be_bytes());
        written.push(0);
        written.extend(self.loaded.to_be_bytes());
        written.extend(self.fresh_for.to_be_bytes());
        written.extend(self.cost.to_be_bytes());
        written.extend(self.schema.to_be_bytes());
        written.extend(self.epoch.to_be_bytes());
        written.extend(self.raw_len.to_be_bytes());
        let tags = self.tags.iter().take(u8::MAX.into());
        written.push(u8::try_from(tags.len()).unwrap_or(u8::MAX));
        for (name, version) in tags {
            let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
            written.push(len);
            written.extend(name.iter().take(len.into()));
            written.extend(version.to_be_bytes());
        }
        written
    }
}

/// Returns the part of a header that never changes, for whoever vouches for it: its first bytes, and all from [`FIXED`] on.
#[cfg(feature = "encryption")]
pub(crate) fn unchanging(header: &[u8]) -> [&[u8]; 2] {
    [
        header.get(..ID).unwrap_or_default(),
        header.get(FIXED..).unwrap_or_default(),
    ]
}

/// Says how bytes of this codec are read; `None` for one that this build does not have.
pub(crate) fn format_of(codec: u8) -> Option<Format> {
    match codec {
        0 => Some(Format::Json),
        #[cfg(feature = "msgpack")]
        1 => Some(Format::MessagePack),
        _ => None,
    }
}

/// Says how a header names a format.
pub(crate) fn codec_of(format: Format) -> u8 {
    match format {
        Format::Json => 0,
        #[cfg(feature = "msgpack")]
        Format::MessagePack => 1,
    }
}

fn number(envelope: &[u8], at: usize) -> Option<u64> {
    envelope
        .get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
}

fn signed(envelope: &[u8], at: usize) -> Option<i64> {
    envelope
        .get(at..)?
        .first_chunk()
        .map(|bytes| i64::from_be_bytes(*bytes))
}

fn short(envelope: &[u8], at: usize) -> Option<u32> {
    envelope
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft() -> Draft {
        Draft {
            kind: Kind::NotFound,
            codec: 0,
            packing: 1,
            sealing: 0,
            id: 7,
            loaded: 1_700_000_000_123,
            fresh_for: 60_000,
            cost: 1_500,
            schema: 3,
            epoch: u64::MAX,
            raw_len: 5,
            tags: vec![("a".into(), 1), ("tenant:7".into(), 2)],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let draft = draft();
        let mut written = draft.write(4);
        let body = written.len();
        written.extend(b"body");
        let read = Header::read(&written.into()).unwrap();
        assert_eq!((read.kind, read.packing, read.id), (Kind::NotFound, 1, 7));
        assert_eq!((read.loaded, read.touched), (draft.loaded, draft.loaded));
        assert_eq!((read.fresh_for, read.cost, read.schema), (60_000, 1_500, 3));
        assert_eq!((read.epoch, read.raw_len), (u64::MAX, 5));
        assert_eq!((read.tags, read.body), (draft.tags, body));
        assert!(!read.is_declared_stale);
    }

    #[test]
    fn what_is_not_ours_is_told_from_what_is_broken() {
        let written: Bytes = draft().write(0).into();
        assert_eq!(Header::read(&"{\"a\":1}".into()), Err(Unreadable::Foreign));
        assert_eq!(Header::read(&Bytes::new()), Err(Unreadable::Foreign));
        for len in MAGIC.len()..written.len() {
            assert_eq!(Header::read(&written.slice(..len)), Err(Unreadable::Corrupt), "{len}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let ours = [&MAGIC[..], &bytes].concat();
            for bytes in [bytes, ours] {
                drop(Header::read(&bytes.into()));
            }
        }
    }
}
