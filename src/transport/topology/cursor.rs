//! How far an iteration over all nodes of a cluster has come.
//!
//! A node's own cursor says nothing of the others, and slots move meanwhile. So the cursor that callers hand back holds the slots that are done with as
//! well: a node's slots are, when its iteration is, as far as they were its own from the beginning to the end. What has moved in between is
//! iterated over where it is then, and so comes at least once. Of a slot that is just being moved some keys are here and some there: so the node that it goes
//! to is iterated over next, after which the slot is done with.

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
    serving: Slots,
    /// These slots are being moved to it.
    is_import: bool,
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
        let mut words = rest.splitn(4, |byte| *byte == b' ');
        let (own, kind, port, host) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let at = At {
            endpoint: Endpoint::Tcp {
                host: text(host)?.to_owned(),
                port: text(port)?.parse().ok()?,
            },
            cursor: Bytes::copy_from_slice(own),
            serving: Slots(serving.into()),
            is_import: kind == b"i",
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

    /// Says whether the node under way is one that slots are being moved to.
    pub(in super::super) fn is_import(&self) -> bool {
        self.at.as_ref().is_some_and(|at| at.is_import)
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
                is_import: false,
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

    /// Ends with the node under way, which still serves these slots, and is giving some of them away.
    pub(in super::super) fn finish(mut self, serving: &[u16], leaving: &[(u16, Endpoint)]) -> Self {
        let Some(at) = self.at.take() else {
            return self;
        };
        if at.is_import {
            (0..SLOTS)
                .filter(|slot| at.serving.contains(*slot))
                .for_each(|slot| self.done.insert(slot));
            return self;
        }
        let is_leaving = |slot: u16| leaving.iter().any(|(leaving, _)| *leaving == slot);
        for slot in serving
            .iter()
            .filter(|slot| at.serving.contains(**slot) && !is_leaving(**slot))
        {
            self.done.insert(*slot);
        }
        // To one node; what goes to others is iterated over once more.
        let mut imported = leaving.iter().filter(|(slot, _)| at.serving.contains(*slot)).peekable();
        if let Some((_, endpoint)) = imported.peek().copied() {
            let serving = imported
                .filter(|(_, to)| to == endpoint)
                .map(|(slot, _)| *slot)
                .collect();
            self.at = Some(At {
                endpoint: endpoint.clone(),
                cursor: Bytes::from_static(b"0"),
                serving,
                is_import: true,
            });
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
                is_import,
            }) => {
                bytes.put_slice(&serving.0);
                bytes.put_slice(cursor);
                let kind = if *is_import { 'i' } else { 'o' };
                bytes.put_slice(format!(" {kind} {port} {host}").as_bytes());
            }
            Some(_) | None => {
                bytes.put_bytes(0, LEN);
                bytes.put_slice(b" o 0 ");
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
        let still: Vec<_> = (0..90).chain(200..210).collect();
        let done = through_bytes(first.finish(&still, &[]));
        assert_eq!((done.at(), done.next_slot()), (None, Some(90)));
        let all: Vec<_> = (90..SLOTS).collect();
        let second = done.begin(at(2), 90..SLOTS).finish(&all, &[]);
        assert_eq!(&second.into_bytes()[..], b"0");
    }

    #[test]
    fn a_slot_that_is_being_moved_is_looked_for_on_both_sides() {
        let all: Vec<_> = (0..SLOTS).collect();
        let first = Cursor::read(b"0").unwrap().begin(at(1), 0..SLOTS);
        let leaving = [(5, at(2)), (6, at(3)), (7, at(2))];
        let second = through_bytes(first.finish(&all, &leaving));
        assert!(second.is_import());
        assert_eq!(second.at().map(|under_way| &under_way.endpoint), Some(&at(2)));
        let again = through_bytes(second.finish(&[], &[]));
        assert_eq!((again.at(), again.next_slot()), (None, Some(6)));
        let third = again.begin(at(1), 0..SLOTS).finish(&all, &leaving);
        assert_eq!(third.at().map(|under_way| &under_way.endpoint), Some(&at(3)));
        assert_eq!(&third.finish(&[], &[]).into_bytes()[..], b"0");
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
