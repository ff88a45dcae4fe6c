//! How many connections to a server may be open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Takes the right to one more, unless it is the last: that is kept for a runtime that has none.
pub(super) fn spare(budget: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(budget).try_acquire_many_owned(2).ok()?.split(1)
}
