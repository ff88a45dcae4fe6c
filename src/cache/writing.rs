//! Values that the caller has: put into the cache, or written to the source and then to the cache.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{
    Cache, Cacheable,
    load::Load,
    reading::{Place, Sight},
    storing::{Content, Item},
};

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
