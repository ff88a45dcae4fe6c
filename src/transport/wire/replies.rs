//! Replies in this crate's words: fred gives values or, where it is asked for them, frames.

use bytes::Bytes;
use fred::{interfaces::Resp3Frame as Frame, types::Value};

use super::super::failure;
use crate::{error::Error, reply::Reply};

/// Longer values stay slices of the read buffer; shorter ones are copied, so that they do not keep it alive, with all that came with them.
const COPIED_BELOW: usize = 1024 * 1024;

pub(super) fn of_value(value: Value) -> Reply {
    match value {
        Value::Boolean(flag) => Reply::Boolean(flag),
        Value::Integer(integer) => Reply::Integer(integer),
        Value::Double(double) => Reply::Double(double),
        Value::String(text) => of_bytes(text.into_inner()),
        Value::Bytes(bytes) => of_bytes(bytes),
        Value::Null => Reply::Nil,
        Value::Queued => Reply::Bytes(Bytes::from_static(b"QUEUED")),
        Value::Map(map) => {
            let pair = |(name, value): (fred::types::Key, Value)| (of_bytes(name.into_bytes()), of_value(value));
            Reply::Map(map.inner().into_iter().map(pair).collect())
        }
        Value::Array(values) => Reply::Array(values.into_iter().map(of_value).collect()),
    }
}

/// Unlike fred's own way it keeps an error in its place among several replies.
pub(super) fn of_frame(frame: Frame) -> Reply {
    match frame {
        Frame::BlobString { data, .. } | Frame::BigNumber { data, .. } | Frame::VerbatimString { data, .. } => {
            of_bytes(data)
        }
        Frame::SimpleString { data, .. } if &data[..] == b"OK" => Reply::Ok,
        Frame::SimpleString { data, .. } => of_bytes(data),
        Frame::SimpleError { data, .. } => Reply::Error(failure::replied(&data)),
        Frame::BlobError { data, .. } => Reply::Error(failure::replied(&String::from_utf8_lossy(&data))),
        Frame::Boolean { data, .. } => Reply::Boolean(data),
        Frame::Number { data, .. } => Reply::Integer(data),
        Frame::Double { data, .. } => Reply::Double(data),
        Frame::Array { data, .. } | Frame::Push { data, .. } => Reply::Array(data.into_iter().map(of_frame).collect()),
        Frame::Set { data, .. } => Reply::Array(data.into_iter().map(of_frame).collect()),
        Frame::Map { data, .. } => Reply::Map(
            data.into_iter()
                .map(|(name, value)| (of_frame(name), of_frame(value)))
                .collect(),
        ),
        _ => Reply::Nil,
    }
}

pub(super) fn of_bytes(bytes: Bytes) -> Reply {
    Reply::Bytes(detached(&bytes))
}

pub(super) fn of_optional(bytes: Option<Bytes>) -> Reply {
    bytes.map_or(Reply::Nil, of_bytes)
}

/// Returns the value of a key, as a slice of the read buffer; `None` for anything but a string.
pub(super) fn slice(frame: Frame) -> Option<Bytes> {
    match frame {
        Frame::BlobString { data, .. } | Frame::SimpleString { data, .. } => Some(data),
        _ => None,
    }
}

/// Returns the value of a key, or the error that stands in its place.
pub(super) fn found(frame: Frame) -> super::Found {
    match of_error(&frame) {
        Some(error) => Err(error),
        None => Ok(slice(frame)),
    }
}

fn of_error(frame: &Frame) -> Option<Error> {
    match frame {
        Frame::SimpleError { data, .. } => Some(failure::replied(data)),
        Frame::BlobError { data, .. } => Some(failure::replied(&String::from_utf8_lossy(data))),
        _ => None,
    }
}

/// Copies a reply out of the read buffer, unless that would take long.
pub(in super::super) fn copied(reply: &Reply) -> Reply {
    match reply {
        Reply::Bytes(bytes) => Reply::Bytes(detached(bytes)),
        Reply::Array(replies) => Reply::Array(replies.iter().map(copied).collect()),
        other => other.clone(),
    }
}

/// Copies a value out of the read buffer, unless that would take long.
pub(in super::super) fn detached(bytes: &Bytes) -> Bytes {
    if bytes.len() < COPIED_BELOW {
        Bytes::copy_from_slice(bytes)
    } else {
        bytes.clone()
    }
}
