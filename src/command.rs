//! What can be asked, whoever answers: a server or the embedded store.

mod effect;
mod entry;
mod versioned;

use bytes::Bytes;

pub(crate) use self::{
    entry::{EntryAct, EntryCommand, EntryFill, Seen, Tell, version, version_id},
    versioned::{Versioned, VersionedKeys, VersionedValue},
};
use crate::ttl::Ttl;

/// One question. Its keys are as the server knows them, its arguments are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Get {
        key: Bytes,
    },
    GetMany {
        keys: Vec<Bytes>,
    },
    /// Values with how long they will live, for the near cache. The answer is one list: value, milliseconds as `PTTL` tells them, value,
    /// milliseconds, and so on; an error stands in the place of its value. Only servers are asked so.
    GetWithTtl {
        keys: Vec<Bytes>,
    },
    /// A value with the versions that it depends on, for the read-through cache. The answer is [`Versioned::answer`]'s.
    GetVersioned(Versioned),
    Set(Set),
    SetMany {
        pairs: Vec<(Bytes, Bytes)>,
        ttl: Option<Ttl>,
    },
    Delete {
        keys: Vec<Bytes>,
    },
    Exists {
        key: Bytes,
    },
    Expire {
        key: Bytes,
        ttl: Ttl,
    },
    IncrBy {
        key: Bytes,
        by: i64,
        /// How long the counter will live if this creates it.
        ttl: Option<Ttl>,
    },
    /// Sets a string, or deletes it, if it is still what was read before.
    CompareAndSet {
        key: Bytes,
        old: Option<Bytes>,
        new: Option<Bytes>,
        /// How long it will live; as long as what it replaces, if not said.
        ttl: Option<Ttl>,
    },
    HashSet {
        key: Bytes,
        fields: Vec<(Bytes, Bytes)>,
    },
    /// A hash as a whole: no field of what was there stays.
    HashReplace {
        key: Bytes,
        fields: Vec<(Bytes, Bytes)>,
        expiry: Expiry,
        /// Only if there is no such key.
        is_new: bool,
    },
    HashGet {
        key: Bytes,
        field: Bytes,
    },
    /// A step of the read-through cache.
    Entry(Box<EntryCommand>),
    /// The same at many keys, in one go: stores an envelope at each, and answers with a list of numbers, or an error in the place of one.
    FillMany(Vec<EntryFill>),
    Call(Call),
}

/// Any other command, in the words of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<Arg>,
    pub(crate) guard: Guard,
}

/// One word after the name of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arg {
    Key(Bytes),
    Other(Bytes),
}

/// How a reply is kept in a shape that cannot be taken for a pub/sub message: no list may begin with what a user has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The reply is no list, or begins with what no user writes.
    Needless,
    /// The argument in this place gets one in front of it that stands for nothing, and its reply is dropped.
    AbsentAt(usize),
    /// A script puts a list around the list.
    Wrapped,
    /// This script asks instead, where not every server has the command in this form. `KEYS`: the keys; `ARGV`: the command, then its other
    /// words.
    Scripted(&'static str),
}

/// `SET` with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) expiry: Expiry,
    pub(crate) condition: Option<Condition>,
    /// Whether the answer is the value that was there before.
    pub(crate) returns_old: bool,
}

/// How long what is set will live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expiry {
    /// Until it is deleted.
    #[default]
    Never,
    /// As long as what it replaces.
    Keep,
    In(Ttl),
    /// At so many milliseconds after 1970.
    At(i64),
}

/// When to set at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `NX`.
    IfAbsent,
    /// `XX`.
    IfPresent,
}

