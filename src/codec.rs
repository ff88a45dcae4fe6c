//! Bytes to text and typed values, and back. The only room that names `serde_json` and `rmp_serde`.

mod fields;
mod json;
#[cfg(feature = "msgpack")]
mod message_pack;

use std::{any::type_name, str::Utf8Error};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "msgpack")]
pub(crate) use self::message_pack::{from_message_pack, to_message_pack};
pub(crate) use self::{
    fields::{from_fields, to_fields},
    json::{first_from_json, from_json, is_json_number, numbers_from_json, to_json},
};
use crate::error::{Error, ErrorKind, Result};

/// How a typed value becomes bytes.
///
/// | | JSON | MessagePack |
/// |---|---|---|
/// | structs | objects | maps with the names of the fields, so that fields can be added |
/// | keys of maps | strings, numbers and `bool` (all written as strings), enums without data | anything |
/// | `f64` | finite ones to the last bit; NaN and the infinities become `null`, which does not read as a number | all |
/// | `u128`, `i128` | numbers; none inside `#[serde(flatten)]`, `untagged` and internally tagged enums | 16 bytes; likewise |
/// | `Vec<u8>` | a list of numbers | a list of numbers |
/// | `Some(())`, `Some(None)` | read back as `None` | read back as `None` |
///
/// # Examples
///
/// ```
/// use redis_manager::Format;
///
/// let bytes = Format::Json.encode(&vec![Some(1), None])?;
/// assert_eq!(bytes, "[1,null]");
/// assert_eq!(Format::Json.decode::<Vec<Option<u8>>>(&bytes)?, [Some(1), None]);
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// JSON text, which other clients and people can read.
    #[default]
    Json,
    /// MessagePack, smaller and faster. With the feature `msgpack`.
    #[cfg(feature = "msgpack")]
    #[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
    MessagePack,
}

impl Format {
    /// Writes a value.
    ///
    /// # Errors
    ///
    /// - Kind `Encode`: the format has nothing for such a value, as JSON has no keys that are lists; or its `Serialize` fails.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes> {
        match self {
            Self::Json => to_json(value),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => to_message_pack(value),
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// - Kind `Decode`: the bytes are something else. The error says which type was asked for and where it went wrong, never what was there.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T> {
        match self {
            Self::Json => from_json(bytes),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => from_message_pack(bytes),
        }
    }
}

/// Reads text. Never replaces what is not UTF-8.
pub(crate) fn text(bytes: Bytes) -> Result<String> {
    String::from_utf8(bytes.into()).map_err(|error| not_text(error.utf8_error()))
}

fn not_text(error: Utf8Error) -> Error {
    let valid = error.valid_up_to();
    Error::new(ErrorKind::Decode, format!("not UTF-8 text from byte {valid}"))
}

/// Says that a value has no form in a format. The reason may quote the value, so it is left out.
fn not_written<T: ?Sized>(format: &str) -> Error {
    let message = format!("{}: the value cannot be written as {format}", type_name::<T>());
    Error::new(ErrorKind::Encode, message)
}

/// Says type and position, not content: the reasons of the formats' own crates quote the value.
fn not_read<T>(what: &str, position: &str) -> Error {
    let message = format!("{}: the value {what} ({position})", type_name::<T>());
    Error::new(ErrorKind::Decode, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_lossy() {
        assert!(
            text(Bytes::from_static(b"ab\xff"))
                .unwrap_err()
                .to_string()
                .contains("byte 2")
        );
    }
}
