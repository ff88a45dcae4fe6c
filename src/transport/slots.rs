//! For patterns that keep several keys together: where they are in a cluster.

use super::{
    call::{Backend, Road},
    topology::{Topology, slot_of, tags},
};
use crate::key::Key;

impl Road {
    /// Returns a number whose digits, as a hash tag, are in the slot of a key; `None` where there are no slots.
    pub(crate) fn slot_tag(&self, key: &Key) -> Option<u32> {
        let tags = self.slot_tags();
        if tags.is_empty() {
            return None;
        }
        let key = self.prefix().key(key.clone()).ok()?;
        tags.get(usize::from(slot_of(&key))).copied()
    }

    /// Returns such a number for each slot; none where there are no slots.
    pub(crate) fn slot_tags(&self) -> &'static [u32] {
        match &self.backend {
            Backend::Server(Topology::Cluster(_)) => tags(),
            Backend::Server(Topology::One(_)) | Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => &[],
        }
    }
}
