//! From a reply to the type that the caller asked for.

use std::{
    any::type_name,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    convert::identity,
    hash::{BuildHasher, Hash},
    str::FromStr,
};

use bytes::Bytes;

use super::Reply;
use crate::{
    codec,
    error::{Error, ErrorKind, Result},
};

/// What an answer can be read as: text, bytes, numbers, `bool`; lists, sets, maps and tuples of them; [`Json`](crate::Json) for what is stored
/// as JSON. An `Option` is `None` where there is nothing, a `Result` keeps an error in its place.
///
/// Numbers are read from numbers and from decimal text; `bool` from numbers, `true` and `false`. A list of pairs reads as a
/// map too. `Vec<u8>` is a list of small numbers: for bytes, ask for [`Bytes`].
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let hash = redis.service().hash();
/// hash.hset("stock", [("apples", 3), ("pears", 5)]).await?;
/// let apples: Option<u32> = hash.hget("stock", "apples").await?;
/// let all: HashMap<String, u32> = hash.hgetall("stock").await?;
/// assert_eq!((apples, all["pears"]), (Some(3), 5));
/// # Ok(())
/// # }
/// ```
pub trait FromReply: Sized {
    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// - The reply has another shape, or is itself an error.
    fn from_reply(reply: Reply) -> Result<Self>;
}

impl FromReply for Reply {
    fn from_reply(reply: Reply) -> Result<Self> {
        Ok(reply)
    }
}

/// Whatever was answered, unless it is an error.
impl FromReply for () {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Error(error) => Err(error),
            _ => Ok(()),
        }
    }
}

impl FromReply for Bytes {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Bytes(bytes) => Ok(bytes),
            Reply::Ok => Ok(Self::from_static(b"OK")),
            Reply::Integer(integer) => Ok(integer.to_string().into()),
            Reply::Double(double) => Ok(double.to_string().into()),
            other => Err(other.unexpected("a value")),
        }
    }
}

impl FromReply for String {
    fn from_reply(reply: Reply) -> Result<Self> {
        codec::text(Bytes::from_reply(reply)?)
    }
}

impl FromReply for bool {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Boolean(flag) => Ok(flag),
            Reply::Integer(integer) => Ok(integer != 0),
            Reply::Ok => Ok(true),
            Reply::Nil => Ok(false),
            Reply::Bytes(bytes) => match &bytes[..] {
                b"1" | b"true" => Ok(true),
                b"0" | b"false" => Ok(false),
                _ => Err(misread::<Self>("the value is neither 1, 0, true nor false")),
            },
            other => Err(other.unexpected("yes or no")),
        }
    }
}

impl<T: FromReply> FromReply for Option<T> {
    fn from_reply(reply: Reply) -> Result<Self> {
        match reply {
            Reply::Nil => Ok(None),
            other => T::from_reply(other).map(Some),
        }
    }
}

