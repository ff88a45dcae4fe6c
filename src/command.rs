//! What can be asked, and what is answered, whoever answers: a server or the embedded store.

use bytes::Bytes;

use crate::{
    error::{Error, ErrorKind, Result},
    ttl::Ttl,
};

/// One question. Its keys are as the server knows them, its arguments are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Get(Get),
    GetMany {
        keys: Vec<Bytes>,
    },
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
    Ttl {
        key: Bytes,
    },
    IncrBy {
        key: Bytes,
        by: i64,
    },
    HashSet {
        key: Bytes,
        fields: Vec<(Bytes, Bytes)>,
    },
    HashGet {
        key: Bytes,
        field: Bytes,
    },
}

/// `GET`: a type of its own, because the hottest command has a way of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Get {
    pub(crate) key: Bytes,
}

/// `SET` with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) expiry: Expiry,
    pub(crate) condition: Option<Condition>,
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
}

/// When to set at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `NX`.
    IfAbsent,
    /// `XX`.
    IfPresent,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Ok,
    Integer(i64),
    Bytes(Bytes),
    Many(Vec<Option<Bytes>>),
}

impl Get {
    pub(crate) const NAME: &str = "GET";
}

impl From<Get> for Command {
    fn from(get: Get) -> Self {
        Self::Get(get)
    }
}

impl Command {
    /// Returns the name that logs and spans give the operation.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => Get::NAME,
            Self::GetMany { .. } => "MGET",
            Self::Set(_) => "SET",
            Self::SetMany { ttl: None, .. } => "MSET",
            Self::SetMany { ttl: Some(_), .. } => "EVAL",
            Self::Delete { .. } => "DEL",
            Self::Exists { .. } => "EXISTS",
            Self::Expire { .. } => "PEXPIRE",
            Self::Ttl { .. } => "TTL",
            Self::IncrBy { .. } => "INCRBY",
            Self::HashSet { .. } => "HSET",
            Self::HashGet { .. } => "HGET",
        }
    }

    /// Returns the first key.
    pub(crate) fn key(&self) -> Option<&Bytes> {
        match self {
            Self::Get(Get { key })
            | Self::Set(Set { key, .. })
            | Self::Exists { key }
            | Self::Expire { key, .. }
            | Self::Ttl { key }
            | Self::IncrBy { key, .. }
            | Self::HashSet { key, .. }
            | Self::HashGet { key, .. } => Some(key),
            Self::GetMany { keys } | Self::Delete { keys } => keys.first(),
            Self::SetMany { pairs, .. } => pairs.first().map(|(key, _)| key),
        }
    }

    /// Returns how many bytes of values go to the server.
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Set(set) => set.value.len(),
            Self::SetMany { pairs, .. } | Self::HashSet { fields: pairs, .. } => {
                pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
            }
            _ => 0,
        }
    }
}

impl Reply {
    /// Reads a value that may be absent.
    pub(crate) fn into_bytes(self) -> Result<Option<Bytes>> {
        match self {
            Self::Nil => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes)),
            other => Err(other.unexpected("a value")),
        }
    }

    pub(crate) fn into_integer(self) -> Result<i64> {
        match self {
            Self::Integer(integer) => Ok(integer),
            other => Err(other.unexpected("an integer")),
        }
    }

    /// Reads how many there are of something.
    pub(crate) fn into_count(self) -> Result<u64> {
        let integer = self.into_integer()?;
        u64::try_from(integer).map_err(|_negative| Self::Integer(integer).unexpected("a count"))
    }

    /// Reads whether a conditional write was made.
    pub(crate) fn into_done(self) -> Result<bool> {
        match self {
            Self::Ok => Ok(true),
            Self::Nil => Ok(false),
            other => Err(other.unexpected("OK or nothing")),
        }
    }

    pub(crate) fn into_many(self) -> Result<Vec<Option<Bytes>>> {
        match self {
            Self::Many(values) => Ok(values),
            other => Err(other.unexpected("a list")),
        }
    }

    /// Names the shapes, never the content.
    fn unexpected(&self, expected: &str) -> Error {
        let shape = match self {
            Self::Nil => "nothing",
            Self::Ok => "OK",
            Self::Integer(_) => "an integer",
            Self::Bytes(_) => "a value",
            Self::Many(_) => "a list",
        };
        Error::new(
            ErrorKind::Decode,
            format!("the reply is {shape} where {expected} is expected"),
        )
    }
}
