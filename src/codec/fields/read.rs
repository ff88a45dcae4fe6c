//! From fields to a struct.

use std::{any::type_name, borrow::Cow, fmt, str::FromStr};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use crate::error::{Error, ErrorKind, Result};

/// Reads fields with their values as a struct or a map. An error names the type and, where it is the struct's, the field; never what the
/// hash holds.
pub(crate) fn from_fields<T: DeserializeOwned>(fields: impl IntoIterator<Item = (Bytes, Bytes)>) -> Result<T> {
    let fields: Vec<_> = fields.into_iter().collect();
    let reader = FieldsReader {
        left: &fields,
        value: None,
        known: &[],
    };
    T::deserialize(reader).map_err(|Unread(why)| {
        let message = format!("{}: {why}", type_name::<T>());
        Error::new(ErrorKind::Decode, message)
    })
}

/// Why something was not read, without the content.
#[derive(Debug)]
struct Unread(Cow<'static, str>);

const SHAPE: Unread = Unread(Cow::Borrowed("another shape"));
const NO_TEXT: Unread = Unread(Cow::Borrowed("not UTF-8 text"));

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unread {}

/// serde's own reasons may quote the value; only names from the type itself are kept.
impl serde::de::Error for Unread {
    fn custom<T: fmt::Display>(_reason: T) -> Self {
        SHAPE
    }

    fn invalid_type(_unexpected: Unexpected<'_>, _expected: &dyn Expected) -> Self {
        SHAPE
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("the field {field} is missing").into())
    }

    fn unknown_field(_field: &str, _expected: &'static [&'static str]) -> Self {
        Self("a field that the type has not".into())
    }
}

/// The fields of a hash, one after the other.
struct FieldsReader<'a> {
    left: &'a [(Bytes, Bytes)],
    /// The one whose name was told last.
    value: Option<&'a (Bytes, Bytes)>,
    /// The fields that the type has.
    known: &'static [&'static str],
}

impl<'de> Deserializer<'de> for FieldsReader<'de> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        visitor.visit_map(Self { known, ..self })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map enum
        identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for FieldsReader<'de> {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        let Some((field, rest)) = self.left.split_first() else {
            return Ok(None);
        };
        (self.left, self.value) = (rest, Some(field));
        seed.deserialize(ValueReader(&field.0)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Unread> {
        let (name, value) = self.value.ok_or(SHAPE)?;
        seed.deserialize(ValueReader(value)).map_err(|Unread(why)| {
            let known = self.known.iter().find(|known| known.as_bytes() == name);
            Unread(match known {
                Some(name) => format!("the field {name}: {why}").into(),
                None => format!("a field: {why}").into(),
            })
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// The name or the value of a field, read as the type asks for it.
struct ValueReader<'a>(&'a [u8]);

impl<'a> ValueReader<'a> {
    fn text(&self) -> Result<&'a str, Unread> {
        std::str::from_utf8(self.0).map_err(|_no_text| NO_TEXT)
    }

    fn number<T: FromStr>(&self) -> Result<T, Unread> {
        let number = self.text()?.parse();
        number.map_err(|_no_number| Unread("no such number".into()))
    }

    fn json<T>(
        &self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::SliceRead<'a>>) -> serde_json::Result<T>,
    ) -> Result<T, Unread> {
        let mut json = serde_json::Deserializer::from_slice(self.0);
        let value = read(&mut json).map_err(|error| {
            if error.is_data() {
                SHAPE
            } else {
                Unread("not JSON".into())
            }
        })?;
        json.end().map_err(|_more| Unread("more than JSON".into()))?;
        Ok(value)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
            visitor.$visit(self.number()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for ValueReader<'de> {
    type Error = Unread;

    /// The type does not say what it takes.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if serde_json::from_slice::<serde::de::IgnoredAny>(self.0).is_ok() {
            return self.json(|json| json.deserialize_any(visitor));
        }
        match self.text() {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(self.0),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self.0 {
            b"true" | b"1" => visitor.visit_bool(true),
            b"false" | b"0" => visitor.visit_bool(false),
            _ => Err(Unread("neither true nor false".into())),
        }
    }

    numbers! {
        deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32, deserialize_i64 visit_i64, deserialize_i128 visit_i128,
        deserialize_u8 visit_u8, deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64, deserialize_u128 visit_u128,
        deserialize_f32 visit_f32, deserialize_f64 visit_f64
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_borrowed_bytes(self.0)
    }

    /// A name that is no text is a field that the type has not.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self.text() {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(self.0),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self.0 {
            b"null" => visitor.visit_unit(),
            _ => Err(SHAPE),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.json(|json| json.deserialize_seq(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Unread> {
        self.json(|json| json.deserialize_tuple(len, visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.json(|json| json.deserialize_tuple_struct(name, len, visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.json(|json| json.deserialize_map(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.json(|json| json.deserialize_struct(name, fields, visitor))
    }

    /// The name of a variant without data stands alone; one with data is JSON.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        let text = self.text()?;
        if variants.contains(&text) || !text.starts_with('{') {
            let variant: StrDeserializer<'_, Unread> = text.into_deserializer();
            return visitor.visit_enum(variant);
        }
        self.json(|json| json.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_unit()
    }
}
