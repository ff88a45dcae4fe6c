//! Loading ahead of need.

use std::hash::Hash;

use super::{Cache, Cacheable, load::LoadError};
use crate::typed_key::KeyOf;

/// How far a [`warm`](crate::Cache::warm) has come.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let squares = redis.cache("squares");
/// let keys: Vec<String> = (1..=3).map(|n| n.to_string()).collect();
/// let load = |missing: Vec<String>| async move {
///     let square = |key: &String| key.parse::<u64>().unwrap_or_default().pow(2);
///     Ok::<_, std::io::Error>(missing.iter().map(|key| (key.clone(), square(key))).collect())
/// };
/// let done = squares.warm(keys, load, |progress| println!("{} of {}", progress.done, progress.total)).await;
/// assert_eq!(done.unwrap().found, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Keys that are done with.
    pub done: usize,
    /// All keys.
    pub total: usize,
    /// Keys that have a value now.
    pub found: usize,
}

/// So many keys are read, and loaded, at once.
const PAGE: usize = 500;

/// Loading ahead of need.
impl Cache {
    /// Loads ahead of need what is missing of these keys, 500 at a time, and tells after each how far it has come. What is there is left alone.
    ///
    /// # Errors
    ///
    /// - As [`get_or_load_many`](Self::get_or_load_many); what was loaded until then stays.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it after the load that is under way.
    pub async fn warm<K, T, E, F, Fut>(
        &self,
        keys: impl IntoIterator<Item = K>,
        loader: F,
        mut on_progress: impl FnMut(WarmProgress),
    ) -> Result<WarmProgress, LoadError<E>>
    where
        K: KeyOf<T> + Clone + Eq + Hash + Send + 'static,
        T: Cacheable,
        E: Send + Sync + 'static,
        F: Fn(Vec<K>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Vec<(K, T)>, E>> + Send,
    {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut progress = WarmProgress {
            total: keys.len(),
            ..WarmProgress::default()
        };
        for page in keys.chunks(PAGE) {
            let values = self.get_or_load_many(page.to_vec(), loader.clone()).await?;
            progress.done += page.len();
            progress.found += values.iter().flatten().count();
            on_progress(progress);
        }
        Ok(progress)
    }
}
