//! From a struct to fields.

use std::{any::type_name, fmt};

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{Impossible, SerializeMap, SerializeStruct},
};

use crate::{
    codec::to_json,
    error::{Error, ErrorKind, Result},
};

/// Writes a struct, or a map, as fields with their values; what is `None` is left out.
///
/// # Errors
///
/// - The value is neither a struct nor a map, a name is no text, or something nested has no form in JSON.
pub(crate) fn to_fields<T: Serialize + ?Sized>(value: &T) -> Result<Vec<(Bytes, Bytes)>> {
    match value.serialize(Writer { is_outermost: true }) {
        Ok(Written::Fields(fields)) => Ok(fields),
        Ok(_) | Err(Unwritten) => {
            let message = format!("{}: the value cannot be written as fields of a hash", type_name::<T>());
            Err(Error::new(ErrorKind::Encode, message))
        }
    }
}

/// Writes the outermost value as fields, and the value of a field as text; for what is nested it fails, so that the field becomes JSON.
#[derive(Clone, Copy)]
struct Writer {
    is_outermost: bool,
}

enum Written {
    Absent,
    Text(Bytes),
    Fields(Vec<(Bytes, Bytes)>),
}

/// Fields so far; a map tells name and value one after the other.
#[derive(Default)]
struct Fields {
    written: Vec<(Bytes, Bytes)>,
    name: Option<Bytes>,
}

/// Without a reason: it may quote the value.
#[derive(Debug)]
struct Unwritten;

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not written")
    }
}

impl std::error::Error for Unwritten {}

impl serde::ser::Error for Unwritten {
    fn custom<T: fmt::Display>(_reason: T) -> Self {
        Self
    }
}

const WITHIN: Writer = Writer { is_outermost: false };

impl Fields {
    fn add<T: Serialize + ?Sized>(&mut self, name: Bytes, value: &T) -> Result<(), Unwritten> {
        match value.serialize(WITHIN) {
            Ok(Written::Text(text)) => self.written.push((name, text)),
            Ok(Written::Absent) => {}
            Ok(Written::Fields(_)) | Err(Unwritten) => {
                self.written.push((name, to_json(value).map_err(|_no_json| Unwritten)?));
            }
        }
        Ok(())
    }
}

impl SerializeStruct for Fields {
    type Ok = Written;
    type Error = Unwritten;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritten> {
        self.add(Bytes::from_static(name.as_bytes()), value)
    }

    fn end(self) -> Result<Written, Unwritten> {
        Ok(Written::Fields(self.written))
    }
}

impl SerializeMap for Fields {
    type Ok = Written;
    type Error = Unwritten;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Unwritten> {
        match name.serialize(WITHIN)? {
            Written::Text(name) => {
                self.name = Some(name);
                Ok(())
            }
            Written::Absent | Written::Fields(_) => Err(Unwritten),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritten> {
        let name = self.name.take().ok_or(Unwritten)?;
        self.add(name, value)
    }

    fn end(self) -> Result<Written, Unwritten> {
        Ok(Written::Fields(self.written))
    }
}

macro_rules! plain_text {
    ($($method:ident: $scalar:ty),*) => {$(
        fn $method(self, scalar: $scalar) -> Result<Written, Unwritten> {
            Ok(Written::Text(scalar.to_string().into()))
        }
    )*};
}

impl Serializer for Writer {
    type Ok = Written;
    type Error = Unwritten;
    type SerializeSeq = Impossible<Written, Unwritten>;
    type SerializeTuple = Impossible<Written, Unwritten>;
    type SerializeTupleStruct = Impossible<Written, Unwritten>;
    type SerializeTupleVariant = Impossible<Written, Unwritten>;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Written, Unwritten>;

    plain_text! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char, serialize_str: &str
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Written, Unwritten> {
        Ok(Written::Text(Bytes::copy_from_slice(bytes)))
    }

    fn serialize_none(self) -> Result<Written, Unwritten> {
        Ok(Written::Absent)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Written, Unwritten> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Written, Unwritten> {
        Ok(Written::Text(Bytes::from_static(b"null")))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Written, Unwritten> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Written, Unwritten> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Written, Unwritten> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Written, Unwritten> {
        Err(Unwritten)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, Unwritten> {
        Err(Unwritten)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, Unwritten> {
        Err(Unwritten)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self::SerializeTupleStruct, Unwritten> {
        Err(Unwritten)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritten> {
        Err(Unwritten)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Fields, Unwritten> {
        self.is_outermost.then(Fields::default).ok_or(Unwritten)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Fields, Unwritten> {
        self.is_outermost.then(Fields::default).ok_or(Unwritten)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, Unwritten> {
        Err(Unwritten)
    }
}
