//! Bytes to text and JSON and back. The only room that names `serde_json`.

mod fields;

use std::any::type_name;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

pub(crate) use self::fields::{from_fields, to_fields};
use crate::error::{Error, ErrorKind, Result};

/// Reads text. Never replaces what is not UTF-8.
pub(crate) fn text(bytes: Bytes) -> Result<String> {
    String::from_utf8(bytes.into()).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::Decode, format!("not UTF-8 text from byte {valid}"))
    })
}

/// Writes JSON.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    match serde_json::to_vec(value) {
        Ok(json) => Ok(json.into()),
        Err(_) => {
            let message = format!("{}: the value cannot be written as JSON", type_name::<T>());
            Err(Error::new(ErrorKind::Encode, message))
        }
    }
}

/// Reads JSON. An error says type and position, not content: `serde_json`'s own message quotes the value.
pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let what = match error.classify() {
            Category::Io | Category::Syntax => "is not JSON",
            Category::Data => "has another shape",
            Category::Eof => "ends too early",
        };
        let (type_name, line, column) = (type_name::<T>(), error.line(), error.column());
        let message = format!("{type_name}: the value {what} (line {line}, column {column})");
        Error::new(ErrorKind::Decode, message)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_decode_error_names_type_and_position_but_never_the_content() {
        let error = from_json::<HashMap<String, u32>>(br#"{"a": "sesame"}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("HashMap"), "{error}");
        assert!(error.to_string().contains("line 1, column 14"), "{error}");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn a_map_with_keys_that_json_has_not_is_an_encode_error() {
        let error = to_json(&HashMap::from([(vec![1], 2)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
    }

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
