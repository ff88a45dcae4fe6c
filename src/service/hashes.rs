//! `HSET`, `HGET`.

use super::{Command, Reply, Result, Service, codec};
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
        self.call(build, Reply::into_count).await
    }

    pub(crate) async fn hget(&self, key: impl Into<Key>, field: impl Into<Value>) -> Result<Option<String>> {
        let build = |prefix: &Prefix| {
            Ok(Command::HashGet {
                key: prefix.key(key.into())?,
                field: field.into().into_bytes(),
            })
        };
        self.call(build, |reply| reply.into_bytes()?.map(codec::text).transpose())
            .await
    }
}
