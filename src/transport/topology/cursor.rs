//! How far an iteration over all nodes of a cluster has come.
//!
//! A node's own cursor says nothing of the others, and slots move meanwhile. So the cursor that callers hand back holds the slots that are done with as
//! well: a node's slots are, when its iteration is, as far as they were its own from the beginning to the end. What has moved in between is
//! iterated over where it is then, and so comes at least once.

use bytes::{BufMut, Bytes, BytesMut};

use super::map::SLOTS;
use crate::config::Endpoint;

/// A cursor over all nodes, as one value that its holder cannot look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Cursor {
    done: Slots,
    at: Option<At>,
}

/// A node under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct At {
    pub(in super::super) endpoint: Endpoint,
    /// The node's own cursor.
    pub(in super::super) cursor: Bytes,
    /// What it served when its iteration began, and was not done with.
    pub(in super::super) serving: Slots,
}

/// A set of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Slots(Box<[u8]>);

const LEN: usize = SLOTS as usize / 8;

impl Cursor {
    /// Reads a cursor that was handed out before; `0` begins.
    pub(in super::super) fn read(cursor: &[u8]) -> Option<Self> {
        if cursor == b"0" {
            return Some(Self {
                done: Slots::default(),
                at: None,
            });
        }
        let (done, rest) = cursor.split_at_checked(LEN)?;
        let (serving, rest) = rest.split_at_checked(LEN)?;
        let mut words = rest.splitn(3, |byte| *byte == b' ');
        let (own, port, host) = (words.next()?, words.next()?, words.next()?);
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let at = At {
            endpoint: Endpoint::Tcp {
                host: text(host)?.to_owned(),
                port: text(port)?.parse().ok()?,
            },
            cursor: Bytes::copy_from_slice(own),
            serving: Slots(serving.into()),
        };
        Some(Self {
            done: Slots(done.into()),
            at: (!own.is_empty()).then_some(at),
        })
    }

    /// Returns the node under way.
    pub(in super::super) fn at(&self) -> Option<&At> {
        self.at.as_ref()
    }

    /// Returns the first slot that is not done with.
    pub(in super::super) fn next_slot(&self) -> Option<u16> {
        (0..SLOTS).find(|slot| !self.done.contains(*slot))
    }

    /// Begins with a node, which serves these slots now.
    pub(in super::super) fn begin(self, endpoint: Endpoint, serving: impl Iterator<Item = u16>) -> Self {
        let serving = serving.filter(|slot| !self.done.contains(*slot)).collect();
        Self {
            at: Some(At {
                endpoint,
                cursor: Bytes::from_static(b"0"),
                serving,
            }),
            ..self
        }
    }

    /// Begins anew with whoever serves the slots of the node under way now: it has left.
    pub(in super::super) fn leave(self) -> Self {
        Self { at: None, ..self }
    }

    /// Goes on with the node under way.
    pub(in super::super) fn advance(mut self, cursor: Bytes) -> Self {
        if let Some(at) = &mut self.at {
            at.cursor = cursor;
        }
        self
    }

    /// Ends with the node under way, which still serves these slots, wholly.
    pub(in super::super) fn finish(mut self, serving: impl Iterator<Item = u16>) -> Self {
        if let Some(at) = self.at.take() {
            for slot in serving.filter(|slot| at.serving.contains(*slot)) {
                self.done.insert(slot);
            }
        }
        self
    }

    /// Writes it for its holder; `0` means that all slots are done with.
    pub(in super::super) fn into_bytes(self) -> Bytes {
        if self.at.is_none() && self.next_slot().is_none() {
            return Bytes::from_static(b"0");
        }
        let mut bytes = BytesMut::with_capacity(2 * LEN + 64);
        bytes.put_slice(&self.done.0);
        match &self.at {
            Some(At {
                endpoint: Endpoint::Tcp { host, port },
                cursor,
                serving,
            }) => {
                bytes.put_slice(&serving.0);
                bytes.put_slice(cursor);
                bytes.put_slice(format!(" {port} {host}").as_bytes());
            }
            Some(_) | None => {
                bytes.put_bytes(0, LEN);
                bytes.put_slice(b" 0 ");
            }
        }
        bytes.freeze()
    }
}

impl Slots {
    fn contains(&self, slot: u16) -> bool {
        let byte = self.0.get(usize::from(slot / 8));
        byte.is_some_and(|byte| byte & (1 << (slot % 8)) != 0)
    }

    fn insert(&mut self, slot: u16) {
        if let Some(byte) = self.0.get_mut(usize::from(slot / 8)) {
            *byte |= 1 << (slot % 8);
        }
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self(vec![0; LEN].into())
    }
}

impl FromIterator<u16> for Slots {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: "::1".into(),
            port,
        }
    }

    fn through_bytes(cursor: Cursor) -> Cursor {
        let bytes = cursor.clone().into_bytes();
        let read = Cursor::read(&bytes).unwrap();
        assert_eq!(read, cursor);
        read
    }

    #[test]
    fn slots_that_stay_are_done_with_and_those_that_moved_come_again() {
        let begun = Cursor::read(b"0").unwrap();
        assert_eq!(begun.next_slot(), Some(0));
        let first = through_bytes(begun.begin(at(1), 0..100)).advance("17".into());
        let first = through_bytes(first);
        assert_eq!(first.at().map(|at| &at.cursor[..]), Some(&b"17"[..]));
        // The last ten have moved to another node, and ten others came.
        let done = through_bytes(first.finish((0..90).chain(200..210)));
        assert_eq!((done.at(), done.next_slot()), (None, Some(90)));
        let second = done.begin(at(2), 90..SLOTS).finish(90..SLOTS);
        assert_eq!(&second.into_bytes()[..], b"0");
    }

    #[test]
    fn a_node_that_has_left_is_begun_anew() {
        let cursor = Cursor::read(b"0").unwrap().begin(at(1), 0..SLOTS).advance("5".into());
        let left = through_bytes(cursor.leave());
        assert_eq!((left.at(), left.next_slot()), (None, Some(0)));
    }

    #[test]
    fn another_cursor_is_none_of_ours() {
        assert_eq!(Cursor::read(b"17"), None);
        assert_eq!(Cursor::read(&[0; 2 * LEN]), None);
    }
}
