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
    /// Which of them are asked for, if not each task asks for one of its own.
    sequence: Option<Sequence>,
}

impl Load {
    /// Prepares everything.
    ///
    /// # Errors
    ///
    /// - None is expected.
    pub(crate) fn new(kind: Kind, tasks: usize, value: &'static str) -> Outcome<Self> {
        let is_mixed = kind == Kind::Mixed;
        let count = if is_mixed { KEYS.into() } else { tasks };
        Ok(Self {
            kind,
            tasks,
            value,
            keys: (0..count).map(key).collect(),
            sequence: is_mixed.then(Sequence::new).transpose()?,
        })
    }

    /// Returns a task's call.
    pub(super) fn call(&self, task: usize, count: usize) -> Call<'_> {
        let (number, is_write) = match &self.sequence {
            Some(sequence) => sequence.at(task, count),
            None => (task, false),
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
