//! What is answered, whoever answers, and how it becomes what the caller asked for.

mod encoded;
mod read;

use bytes::Bytes;

#[cfg(feature = "msgpack")]
pub use self::encoded::MessagePack;
pub use self::{encoded::Json, read::FromReply};
use crate::error::{Error, ErrorKind, Result};

/// One answer, as it came. Read it as a type with [`FromReply`]; look into it where the shape is not known beforehand, as a
/// script's.
///
/// # Examples
///
/// ```
/// use redis_manager::{FromReply, Reply};
///
/// let reply = Reply::Array(vec![Reply::Integer(1), Reply::Nil]);
/// assert_eq!(<(i64, Option<String>)>::from_reply(reply)?, (1, None));
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// There is nothing.
    Nil,
    /// `OK`.
    Ok,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number; infinite ones occur.
    Double(f64),
    /// Bytes, text included.
    Bytes(Bytes),
    /// Several answers: a list or a set.
    Array(Vec<Self>),
    /// Pairs, in no particular order.
    Map(Vec<(Self, Self)>),
    /// An error in the place of one of several answers.
    Error(Error),
}

impl Reply {
    /// Returns how many bytes its values have.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Array(replies) => replies.iter().map(Self::len).sum(),
            _ => 0,
        }
    }

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

    /// Reads a yes or no that is told by a number.
    pub(crate) fn into_flag(self) -> Result<bool> {
        match self {
            Self::Integer(integer) => Ok(integer > 0),
            Self::Boolean(flag) => Ok(flag),
            other => Err(other.unexpected("0 or 1")),
        }
    }

    /// Reads `OK`.
    pub(crate) fn into_unit(self) -> Result<()> {
        match self {
            Self::Ok => Ok(()),
            other => Err(other.unexpected("OK")),
        }
    }

    /// Reads a list; nothing is the empty list.
    pub(crate) fn into_array(self) -> Result<Vec<Self>> {
        match self {
            Self::Array(replies) => Ok(replies),
            Self::Nil => Ok(Vec::new()),
            other => Err(other.unexpected("a list")),
        }
    }

    /// Finds a field of a map, also if that comes as a list where names and values alternate.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let is_name = |reply: &Self| matches!(reply, Self::Bytes(found) if found == name);
        match self {
            Self::Map(pairs) => pairs.iter().find_map(|(key, value)| is_name(key).then_some(value)),
            Self::Array(words) => words.chunks_exact(2).find_map(|pair| match pair {
                [key, value] if is_name(key) => Some(value),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Names the shapes, never the content.
    pub(crate) fn unexpected(&self, expected: &str) -> Error {
        if let Self::Error(error) = self {
            return error.clone();
        }
        Error::new(
            ErrorKind::Decode,
            format!("expected {expected}, the reply is {}", self.shape()),
        )
    }

    fn shape(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Ok => "OK",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Double(_) => "a float",
            Self::Bytes(_) => "a value",
            Self::Array(_) => "a list",
            Self::Map(_) => "a map",
            Self::Error(_) => "an error",
        }
    }
}
