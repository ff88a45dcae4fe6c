//! What is to be removed of one cache, within bounds.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::Subject;
use crate::{command::Command, glob};

/// So many subjects of one space are kept.
pub(super) const MAX_SUBJECTS: usize = 4096;

/// So many bytes of them.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// Every subject once, by the ticket of its last note.
#[derive(Debug, Default)]
pub(super) struct Space {
    kept: BTreeMap<u64, Kept>,
    keys: HashMap<Bytes, u64>,
    tags: HashMap<Bytes, u64>,
    patterns: HashMap<Bytes, u64>,
    /// While this is there, nothing else is.
    all: Option<u64>,
    bytes: usize,
    has_dropped: bool,
}

/// What is to be removed, and the command that does it, if one command can.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) subject: Subject,
    pub(super) command: Option<Command>,
}

impl Space {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns everything, with its tickets, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Kept)> {
        self.kept.iter().map(|(ticket, kept)| (*ticket, kept))
    }

    /// Keeps a subject, instead of what was noted of it before.
    pub(super) fn note(&mut self, ticket: u64, subject: Subject, command: Option<Command>) {
        match (&subject, self.all) {
            (Subject::All, _) => {
                *self = Self {
                    has_dropped: self.has_dropped,
                    ..Self::default()
                };
            }
            // All may be under way already, and has to come once more, after this.
            (_, Some(before)) => {
                if let Some(all) = self.kept.remove(&before) {
                    self.kept.insert(ticket, all);
                }
                self.all = Some(ticket);
                return;
            }
            (_, None) => self.forget(&subject),
        }
        match &subject {
            Subject::Key(name) => _ = self.keys.insert(name.clone(), ticket),
            Subject::Tag(name) => _ = self.tags.insert(name.clone(), ticket),
            Subject::Pattern(name) => _ = self.patterns.insert(name.clone(), ticket),
            Subject::All => self.all = Some(ticket),
        }
        self.bytes += subject.len();
        self.kept.insert(ticket, Kept { subject, command });
    }

    pub(super) fn is_overfull(&self) -> bool {
        self.len() > MAX_SUBJECTS || self.bytes > MAX_BYTES
    }

    /// Drops what was noted longest ago until the rest is within the bounds. Returns how many that were, and whether it is the first time since the
    /// space was empty.
    pub(super) fn drop_oldest(&mut self) -> (u64, bool) {
        let mut dropped = 0;
        while self.is_overfull()
            && let Some((_, oldest)) = self.kept.pop_first()
        {
            self.leave_out(&oldest.subject);
            dropped += 1;
        }
        let had_dropped = std::mem::replace(&mut self.has_dropped, true);
        (dropped, !had_dropped)
    }

    pub(super) fn forget(&mut self, subject: &Subject) {
        if let Some(ticket) = self.ticket(subject) {
            self.kept.remove(&ticket);
            self.leave_out(subject);
        }
    }

    /// Forgets a subject, unless it was noted again after that ticket. Says whether it did.
    pub(super) fn done(&mut self, ticket: u64, subject: &Subject) -> bool {
        let is_current = self.ticket(subject) == Some(ticket);
        if is_current {
            self.forget(subject);
        }
        is_current
    }

    pub(super) fn covers_key(&self, key: &[u8]) -> bool {
        let matches = |pattern: &Bytes| glob::matches(pattern, key);
        self.all.is_some() || self.keys.contains_key(key) || self.patterns.keys().any(matches)
    }

    pub(super) fn covers_tag(&self, tag: &[u8]) -> bool {
        self.all.is_some() || self.tags.contains_key(tag)
    }

    fn ticket(&self, subject: &Subject) -> Option<u64> {
        match subject {
            Subject::Key(name) => self.keys.get(name).copied(),
            Subject::Tag(name) => self.tags.get(name).copied(),
            Subject::Pattern(name) => self.patterns.get(name).copied(),
            Subject::All => self.all,
        }
    }

    /// Finds it by its name no more.
    fn leave_out(&mut self, subject: &Subject) {
        match subject {
            Subject::Key(name) => _ = self.keys.remove(name),
            Subject::Tag(name) => _ = self.tags.remove(name),
            Subject::Pattern(name) => _ = self.patterns.remove(name),
            Subject::All => self.all = None,
        }
        self.bytes -= subject.len();
    }
}

impl Subject {
    fn len(&self) -> usize {
        match self {
            Self::Key(name) | Self::Tag(name) | Self::Pattern(name) => name.len(),
            Self::All => 0,
        }
    }
}
