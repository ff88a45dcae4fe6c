//! Values that the caller has: put into the cache, or written to the source and then to the cache.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{
    Cache, Cacheable,
    load::Load,
    reading::{Place, Sight},
    storing::{Content, Item},
};
use crate::typed_key::KeyOf;

/// Values that the caller has.
impl Cache {
    /// Stores a value, whatever is there, and says whether it did. One round trip, two if the namespace was not used lately.
    ///
    /// What cannot be stored invalidates what is there, which is older: `false` in an outage, and the old value is not served after it.
    pub async fn put<T: Cacheable>(&self, key: impl KeyOf<T>, value: &T) -> bool {
        self.put_with(key, Load::new(value.clone())).await
    }

    /// As [`put`](Self::put), with a time to live and tags of its own.
    pub async fn put_with<T: Cacheable>(&self, key: impl KeyOf<T>, load: Load<T>) -> bool {
        self.put_load(&self.place(&key.into()), load).await
    }

    /// Writes to the source, and then to the cache. The writer's result is returned whatever becomes of the cache. Only if it succeeds, the cache gets its value; if anything
    /// else was stored or removed meanwhile, nobody knows which value is the last, and the entry is removed instead. Two round trips; the second also if the caller
    /// goes after the writer has succeeded.
    ///
    /// # Errors
    ///
    /// - The writer's own error; the cache is left as it is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the writer. If it had begun, nobody knows whether something was written, and the entry is removed.
    pub async fn write<T, E, F, Fut>(&self, key: impl KeyOf<T>, writer: F) -> Result<T, E>
    where
        T: Cacheable,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let writing = Writing::begin(self, self.place(&key.into())).await;
        match writer().await {
            Ok(value) => {
                let content = self.content(&Load::new(value.clone()), Duration::ZERO);
                writing.succeeded(content).await;
                Ok(value)
            }
            Err(error) => {
                writing.failed();
                Err(error)
            }
        }
    }
}

impl Cache {
    /// Stores a value, whatever is there. What cannot be stored invalidates what is there, which is older.
    pub(super) async fn put_load<T: Cacheable>(&self, place: &Place, load: Load<T>) -> bool {
        self.space.flights.overtake(&place.entry);
        if let Some(content) = self.content(&load, Duration::ZERO) {
            match self.overwrite(place, content).await {
                Ok(()) => {
                    self.forget_removal(&place.entry);
                    return true;
                }
                Err(error) => tracing::debug!(%error, "a value was not stored: what was there is invalid"),
            }
        }
        self.remove_all(vec![place.entry.clone()]).await;
        false
    }
}

/// Somebody writes to the source: what is in the cache will be older than what is there. Dropped in between it invalidates the entry, since it is not known whether
/// something was written.
pub(super) struct Writing {
    cache: Cache,
    place: Place,
    sight: Sight,
    is_over: bool,
}

impl Writing {
    pub(super) async fn begin(cache: &Cache, place: Place) -> Self {
        let sight = cache.look(&place).await;
        Self {
            cache: cache.clone(),
            place,
            sight,
            is_over: false,
        }
    }

    /// Nothing was written.
    pub(super) fn failed(self) {
        drop(self.over());
    }

    fn over(mut self) -> Self {
        self.is_over = true;
        self
    }

    /// Brings the cache up to date, whatever becomes of the caller. If anything else was stored or removed since it began, nobody knows which value is the last: then the
    /// entry is removed.
    pub(super) async fn succeeded(self, content: Option<Content>) {
        let (cache, place, sight) = (self.cache.clone(), self.place.clone(), self.sight.clone());
        let work = async move {
            cache.space.flights.overtake(&place.entry);
            let item = |content| Item {
                place: place.clone(),
                sight,
                content,
            };
            let stored = match content {
                Some(content) => cache.store(vec![item(content)]).await,
                None => Vec::new(),
            };
            if stored.contains(&true) {
                cache.forget_removal(&place.entry);
            } else {
                cache.remove_all(vec![place.entry]).await;
            }
            // Not before: this task may be dropped with its runtime.
            drop(self.over());
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(work).await),
            Err(_) => work.await,
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_over {
            self.cache.space.flights.overtake(&self.place.entry);
            self.cache.remove_later(&self.place.entry);
        }
    }
}