/// Keeps an error in its place among several answers.
impl<T: FromReply> FromReply for Result<T> {
    fn from_reply(reply: Reply) -> Result<Self> {
        Ok(match reply {
            Reply::Error(error) => Err(error),
            other => T::from_reply(other),
        })
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl FromReply for $integer {
            fn from_reply(reply: Reply) -> Result<Self> {
                match reply {
                    Reply::Integer(integer) => integer
                        .try_into()
                        .map_err(|_overflow| misread::<Self>("the number is out of range")),
                    Reply::Boolean(flag) => Ok(flag.into()),
                    Reply::Bytes(bytes) => parse(&bytes),
                    other => Err(other.unexpected("an integer")),
                }
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! floats {
    ($($float:ty: $of_double:path),*) => {$(
        impl FromReply for $float {
            #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
            fn from_reply(reply: Reply) -> Result<Self> {
                match reply {
                    Reply::Double(double) => Ok($of_double(double)),
                    Reply::Integer(integer) => Ok(integer as Self),
                    Reply::Bytes(bytes) => parse(&bytes),
                    other => Err(other.unexpected("a float")),
                }
            }
        }
    )*};
}

floats!(f32: nearest, f64: identity);

#[expect(clippy::cast_possible_truncation, reason = "no more is asked for")]
fn nearest(double: f64) -> f32 {
    double as f32
}

fn parse<T: FromStr>(bytes: &Bytes) -> Result<T> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| misread::<T>("the value is no such number"))
}

fn misread<T>(why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("{}: {why}", type_name::<T>()))
}

impl<T: FromReply> FromReply for Vec<T> {
    fn from_reply(reply: Reply) -> Result<Self> {
        items(reply).collect()
    }
}

impl<T: FromReply + Eq + Hash, S: BuildHasher + Default> FromReply for HashSet<T, S> {
    fn from_reply(reply: Reply) -> Result<Self> {
        items(reply).collect()
    }
}

impl<T: FromReply + Ord> FromReply for BTreeSet<T> {
    fn from_reply(reply: Reply) -> Result<Self> {
        items(reply).collect()
    }
}

impl<K: FromReply + Eq + Hash, V: FromReply, S: BuildHasher + Default> FromReply for HashMap<K, V, S> {
    fn from_reply(reply: Reply) -> Result<Self> {
        pairs(reply)?.into_iter().map(read_pair).collect()
    }
}

impl<K: FromReply + Ord, V: FromReply> FromReply for BTreeMap<K, V> {
    fn from_reply(reply: Reply) -> Result<Self> {
        pairs(reply)?.into_iter().map(read_pair).collect()
    }
}

fn items<T: FromReply>(reply: Reply) -> impl Iterator<Item = Result<T>> {
    let (replies, error) = match reply {
        Reply::Map(pairs) => (
            pairs
                .into_iter()
                .map(|(name, value)| Reply::Array(vec![name, value]))
                .collect(),
            None,
        ),
        other => match other.into_array() {
            Ok(replies) => (replies, None),
            Err(error) => (Vec::new(), Some(error)),
        },
    };
    let at = |(at, item): (usize, Reply)| T::from_reply(item).map_err(|error| error.at(at));
    error
        .map(Err)
        .into_iter()
        .chain(replies.into_iter().enumerate().map(at))
}

/// Pairs come as a map, as a list of lists of two, or one after the other.
fn pairs(reply: Reply) -> Result<Vec<(Reply, Reply)>> {
    let replies = match reply {
        Reply::Map(pairs) => return Ok(pairs),
        other => other.into_array()?,
    };
    let mut pairs = Vec::with_capacity(replies.len());
    let mut replies = replies.into_iter();
    while let Some(name) = replies.next() {
        match name {
            Reply::Array(pair) => {
                let [name, value] =
                    <[Reply; 2]>::try_from(pair).map_err(|other| Reply::Array(other).unexpected("a pair"))?;
                pairs.push((name, value));
            }
            name => {
                let value = replies.next();
                pairs.push((name, value.ok_or_else(|| Reply::Nil.unexpected("pairs"))?));
            }
        }
    }
    Ok(pairs)
}

fn read_pair<K: FromReply, V: FromReply>((name, value): (Reply, Reply)) -> Result<(K, V)> {
    Ok((K::from_reply(name)?, V::from_reply(value)?))
}

macro_rules! tuples {
    ($(($($item:ident),+))*) => {$(
        /// A list of exactly so many answers.
        impl<$($item: FromReply),+> FromReply for ($($item,)+) {
            fn from_reply(reply: Reply) -> Result<Self> {
                const COUNT: usize = [$(stringify!($item)),+].len();
                let replies = reply.into_array()?;
                let count = replies.len();
                if count != COUNT {
                    let message = format!("expected {COUNT} answers, there are {count}");
                    return Err(Error::new(ErrorKind::Decode, message));
                }
                let mut replies = replies.into_iter();
                Ok(($($item::from_reply(replies.next().unwrap_or(Reply::Nil))?,)+))
            }
        }
    )*};
}

tuples! {
    (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G) (A, B, C, D, E, F, G, H)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_list_reads_as_what_is_asked_for() {
        let reply = Reply::Array(vec![bytes("1"), Reply::Integer(2)]);
        assert_eq!(Vec::<i64>::from_reply(reply.clone()).unwrap(), [1, 2]);
        assert_eq!(
            HashMap::<String, u8>::from_reply(reply.clone()).unwrap(),
            HashMap::from([("1".to_owned(), 2)])
        );
        assert_eq!(<(u8, String)>::from_reply(reply).unwrap(), (1, "2".to_owned()));
    }

    #[test]
    fn pairs_read_from_every_form_that_servers_use() {
        let right = BTreeMap::from([("a".to_owned(), 1)]);
        for reply in [
            Reply::Map(vec![(bytes("a"), bytes("1"))]),
            Reply::Array(vec![bytes("a"), bytes("1")]),
            Reply::Array(vec![Reply::Array(vec![bytes("a"), bytes("1")])]),
        ] {
            assert_eq!(BTreeMap::from_reply(reply).unwrap(), right);
        }
        assert!(BTreeMap::<String, i64>::from_reply(Reply::Array(vec![bytes("a")])).is_err());
    }

    #[test]
    fn an_error_says_type_and_place_but_not_the_content() {
        let error = Vec::<u8>::from_reply(Reply::Array(vec![bytes("1"), bytes("sesame")])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.message(), "u8: the value is no such number (at 1)");
        let error = u8::from_reply(Reply::Integer(256)).unwrap_err();
        assert_eq!(error.message(), "u8: the number is out of range");
        let error = <(i64, i64)>::from_reply(Reply::Array(vec![Reply::Nil])).unwrap_err();
        assert_eq!(error.message(), "expected 2 answers, there are 1");
    }

    #[test]
    fn an_error_among_answers_stays_in_its_place_if_asked_for() {
        let error = Error::new(ErrorKind::WrongType, "WRONGTYPE");
        let reply = Reply::Array(vec![Reply::Error(error.clone()), Reply::Integer(1)]);
        let (first, second) = <(Result<i64>, Result<i64>)>::from_reply(reply.clone()).unwrap();
        assert_eq!(first.unwrap_err().kind(), ErrorKind::WrongType);
        assert_eq!(second.unwrap(), 1);
        assert_eq!(
            <(i64, i64)>::from_reply(reply).unwrap_err().kind(),
            ErrorKind::WrongType
        );
    }

    #[test]
    fn infinities_and_booleans() {
        assert_eq!(f64::from_reply(bytes("inf")).unwrap(), f64::INFINITY);
        assert_eq!(
            f64::from_reply(Reply::Double(f64::NEG_INFINITY)).unwrap(),
            f64::NEG_INFINITY
        );
        assert!(bool::from_reply(bytes("true")).unwrap());
        assert!(bool::from_reply(bytes("maybe")).is_err());
    }
}
