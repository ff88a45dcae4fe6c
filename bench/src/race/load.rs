//! What the tasks of all contenders do.

use super::zipf::{KEYS, Sequence};
use crate::{Outcome, contest::key};

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Reads.
    Get,
    /// Writes that last.
    Set,
    /// Writes that expire.
    SetPx,
    /// Four reads for each write that lasts.
    Mixed,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call<'a> {
    /// Read this key.
    Get(&'a str),
    /// Write this key, for ever.
    Set(&'a str),
    /// Write this key, for a while.
    SetPx(&'a str),
}

/// What is called, by how many tasks, with which value.
#[derive(Debug)]
pub(crate) struct Load {
    /// Which calls.
    kind: Kind,
    /// How many tasks call at the same time.
    pub(super) tasks: usize,
    /// What is stored everywhere.
    pub(super) value: &'static str,
    /// The keys.
    pub(super) keys: Vec<String>,
    /// Which of them are asked for.
    asked: Asked,
}

/// Which keys a task asks for.
#[derive(Debug)]
enum Asked {
    /// One of its own.
    Own,
    /// All, one after the other; each task begins elsewhere.
    InTurn,
    /// Some far more often than others.
    Popular(Sequence),
}

/// The distance between the keys where tasks begin: a prime, so that few meet.
const STRIDE: usize = 7919;

impl Load {
    /// Prepares everything.
    ///
    /// # Errors
    ///
    /// - None is expected.
    pub(crate) fn new(kind: Kind, tasks: usize, value: &'static str) -> Outcome<Self> {
        let (count, asked) = match kind {
            Kind::Mixed => (KEYS.into(), Asked::Popular(Sequence::new()?)),
            Kind::Get | Kind::Set | Kind::SetPx => (tasks, Asked::Own),
        };
        Ok(Self::of(kind, tasks, value, count, asked))
    }

    /// Prepares calls for so many keys in turn, which lie in all slots of a cluster.
    pub(crate) fn of_many_keys(kind: Kind, tasks: usize, value: &'static str, keys: usize) -> Self {
        Self::of(kind, tasks, value, keys, Asked::InTurn)
    }

    /// Makes the keys.
    fn of(kind: Kind, tasks: usize, value: &'static str, count: usize, asked: Asked) -> Self {
        Self {
            kind,
            tasks,
            value,
            keys: (0..count).map(key).collect(),
            asked,
        }
    }

    /// Returns a task's call.
    pub(super) fn call(&self, task: usize, count: usize) -> Call<'_> {
        let (number, is_write) = match &self.asked {
            Asked::Own => (task, false),
            Asked::InTurn => ((task * STRIDE + count) % self.keys.len().max(1), false),
            Asked::Popular(sequence) => sequence.at(task, count),
        };
        let key = self.keys.get(number).map_or("", String::as_str);
        match self.kind {
            Kind::Get => Call::Get(key),
            Kind::SetPx => Call::SetPx(key),
            Kind::Mixed if !is_write => Call::Get(key),
            Kind::Set | Kind::Mixed => Call::Set(key),
        }
    }
}
