//! What a batch carries: its members' commands, their words in one buffer.
//!
//! Callers copy their words into it when they join. So what they made themselves is freed by the thread that made it, which is cheaper, no command is
//! moved about, and whoever sends the batch shares the buffer instead of copying each word again.

use std::{mem, ops::Range};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    command::{Command, Expiry, Set, Versioned},
    ttl::Ttl,
};

/// Commands that are being gathered.
#[derive(Debug, Default)]
pub(super) struct Hold {
    buffer: Vec<u8>,
    asked: Vec<Asked>,
}

/// Commands that are to be sent, in the order of the batch's members.
#[derive(Debug)]
pub(super) struct Load {
    buffer: Bytes,
    asked: Vec<Asked>,
}

/// What one member asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// It does not wait any more.
    Nothing,
    Get(Word),
    GetMany(Vec<Word>),
    GetWithTtl(Vec<Word>),
    GetVersioned(SmallVec<[Word; 2]>),
    /// Without conditions.
    Set {
        key: Word,
        value: Word,
        ttl: Option<Ttl>,
    },
}

/// A key or a value.
#[derive(Debug)]
pub(super) enum Word {
    /// It stands there in the buffer.
    Copied(Range<usize>),
    /// It is so long that to copy it would hold others up.
    Shared(Bytes),
}

/// Words from this size on are not copied.
const LONG: usize = 4 * 1024;

