//! The embedded backend, `memory://`: the commands of the server, answered in this process, in bounded memory.
//!
//! It has no outages. What does not fit evicts what was used least recently; what is larger than the whole store is
//! refused as a server without memory would.

mod store;

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use self::store::Store;
use crate::{
    command::{Command, Reply},
    error::Result,
};

/// One store, shared by everybody who holds the manager.
pub(crate) struct Embedded(Mutex<Store>);

impl Embedded {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self(Mutex::new(Store::new(max_bytes)))
    }

    pub(crate) fn execute(&self, command: Command) -> Result<Reply> {
        self.store().execute(command, Instant::now())
    }

    /// A panic while the lock was held would have left the store as consistent as any early return.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
