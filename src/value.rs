//! Plain values on their way to Redis.

use bytes::Bytes;

/// A value to store: text, bytes, an integer or a float.
///
/// Numbers are stored as Redis stores them, as decimal text, so that `INCR` and other clients understand them; a float
/// is written in the shortest form that reads back as the same float.
///
/// # Examples
///
/// ```
/// use redis_manager::Value;
///
/// assert_eq!(Value::from(42).as_bytes(), b"42");
/// assert_eq!(Value::from(0.1).as_bytes(), b"0.1");
/// assert_eq!(Value::from(&[0xff_u8, 0][..]).as_bytes(), [0xff, 0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Value(Bytes);

impl Value {
    /// Returns the bytes as they are sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&Self> for Value {
    fn from(value: &Self) -> Self {
        value.clone()
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Self {
        value.0
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                number.to_string().into()
            }
        }

        impl From<&$number> for Value {
            fn from(number: &$number) -> Self {
                number.to_string().into()
            }
        }
    )*};
}

numbers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64);
