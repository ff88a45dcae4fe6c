//! What patterns keep for as long as a manager lives.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// One value of each type that was asked for.
#[derive(Default)]
pub(crate) struct Attached(RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Attached {
    /// Returns the value of this type, made on first use.
    pub(crate) fn of<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&TypeId::of::<T>()).cloned();
        drop(known);
        let value = found.unwrap_or_else(|| {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())))
        });
        // It is of this type: that is what it was found by.
        value.downcast().unwrap_or_default()
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let attached = Attached::default();
        attached.of::<AtomicU8>().store(7, SeqCst);
        assert_eq!(attached.of::<AtomicU8>().load(SeqCst), 7);
        assert!(attached.of::<String>().is_empty());
    }
}
