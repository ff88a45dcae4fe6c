//! How the read-through cache keeps a value at a key: a header, and a body.

pub(crate) mod header;
pub(crate) mod packing;

pub(crate) use self::header::{Draft, Header, Kind, Unreadable};
