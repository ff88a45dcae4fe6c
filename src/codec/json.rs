//! JSON.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{not_read, not_written};
use crate::error::Result;

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    match serde_json::to_vec(value) {
        Ok(json) => Ok(json.into()),
        Err(_quotes_the_value) => Err(not_written::<T>("JSON")),
    }
}

pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let what = match error.classify() {
            Category::Io | Category::Syntax => "is not JSON",
            Category::Data => "has another shape",
            Category::Eof => "ends too early",
        };
        let position = format!("line {}, column {}", error.line(), error.column());
        not_read::<T>(what, &position)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::error::ErrorKind;

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
}
