//! `HSET`, `HGET`.

use bytes::Bytes;

use super::{Command, Result, Service};
use crate::{
    key::{Key, Prefix},
    value::Value,
};

impl Service {
    /// Returns how many fields were new.
    pub(crate) async fn hset(&self, key: impl Into<Key>, fields: impl Iterator<Item = (Value, Value)>) -> Result<u64> {
        let mut fields = fields.peekable();
        if fields.peek().is_none() {
            return Ok(0);
        }
        let build = |prefix: &Prefix| {
            Ok(Command::HashSet {
                key: prefix.key(key.into())?,
                fields: fields
                    .map(|(field, value)| (field.into_bytes(), value.into_bytes()))
                    .collect(),
            })
        };
        self.call(build).await?.into_count()
    }

    pub(crate) async fn hget(&self, key: impl Into<Key>, field: impl Into<Value>) -> Result<Option<Bytes>> {
        let build = |prefix: &Prefix| {
            Ok(Command::HashGet {
                key: prefix.key(key.into())?,
                field: field.into().into_bytes(),
            })
        };
        self.call(build).await?.into_bytes()
    }
}
