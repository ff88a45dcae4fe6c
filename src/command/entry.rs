//! What the read-through cache asks of an entry, or of a version that entries depend on: each is one step at the server.

use bytes::Bytes;

use crate::{envelope::header::Id, ttl::Ttl};

/// One step at one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryCommand {
    pub(crate) key: Bytes,
    pub(crate) act: EntryAct,
}

/// What is done there. The layout of what is at the key is [`header`](crate::envelope::header)'s; what has another counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryAct {
    /// Stores an envelope, if what is there is still what was seen. Answers 1 if so, 0 otherwise.
    Fill {
        seen: Seen,
        envelope: Bytes,
        ttl: Ttl,
        tell: Option<Tell>,
    },
    /// Takes the lease, or renews it where it is this one. Answers 0 if it was taken; for how many milliseconds another holds it; -1 if
    /// what is there is not what was seen.
    Lease {
        lease: u64,
        ttl: Ttl,
        /// The identity of what was there; `None` for nothing.
        seen: Option<Id>,
        /// What is put there if nothing is. Its lease is written by the server.
        placeholder: Bytes,
    },
    /// Gives the lease back, and removes what stands for nothing but it. Answers 1 if it was this one.
    Release { lease: u64, tell: Option<Tell> },
    /// Lets the life of this content begin anew. Answers 1 if it is still there.
    Touch { id: Id, at: i64, ttl: Ttl },
    /// Declares whatever is there stale, and gives it a new identity. Where nothing at all is, it puts this, so that what is being loaded is not stored
    /// there. Answers 1 if there was a value.
    Expire { id: Id, removed: Bytes, ttl: Ttl },
    /// Returns the version at the key, or makes it this one where there is none; it lives for so long at least. Answers text: `c` for a version that was
    /// made so, `r` for one that was raised, sixteen hexadecimal digits, `:`, and how many milliseconds ago it was set.
    Mark { id: Id, ttl: Ttl },
}

/// An envelope for one of many keys, stored as [`EntryAct::Fill`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryFill {
    pub(crate) key: Bytes,
    pub(crate) seen: Seen,
    pub(crate) envelope: Bytes,
    pub(crate) ttl: Ttl,
}

/// What has to be there so that something is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    Content(Id),
    /// Whatever it is, under this lease.
    Lease(u64),
}

/// Who is told when a lease has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tell {
    pub(crate) channel: Bytes,
    /// `SPUBLISH`, in a cluster.
    pub(crate) is_sharded: bool,
}

impl EntryCommand {
    /// Returns how many bytes of a value go to the server.
    pub(super) fn payload_len(&self) -> usize {
        match &self.act {
            EntryAct::Fill { envelope, .. } => envelope.len(),
            _ => 0,
        }
    }
}

/// Returns what stands at the key of a version: `c` or `r`, the version, and its whole time to live in milliseconds, so that its age can be told
/// from what is left of that.
pub(crate) fn version(kind: char, id: Id, ttl: Ttl) -> Bytes {
    format!("{kind}{id:016x}:{}", ttl.as_millis()).into()
}

/// Reads the version of such a text.
pub(crate) fn version_id(text: &[u8]) -> Option<Id> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let mut digits = text.get(1..17)?.iter().map(digit);
    digits.try_fold(0, |id, digit| Some(id << 4 | Id::from(digit?)))
}
