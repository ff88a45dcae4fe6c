//! Deleting many keys without blocking the server.

use std::{
    fmt,
    future::IntoFuture,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{keys::KeyOperations, scan::Scan};
use crate::{
    error::{Error, Result},
    key::Key,
};

/// A deletion of all keys that match a pattern, page by page (`SCAN` and `UNLINK`): add options, then await it. It answers how many keys were
/// deleted. Returned by [`KeyOperations::delete_pattern`] and [`flush_prefix`](KeyOperations::flush_prefix).
///
/// Keys that are written meanwhile may survive. An error ends it; what was deleted until then stays deleted.
///
/// # Cancel safety
///
/// Dropping its future ends it after the page that is under way.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// redis.set_many([("user:1", "Ada"), ("user:2", "Bob"), ("other", "x")]).await;
/// let deletion = redis.service().keys().delete_pattern("user:*");
/// let stop = deletion.stop_handle(); // stop.stop() from anywhere ends it after its present page
/// let deleted = deletion.on_progress(|so_far| println!("{so_far} deleted")).await?;
/// assert_eq!((deleted, stop.is_stopped()), (2, false));
/// assert!(redis.exists("other").await);
/// # Ok(())
/// # }
/// ```
#[must_use = "a deletion does nothing unless awaited"]
pub struct Deletion<'a> {
    keys: KeyOperations<'a>,
    scan: Result<Scan<'a, Key>>,
    stop: StopHandle,
    on_progress: Box<dyn FnMut(u64) + Send + 'a>,
}

/// Ends a [`Deletion`] from elsewhere.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// redis.set("k", "v").await;
/// let deletion = redis.service().keys().delete_pattern("*");
/// deletion.stop_handle().stop();
/// assert_eq!(deletion.await?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// Ends the deletion after the page that is under way.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Says whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<'a> KeyOperations<'a> {
    /// Deletes all keys that match a pattern (as [`scan`](Self::scan) matches it), within the configured prefix. Two round trips for each page of
    /// about 500 keys of the database; the server is never blocked for longer than a page takes.
    ///
    /// Fails with kind `InvalidArgument` if the pattern is empty.
    pub fn delete_pattern(&self, pattern: impl AsRef<[u8]>) -> Deletion<'a> {
        Deletion {
            keys: *self,
            scan: Ok(self.scan(pattern)),
            stop: StopHandle::default(),
            on_progress: Box::new(|_| {}),
        }
    }

    /// Deletes all keys under the configured prefix, and none else: never `FLUSHDB`. Otherwise as [`delete_pattern`](Self::delete_pattern).
    ///
    /// Fails with kind `InvalidArgument` if no prefix is configured, since that would be everybody's keys.
    pub fn flush_prefix(&self) -> Deletion<'a> {
        let scan = if self.road.prefix().is_empty() {
            Err(Error::invalid(
                "there is no key prefix: this would delete everybody's keys",
            ))
        } else {
            Ok(self.scan("*"))
        };
        Deletion {
            scan,
            ..self.delete_pattern("*")
        }
    }
}

impl<'a> Deletion<'a> {
    /// Looks at about so many keys of the database at a time; 500 unless told otherwise.
    pub fn page(self, keys: u32) -> Self {
        Self {
            scan: self.scan.map(|scan| scan.count(keys)),
            ..self
        }
    }

    /// Tells after each page how many keys were deleted so far.
    pub fn on_progress(self, tell: impl FnMut(u64) + Send + 'a) -> Self {
        Self {
            on_progress: Box::new(tell),
            ..self
        }
    }

    /// Returns what ends it from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    async fn run(mut self) -> Result<u64> {
        let mut scan = self.scan?;
        let mut deleted = 0;
        while !self.stop.is_stopped()
            && let Some(page) = scan.next_page().await
        {
            deleted += self.keys.unlink(page?).await?;
            (self.on_progress)(deleted);
        }
        Ok(deleted)
    }
}

impl<'a> IntoFuture for Deletion<'a> {
    type Output = Result<u64>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<u64>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Deletion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deletion").finish_non_exhaustive()
    }
}
