//! What the RedisJSON module replies, in the shapes of its versions.

use serde::de::DeserializeOwned;

use crate::{
    codec,
    error::{Error, Result},
    reply::{FromReply, Reply},
};

/// The types of JSON values, numbers told apart as RedisJSON stores them. Returned by [`JsonModuleOperations::type_of`](crate::JsonModuleOperations::type_of).
///
/// # Examples
///
/// ```
/// use redis_manager::JsonType;
///
/// let found = [JsonType::Object, JsonType::Integer];
/// assert!(found.contains(&JsonType::Integer));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Another number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

pub(super) fn first<T: DeserializeOwned>(reply: Reply) -> Result<Option<T>> {
    let json = reply.into_bytes()?;
    Ok(json.map(|json| codec::first_from_json(&json)).transpose()?.flatten())
}

pub(super) fn all<T: DeserializeOwned>(reply: Reply) -> Result<Vec<T>> {
    let json = reply.into_bytes()?;
    json.map_or_else(|| Ok(Vec::new()), |json| codec::from_json(&json))
}

pub(super) fn firsts<T: DeserializeOwned>(reply: Reply) -> Result<Vec<Option<T>>> {
    let replies = reply.into_array()?.into_iter().enumerate();
    let one = |(at, reply)| first(reply).map_err(|error: Error| error.at(at));
    replies.map(one).collect()
}

pub(super) fn popped<T: DeserializeOwned>(reply: Reply) -> Result<Vec<Option<T>>> {
    let replies = reply.into_array()?.into_iter().enumerate();
    let one = |(at, reply): (usize, Reply)| {
        let json = reply.into_bytes()?;
        let element = json.map(|json| codec::from_json(&json)).transpose();
        element.map_err(|error: Error| error.at(at))
    };
    replies.map(one).collect()
}

/// A module that does not know RESP3 replies the list as JSON text.
pub(super) fn numbers<T: FromReply>(reply: Reply) -> Result<Vec<Option<T>>> {
    let Reply::Bytes(json) = reply else {
        return Vec::from_reply(reply);
    };
    let number = |number: Option<String>| number.map_or(Reply::Nil, |number| Reply::Bytes(number.into()));
    let numbers = codec::numbers_from_json(&json)?;
    Vec::from_reply(Reply::Array(numbers.into_iter().map(number).collect()))
}

/// Under RESP3 there is a list around the list, or around each of its elements; a module that does not know RESP3 replies a plain list.
pub(super) fn types(reply: Reply) -> Result<Vec<JsonType>> {
    let mut types = Vec::new();
    let mut replies = vec![reply];
    while let Some(reply) = replies.pop() {
        match reply {
            Reply::Nil => {}
            Reply::Array(inner) => replies.extend(inner.into_iter().rev()),
            other => types.push(JsonType::from_reply(other)?),
        }
    }
    Ok(types)
}

impl FromReply for JsonType {
    fn from_reply(reply: Reply) -> Result<Self> {
        Ok(match String::from_reply(reply)?.as_str() {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return Err(Error::decode("JsonType: the value is no type of JSON")),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn bytes(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn replies_are_read_in_the_shapes_of_every_version() {
        let nested = |names: Vec<Reply>| Reply::Array(vec![Reply::Array(names)]);
        let right = [JsonType::Integer, JsonType::Array];
        assert_eq!(types(nested(vec![bytes("integer"), bytes("array")])).unwrap(), right);
        assert_eq!(
            types(Reply::Array(vec![bytes("integer"), bytes("array")])).unwrap(),
            right
        );
        let each = [bytes("integer"), bytes("array")].map(|name| Reply::Array(vec![name]));
        assert_eq!(types(Reply::Array(each.to_vec())).unwrap(), right);
        for nothing in [Reply::Nil, Reply::Array(vec![Reply::Nil]), nested(Vec::new())] {
            assert_eq!(types(nothing).unwrap(), []);
        }
        assert!(types(bytes("document")).is_err());

        let sums = Reply::Array(vec![Reply::Integer(2), Reply::Nil, Reply::Integer(5)]);
        assert_eq!(numbers::<i64>(sums).unwrap(), [Some(2), None, Some(5)]);
        assert_eq!(numbers::<i64>(bytes("[2,null,5]")).unwrap(), [Some(2), None, Some(5)]);
        assert_eq!(numbers::<f64>(bytes("[2.5]")).unwrap(), [Some(2.5)]);

        let flags = Reply::Array(vec![Reply::Integer(1), Reply::Nil, Reply::Boolean(false)]);
        assert_eq!(
            Vec::<Option<bool>>::from_reply(flags).unwrap(),
            [Some(true), None, Some(false)]
        );
        let error = popped::<u8>(Reply::Array(vec![bytes("1"), bytes("\"sesame\"")])).unwrap_err();
        assert_eq!(
            error.message(),
            "u8: the value has another shape (line 1, column 8) (at 1)"
        );
    }
}