impl Hold {
    /// Makes one with room for about as much as another holds.
    pub(super) fn like(other: &Self) -> Self {
        Self {
            buffer: Vec::with_capacity(other.buffer.len()),
            asked: Vec::with_capacity(other.asked.len()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// Puts in what a member asks for. Only reads and plain writes have a lane.
    pub(super) fn put(&mut self, command: &Command) {
        let asked = match command {
            Command::Get { key } => Asked::Get(self.word(key)),
            Command::GetMany { keys } => Asked::GetMany(self.words(keys)),
            Command::GetWithTtl { keys } => Asked::GetWithTtl(self.words(keys)),
            Command::GetVersioned(versioned) => {
                let mut words = SmallVec::new();
                for key in versioned.keys() {
                    words.push(Word::copied(key, &mut self.buffer));
                }
                Asked::GetVersioned(words)
            }
            Command::Set(Set { key, value, expiry, .. }) => Asked::Set {
                key: self.word(key),
                value: self.word(value),
                ttl: match expiry {
                    Expiry::In(ttl) => Some(*ttl),
                    Expiry::Never | Expiry::Keep | Expiry::At(_) => None,
                },
            },
            _ => Asked::Nothing,
        };
        self.asked.push(asked);
    }

    /// Takes out what a member asks for. Says whether it is still here.
    pub(super) fn take_out(&mut self, place: usize) -> bool {
        let asked = self.asked.get_mut(place);
        asked.map(|asked| *asked = Asked::Nothing).is_some()
    }

    /// Takes all, and leaves nothing.
    pub(super) fn take(&mut self) -> Load {
        let Self { buffer, asked } = mem::take(self);
        Load {
            buffer: buffer.into(),
            asked,
        }
    }

    fn words(&mut self, words: &[Bytes]) -> Vec<Word> {
        words.iter().map(|word| self.word(word)).collect()
    }

    fn word(&mut self, word: &Bytes) -> Word {
        Word::put(word, LONG, &mut self.buffer)
    }
}

impl Word {
    fn copied(word: &[u8], buffer: &mut Vec<u8>) -> Self {
        let start = buffer.len();
        buffer.extend_from_slice(word);
        Self::Copied(start..buffer.len())
    }

    /// Copies a word to the end of a buffer, or shares it if it is that long.
    pub(super) fn put(word: &Bytes, long: usize, buffer: &mut Vec<u8>) -> Self {
        if word.len() >= long {
            return Self::Shared(word.clone());
        }
        Self::copied(word, buffer)
    }
}

impl Load {
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(super) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    pub(super) fn take_out(&mut self, place: usize) {
        if let Some(asked) = self.asked.get_mut(place) {
            *asked = Asked::Nothing;
        }
    }

    /// Says whether more than one member waits.
    pub(super) fn is_for_several(&self) -> bool {
        let waiting = |asked: &&Asked| !matches!(asked, Asked::Nothing);
        self.asked.iter().filter(waiting).nth(1).is_some()
    }

    /// Returns the commands of members in those places, as far as these wait, and in which places they do.
    pub(super) fn commands(&self, places: impl Iterator<Item = usize>) -> (Vec<usize>, Vec<Command>) {
        let command = |place| Some((place, self.command(self.asked.get(place)?)?));
        places.filter_map(command).unzip()
    }

    pub(super) fn slice<'a>(&'a self, word: &'a Word) -> &'a [u8] {
        match word {
            Word::Copied(range) => self.buffer.get(range.clone()).unwrap_or_default(),
            Word::Shared(bytes) => bytes,
        }
    }

    pub(super) fn bytes(&self, word: &Word) -> Bytes {
        match word {
            Word::Copied(range) => self.buffer.slice(range.clone()),
            Word::Shared(bytes) => bytes.clone(),
        }
    }

    fn command(&self, asked: &Asked) -> Option<Command> {
        let keys = |keys: &[Word]| keys.iter().map(|key| self.bytes(key)).collect();
        Some(match asked {
            Asked::Nothing => return None,
            Asked::Get(key) => Command::Get { key: self.bytes(key) },
            Asked::GetMany(many) => Command::GetMany { keys: keys(many) },
            Asked::GetWithTtl(many) => Command::GetWithTtl { keys: keys(many) },
            Asked::GetVersioned(many) => Command::GetVersioned(Versioned::of(many.iter().map(|key| self.slice(key)))),
            Asked::Set { key, value, ttl } => Command::Set(Set {
                key: self.bytes(key),
                value: self.bytes(value),
                expiry: ttl.map_or(Expiry::Never, Expiry::In),
                condition: None,
                returns_old: false,
            }),
        })
    }
}

impl Asked {
    /// Returns the keys that are read.
    pub(super) fn reads(&self) -> &[Word] {
        match self {
            Self::Get(key) => std::slice::from_ref(key),
            Self::GetMany(keys) | Self::GetWithTtl(keys) => keys,
            Self::GetVersioned(keys) => keys,
            Self::Nothing | Self::Set { .. } => &[],
        }
    }
}

#[cfg(test)]
impl FromIterator<Command> for Load {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Self {
        let mut hold = Hold::default();
        commands.into_iter().for_each(|command| hold.put(&command));
        hold.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_out_as_they_were_put_in() {
        let long = Bytes::from(vec![b'x'; LONG]);
        let set = Set {
            key: "k".into(),
            value: long.clone(),
            expiry: Expiry::In(Ttl::from_millis(5).unwrap()),
            condition: None,
            returns_old: false,
        };
        let keys = vec![Bytes::from("a"), long, "b".into()];
        let commands = vec![
            Command::Get { key: "a".into() },
            Command::Set(set),
            Command::GetMany { keys: keys.clone() },
            Command::GetWithTtl { keys },
        ];
        let load: Load = commands.iter().cloned().collect();
        assert_eq!(load.commands(0..load.len()), (vec![0, 1, 2, 3], commands));
    }

    #[test]
    fn what_is_taken_out_is_nobodys() {
        let get = |key: &'static str| Command::Get { key: key.into() };
        let mut hold = Hold::default();
        hold.put(&get("a"));
        hold.put(&get("b"));
        hold.put(&get("c"));
        assert!(hold.take_out(1));
        let mut load = hold.take();
        assert!(!hold.take_out(0));
        let places = |load: &Load| load.commands(0..3).0;
        assert_eq!((places(&load), load.is_for_several()), (vec![0, 2], true));
        load.take_out(0);
        assert_eq!((places(&load), load.is_for_several()), (vec![2], false));
    }
}
