//! A connection beside the main one, opened by the first who needs it.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::connection::Connection;

/// The connection, if it is open.
#[derive(Debug, Default)]
pub(super) struct Aside(Mutex<Option<Arc<Beside>>>);

/// A connection and its share of the pool's bound.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) connection: Connection,
    pub(super) budget: OwnedSemaphorePermit,
}

impl Aside {
    /// Returns the connection. Opens one if there is none; `None` if that is not possible.
    pub(super) async fn get(&self, open: impl AsyncFnOnce() -> Option<Beside>) -> Option<Arc<Beside>> {
        let mut current = self.0.lock().await;
        if let Some(open) = current.as_ref().filter(|open| !open.connection.is_closed()) {
            return Some(Arc::clone(open));
        }
        *current = None;
        let opened = Arc::new(open().await?);
        *current = Some(Arc::clone(&opened));
        Some(opened)
    }

    /// Closes a connection on which something has failed: that keeps the server from executing what the caller was told had failed.
    pub(super) async fn give_up(&self, failed: &Arc<Beside>) {
        let mut current = self.0.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, failed)) {
            *current = None;
        }
    }

    /// Closes the connection. One that is just being opened is for its opener to close.
    pub(super) fn close(&self) {
        if let Ok(mut current) = self.0.try_lock() {
            *current = None;
        }
    }
}