impl Command {
    /// Returns the name that logs and spans give the operation.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "GET",
            Self::GetMany { .. } | Self::GetVersioned(_) => "MGET",
            Self::GetWithTtl { .. } => "EVAL",
            Self::Set(_) => "SET",
            Self::SetMany { ttl: None, .. } => "MSET",
            Self::SetMany { ttl: Some(_), .. } => "EVAL",
            Self::Delete { .. } => "DEL",
            Self::Exists { .. } => "EXISTS",
            Self::Expire { .. } => "PEXPIRE",
            Self::IncrBy { ttl: None, .. } => "INCRBY",
            Self::IncrBy { ttl: Some(_), .. } | Self::CompareAndSet { .. } | Self::HashReplace { .. } => "EVAL",
            Self::Entry(_) | Self::FillMany(_) => "EVAL",
            Self::HashSet { .. } => "HSET",
            Self::HashGet { .. } => "HGET",
            Self::Call(call) => call.name,
        }
    }

    /// Returns the first key.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Get { key }
            | Self::Set(Set { key, .. })
            | Self::Exists { key }
            | Self::Expire { key, .. }
            | Self::IncrBy { key, .. }
            | Self::CompareAndSet { key, .. }
            | Self::HashSet { key, .. }
            | Self::HashReplace { key, .. }
            | Self::HashGet { key, .. } => Some(key),
            Self::Entry(entry) => Some(&entry.key),
            Self::FillMany(fills) => fills.first().map(|fill| &fill.key[..]),
            Self::GetVersioned(versioned) => Some(versioned.key()),
            Self::GetMany { keys } | Self::GetWithTtl { keys } | Self::Delete { keys } => {
                keys.first().map(|key| &key[..])
            }
            Self::SetMany { pairs, .. } => pairs.first().map(|(key, _)| &key[..]),
            Self::Call(call) => call.keys().next().map(|key| &key[..]),
        }
    }

    /// Says whether its values travel on a connection of their own.
    pub(crate) fn is_large(&self) -> bool {
        self.payload_len() >= LARGE
    }

    /// Returns how many bytes of values go to the server.
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Set(set) => set.value.len(),
            Self::SetMany { pairs, .. }
            | Self::HashSet { fields: pairs, .. }
            | Self::HashReplace { fields: pairs, .. } => {
                pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
            }
            Self::CompareAndSet { old, new, .. } => [old, new].into_iter().flatten().map(Bytes::len).sum(),
            Self::Entry(entry) => entry.payload_len(),
            Self::FillMany(fills) => fills.iter().map(|fill| fill.envelope.len()).sum(),
            Self::Call(call) => call.args.iter().map(|arg| arg.bytes().len()).sum(),
            _ => 0,
        }
    }
}

/// Values from this size on would hold small ones up.
const LARGE: usize = 1024 * 1024;

impl Call {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            args: Vec::with_capacity(4),
            guard: Guard::Needless,
        }
    }

    pub(crate) fn key(mut self, key: Bytes) -> Self {
        self.args.push(Arg::Key(key));
        self
    }

    pub(crate) fn keys_of(mut self, keys: impl IntoIterator<Item = Bytes>) -> Self {
        self.args.extend(keys.into_iter().map(Arg::Key));
        self
    }

    /// Adds keys, each with its value.
    pub(crate) fn pairs(mut self, pairs: impl IntoIterator<Item = (Bytes, Bytes)>) -> Self {
        let pairs = pairs.into_iter();
        self.args
            .extend(pairs.flat_map(|(key, value)| [Arg::Key(key), Arg::Other(value)]));
        self
    }

    pub(crate) fn arg(mut self, arg: impl Into<Bytes>) -> Self {
        self.args.push(Arg::Other(arg.into()));
        self
    }

    pub(crate) fn args<A: Into<Bytes>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| Arg::Other(arg.into())));
        self
    }

    pub(crate) fn number(self, number: impl ToString) -> Self {
        self.arg(number.to_string())
    }

    /// Adds a word if it is asked for.
    pub(crate) fn flag(self, word: &'static str, is_asked_for: bool) -> Self {
        if is_asked_for { self.arg(word) } else { self }
    }

    pub(crate) fn guarded(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Returns the keys, as far as they are marked as such.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Key(key) => Some(key),
            Arg::Other(_) => None,
        })
    }
}

impl From<Call> for Command {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

impl Arg {
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Key(bytes) | Self::Other(bytes) => bytes,
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Key(bytes) | Self::Other(bytes) => bytes,
        }
    }
}
