//! One load: its turn, its deadline, what it brings to those who wait, and into the cache.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

use super::{
    Cache, Cacheable,
    flight::{Arrival, LINGER, Passenger, Pilot},
    lease::Turn,
    load::{Load, LoadError, Loading},
    reading::{Place, Sight},
    space::later,
    storing::{Content, Item},
};
use crate::key::Key;

/// A loader that can be sent to a task.
pub(super) type Loader<T, E> = Box<dyn FnOnce(Loading<T>) -> Running<T, E> + Send>;

/// A loader that runs.
pub(super) type Running<T, E> = Pin<Box<dyn Future<Output = Result<Load<T>, E>> + Send>>;

/// A load that is to be begun.
pub(super) struct Departure<T: 'static, E: 'static> {
    pub(super) cache: Cache,
    pub(super) place: Place,
    pub(super) sight: Sight,
    pub(super) pilot: Pilot<T, E>,
    /// Somebody waits for it.
    pub(super) is_awaited: bool,
}

impl<T: Cacheable, E: Send + Sync + 'static> Departure<T, E> {
    /// Loads in a task of its own: whoever asked for it may go. Without a tokio runtime it is loaded where this is awaited.
    pub(super) async fn begin(self, loader: Loader<T, E>) -> Passenger<T, E> {
        let passenger = self.pilot.passenger();
        let whole = self.fly(loader);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(whole)),
            Err(_) => whole.await,
        }
        passenger
    }

    async fn fly(mut self, loader: Loader<T, E>) {
        let permit = match self.cache.permit_in_outage(&self.sight).await {
            Ok(permit) => permit,
            Err(overloaded) => return self.pilot.land(Err(overloaded)),
        };
        let sight = self.sight.clone();
        self.sight = match self.cache.take_turn(&self.place, sight, self.is_awaited).await {
            Turn::Ours(sight) => sight,
            Turn::Theirs => return,
            Turn::Done(entry) => match self.cache.decode(&entry.header, &entry.body) {
                Some(value) => {
                    let is_foreign = true;
                    self.pilot.land(Ok(Arrival { value, is_foreign }));
                    self.pilot.stored();
                    return;
                }
                None => self.sight,
            },
        };
        let began = Instant::now();
        let outcome = tokio::select! {
            outcome = self.cache.run(&self.sight, loader) => outcome,
            never = self.cache.keep(&self.place, self.sight.seen) => match never {},
        };
        drop(permit);
        self.cache.note(&self.place.entry, outcome.is_ok());
        match outcome {
            Ok(load) => self.arrive(load, began.elapsed()).await,
            Err(error) => {
                self.pilot.land(Err(error));
                self.cache.give_back(&self.place, self.sight.seen).await;
                linger(self.pilot).await;
            }
        }
    }

    /// Tells everybody, and stores what was loaded.
    async fn arrive(self, load: Load<T>, cost: Duration) {
        let content = self.cache.content(&load, cost);
        let arrival = Arrival {
            value: load.value,
            is_foreign: false,
        };
        self.pilot.land(Ok(arrival));
        self.keep(content).await;
    }

    /// Stores what has landed.
    pub(super) async fn keep(self, content: Option<Content>) {
        let Self {
            cache,
            place,
            sight,
            pilot,
            ..
        } = self;
        let (seen, mut is_stored) = (sight.seen, false);
        if let Some(content) = content.filter(|_| !pilot.is_overtaken()) {
            let place = place.clone();
            let stored = cache.store(vec![Item { place, sight, content }]).await;
            is_stored = stored.contains(&true);
        }
        if !is_stored {
            cache.give_back(&place, seen).await;
        }
        linger(pilot).await;
    }
}

impl Cache {
    async fn run<T: Cacheable, E>(&self, sight: &Sight, loader: Loader<T, E>) -> Result<Load<T>, LoadError<E>> {
        let stale = sight.entry.as_ref();
        let loading = Loading {
            stale: stale
                .and_then(|entry| self.decode(&entry.header, &entry.body))
                .flatten(),
            hard_timeout: self.policy.hard_timeout,
        };
        self.space.counters.loads.add(1);
        self.guarded(async move { loader(loading).await }).await
    }

    /// Runs a load within its deadline. A panic of its is an error of its.
    pub(super) async fn guarded<L, E>(&self, load: impl Future<Output = Result<L, E>>) -> Result<L, LoadError<E>> {
        match within(self.policy.hard_timeout, AssertUnwindSafe(load).catch_unwind()).await {
            Some(Ok(loaded)) => loaded.map_err(|error| LoadError::Failed(error.into())),
            Some(Err(payload)) => Err(LoadError::panicked(&*payload)),
            None => Err(LoadError::TimedOut(self.policy.hard_timeout)),
        }
    }

    /// Notes whether an entry can be loaded.
    pub(super) fn note(&self, entry: &Key, is_loaded: bool) {
        if !is_loaded {
            self.space.counters.load_failures.add(1);
        }
        let until = (!is_loaded).then(|| later(Instant::now(), self.policy.retry_after));
        self.space.note_failure(entry, until);
    }

    /// Makes what is to be stored of what was loaded, if anything is.
    pub(super) fn content<T: Cacheable>(&self, load: &Load<T>, cost: Duration) -> Option<Content> {
        if load.is_uncached {
            return None;
        }
        let body = match self.encode(load.value.as_ref()) {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(%error, "what was loaded cannot be stored");
                return None;
            }
        };
        let content = Content::new(&self.policy, body, load.value.is_some(), load.ttl)?;
        let given = load.tags.iter().map(|tag| Bytes::copy_from_slice(tag.as_bytes()));
        let mut tags = self.tags.to_vec();
        tags.extend(given.filter(|tag| !self.tags.contains(tag)));
        Some(Content { cost, tags, ..content })
    }

    /// Waits for the right to load while Redis does not answer.
    async fn permit_in_outage<E>(&self, sight: &Sight) -> Result<Option<OwnedSemaphorePermit>, LoadError<E>> {
        let Some(count) = self.policy.max_loads_in_outage else {
            return Ok(None);
        };
        if sight.seen.is_some() || self.service.road().is_disabled() {
            return Ok(None);
        }
        let permits = self.space.outage_loads(count);
        match within(self.policy.hard_timeout, permits.acquire_owned()).await {
            Some(Ok(permit)) => Ok(Some(permit)),
            Some(Err(_)) | None => Err(LoadError::Overloaded),
        }
    }
}

/// Awaits something for so long at most; without a tokio runtime, which has the clock, for as long as it takes.
pub(super) async fn within<F: Future>(time: Duration, awaited: F) -> Option<F::Output> {
    match Handle::try_current() {
        Ok(_) => timeout(time, awaited).await.ok(),
        Err(_) => Some(awaited.await),
    }
}

/// Does something in a task of its own, whatever becomes of the caller. Without a tokio runtime it is left: no server answers there.
pub(super) fn aside(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(work));
    }
}

/// Keeps what has landed for those who come late.
pub(super) async fn linger<T, E>(pilot: Pilot<T, E>)
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pilot.stored();
    if Handle::try_current().is_ok() {
        sleep(LINGER).await;
    }
}
