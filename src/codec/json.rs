//! JSON.

use std::{fmt, marker::PhantomData};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Number, error::Category};

use super::{not_read, not_written};
use crate::error::Result;

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    match serde_json::to_vec(value) {
        Ok(json) => Ok(json.into()),
        Err(_quotes_the_value) => Err(not_written::<T>("JSON")),
    }
}

pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    read_as::<T, T>(json)
}

/// Reads the first element of a JSON list, `None` if there is none. The others may be anything.
pub(crate) fn first_from_json<T: DeserializeOwned>(json: &[u8]) -> Result<Option<T>> {
    read_as::<First<T>, T>(json).map(|First(first)| first)
}

/// Reads a JSON list of numbers; what is `null` in it is `None`.
pub(crate) fn numbers_from_json(json: &[u8]) -> Result<Vec<Option<String>>> {
    let numbers: Vec<Option<Number>> = from_json(json)?;
    Ok(numbers
        .into_iter()
        .map(|number| number.as_ref().map(Number::to_string))
        .collect())
}

/// Says whether this is a number as JSON writes it, and a finite one.
pub(crate) fn is_json_number(text: &[u8]) -> bool {
    serde_json::from_slice::<f64>(text).is_ok_and(f64::is_finite)
}

/// Reads one type in the name of another.
fn read_as<R: DeserializeOwned, T>(json: &[u8]) -> Result<R> {
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

/// The first element of a list.
struct First<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor(PhantomData))
    }
}

struct FirstVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
    type Value = First<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
        let first = list.next_element()?;
        while let Some(IgnoredAny) = list.next_element()? {}
        Ok(First(first))
    }
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

    #[test]
    fn the_first_of_a_list_is_read_whatever_the_others_are() {
        assert_eq!(first_from_json::<u8>(br#"[7, "x", {"a": [1]}]"#).unwrap(), Some(7));
        assert_eq!(first_from_json::<Option<u8>>(b"[null]").unwrap(), Some(None));
        assert_eq!(first_from_json::<u8>(b"[]").unwrap(), None);
        for (json, what) in [
            (r#"["sesame"]"#, "u8: the value has another shape (line 1, column 9)"),
            ("7", "u8: the value has another shape (line 1, column 1)"),
            ("[7", "u8: the value ends too early (line 1, column 2)"),
        ] {
            let error = first_from_json::<u8>(json.as_bytes()).unwrap_err();
            assert_eq!(error.message(), what, "{json}");
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let numbers = numbers_from_json(b"[9007199254740993,null,-2.5]").unwrap();
        let texts: Vec<_> = numbers.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("9007199254740993"), None, Some("-2.5")]);
        assert!(numbers_from_json(br#"["1"]"#).is_err());
    }

    #[test]
    fn what_json_does_not_take_for_a_number_is_none() {
        for number in ["0", "-1", "2.5", "1e3"] {
            assert!(is_json_number(number.as_bytes()), "{number}");
        }
        for other in ["", "NaN", "inf", "1e999", "\"1\"", "1 2", "0x1", "null"] {
            assert!(!is_json_number(other.as_bytes()), "{other}");
        }
    }
}
