//! What a key can hold, and what that costs.

mod hash;
mod list;
mod set;
mod sorted_set;

use bytes::Bytes;

pub(super) use self::{
    hash::Hash,
    list::{End, List},
    set::Set,
    sorted_set::SortedSet,
};

#[derive(Clone)]
pub(super) enum Data {
    Text(Bytes),
    Hash(Hash),
    List(List),
    Set(Set),
    SortedSet(SortedSet),
}

/// Data that consists of elements: it comes into being with its first one, and is gone with its last one.
pub(super) trait Collection: Default {
    fn of(data: &mut Data) -> Option<&mut Self>;
    fn into_data(self) -> Data;
    fn is_empty(&self) -> bool;
    /// Returns what it costs in bytes, without looking at every element.
    fn cost(&self) -> usize;
}

/// What an entry, or an element, costs beside its bytes: table slot, list links, reference counts. An estimate.
pub(super) const OVERHEAD: usize = 128;

impl Data {
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Text(value) => value.len(),
            Self::Hash(hash) => hash.cost(),
            Self::List(list) => list.cost(),
            Self::Set(set) => set.cost(),
            Self::SortedSet(set) => set.cost(),
        }
    }

    /// Returns the name of the type, as `TYPE` gives it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
        }
    }
}

pub(super) fn pair_cost(name: &Bytes, value: &Bytes) -> usize {
    name.len() + value.len() + OVERHEAD
}

pub(super) fn element_cost(element: &Bytes) -> usize {
    element.len() + OVERHEAD
}

/// Copies, so that a small slice of a large buffer does not keep the buffer alive.
pub(super) fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
