//! What a hash is.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Collection, Data, owned, pair_cost};

/// Fields and their values.
#[derive(Clone, Default)]
pub(in crate::embedded) struct Hash {
    pub(in crate::embedded) fields: HashMap<Bytes, Bytes>,
    bytes: usize,
}

impl Hash {
    /// Returns how many fields are new.
    pub(in crate::embedded) fn set(&mut self, fields: impl IntoIterator<Item = (Bytes, Bytes)>) -> usize {
        let before = self.fields.len();
        for (field, value) in fields {
            self.bytes += pair_cost(&field, &value);
            if let Some(old) = self.fields.insert(owned(&field), owned(&value)) {
                self.bytes -= pair_cost(&field, &old);
            }
        }
        self.fields.len() - before
    }

    pub(in crate::embedded) fn get(&self, field: &Bytes) -> Option<Bytes> {
        self.fields.get(field).cloned()
    }

    pub(in crate::embedded) fn remove(&mut self, field: &Bytes) -> bool {
        let old = self.fields.remove(field);
        if let Some(old) = &old {
            self.bytes -= pair_cost(field, old);
        }
        old.is_some()
    }
}

impl Collection for Hash {
    fn of(data: &mut Data) -> Option<&mut Self> {
        match data {
            Data::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    fn into_data(self) -> Data {
        Data::Hash(self)
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn cost(&self) -> usize {
        self.bytes
    }
}
