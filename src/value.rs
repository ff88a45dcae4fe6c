//! Plain values on their way to Redis.

use bytes::Bytes;
use serde::Serialize;

use crate::{codec::Format, error::Result};

/// A value to store: text, bytes, an integer, a float or a `bool`; or anything else as [`json`](Self::json).
///
/// Numbers are stored as Redis stores them, as decimal text, so that `INCR` and other clients understand them; a float
/// is written in the shortest form that reads back as the same float. A `bool` is stored as `1` or `0`.
///
/// # Examples
///
/// ```
/// use redis_manager::Value;
///
/// assert_eq!(Value::from(42).as_bytes(), b"42");
/// assert_eq!(Value::from(0.1).as_bytes(), b"0.1");
/// assert_eq!(Value::from(true).as_bytes(), b"1");
/// assert_eq!(Value::from(&[0xff_u8, 0][..]).as_bytes(), [0xff, 0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Value(Bytes);

impl Value {
    /// Writes a value as JSON. Read it as [`Json`](crate::Json), or by [`json()`](crate::RedisService::json).
    ///
    /// # Errors
    ///
    /// - Kind `Encode`: JSON has nothing for such a value; see [`Format`].
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, Json, RedisManager, Value};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let hash = redis.service().hash();
    /// hash.hset("user:7", [("tags", Value::json(&["admin", "author"])?), ("age", 36.into())]).await?;
    /// let tags: Option<Json<Vec<String>>> = hash.hget("user:7", "tags").await?;
    /// assert_eq!(tags.unwrap().0, ["admin", "author"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::encoded(Format::Json, value)
    }

    /// Writes a value as MessagePack. Read it as [`MessagePack`](crate::MessagePack), or by
    /// [`message_pack()`](crate::RedisService::message_pack).
    ///
    /// # Errors
    ///
    /// - Kind `Encode`: the value's `Serialize` fails.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(redis_manager::Value::message_pack(&[1, 2])?.as_bytes(), [0x92, 1, 2]);
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    #[cfg(feature = "msgpack")]
    #[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
    pub fn message_pack<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::encoded(Format::MessagePack, value)
    }

    pub(crate) fn encoded<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Self> {
        format.encode(value).map(Self)
    }

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

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self(Bytes::from_static(if flag { b"1" } else { b"0" }))
    }
}

impl From<&bool> for Value {
    fn from(flag: &bool) -> Self {
        (*flag).into()
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
