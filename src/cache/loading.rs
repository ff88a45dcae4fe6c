//! One load: its turn, its deadline, what it brings to those who wait, and into the cache.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::sleep};

use super::{
    Cache, Cacheable,
    flight::{Arrival, LINGER, Passenger, Pilot},
    freshness::later,
    lease::Turn,
    load::{Load, LoadError, Loading},
    reading::{Place, Sight},
    storing::{Content, Item},
    tasks::{apart, within},
};
use crate::key::Key;

/// A loader that can be sent to a task.
pub(super) type Loader<T, E> = Box<dyn FnOnce(Loading<T>) -> Running<T, E> + Send>;

/// A loader that runs.
pub(super) type Running<T, E> = Pin<Box<dyn Future<Output = Result<Load<T>, E>> + Send>>;

/// Makes a loader of one that is told nothing, and says nothing but what it has found.
pub(super) fn boxed<T, L, E, F, Fut>(loader: F, load: fn(L) -> Load<T>) -> Loader<T, E>
where
    T: 'static,
    L: 'static,
    E: 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<L, E>> + Send + 'static,
{
    Box::new(move |_loading| Box::pin(async move { loader().await.map(load) }))
}

/// A load that is to be begun.
pub(super) struct Departure<T: 'static, E: 'static> {
    pub(super) cache: Cache,
    pub(super) place: Place,
    pub(super) sight: Sight,
    pub(super) pilot: Pilot<T, E>,
}

/// What a load is begun for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    /// Somebody waits for it.
    pub(super) is_awaited: bool,
    /// That there is nothing is of use to whoever asked.
    pub(super) finds_nothing: bool,
    /// What another process loads, or has loaded, is of no use: it may have begun before this was asked for.
    pub(super) is_anew: bool,
}

impl Purpose {
    /// Somebody waits, and takes whatever is loaded.
    pub(super) fn awaited(finds_nothing: bool) -> Self {
        Self {
            is_awaited: true,
            finds_nothing,
            is_anew: false,
        }
    }

    /// Nobody waits: what is there is served meanwhile.
    pub(super) fn ahead(finds_nothing: bool) -> Self {
        Self {
            is_awaited: false,
            ..Self::awaited(finds_nothing)
        }
    }

    /// Somebody waits for a value that is loaded from now on.
    pub(super) const ANEW: Self = Self {
        is_awaited: true,
        finds_nothing: false,
        is_anew: true,
    };
}

impl<T: Cacheable, E: Send + Sync + 'static> Departure<T, E> {
    /// Loads in a task of its own: whoever asked for it may go. Without a tokio runtime it is loaded where this is awaited.
    pub(super) async fn begin(self, loader: Loader<T, E>, purpose: Purpose) -> Passenger<T, E> {
        let passenger = self.pilot.passenger();
        apart(self.fly(loader, purpose)).await;
        passenger
    }

    async fn fly(mut self, loader: Loader<T, E>, purpose: Purpose) {
        let permit = match self.cache.permit_in_outage(self.sight.seen.is_some()).await {
            Ok(permit) => permit,
            Err(overloaded) => return self.pilot.land(Err(overloaded), false),
        };
        let sight = self.sight.clone();
        let waits = purpose.is_awaited && !purpose.is_anew;
        self.sight = match self.cache.take_turn(&self.place, sight, waits).await {
            Turn::Ours(sight) => sight,
            Turn::Theirs if purpose.is_anew => self.sight,
            Turn::Theirs => return,
            Turn::Done(entry) => match self.cache.decode(&entry.header, &entry.body) {
                Ok(value) if value.is_some() || purpose.finds_nothing => {
                    return self.pilot.land(Ok(Arrival::foreign(value)), false);
                }
                _ => self.sight,
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
                let Self {
                    cache,
                    place,
                    sight,
                    pilot,
                    ..
                } = self;
                let is_shared = pilot.is_shared();
                pilot.land(Err(error), false);
                // Who alone has an error may take it out.
                let pilot = is_shared.then_some(pilot);
                cache.give_back(&place, sight.seen).await;
                if let Some(pilot) = pilot {
                    linger(pilot).await;
                }
            }
        }
    }

    /// Tells everybody, and stores what was loaded.
    async fn arrive(self, load: Load<T>, cost: Duration) {
        let content = self.cache.content(&load, cost);
        let can_store = self.can_store(content.as_ref());
        self.pilot.land(Ok(Arrival::own(load.value)), can_store);
        self.keep(content).await;
    }

    /// Says whether somebody will try to store this.
    pub(super) fn can_store(&self, content: Option<&Content>) -> bool {
        content.is_some() && self.sight.seen.is_some()
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
        if let Some(content) = content.and_then(|content| cache.unless_overtaken(&pilot, content)) {
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
            stale: stale.and_then(|entry| self.decode(&entry.header, &entry.body).ok()?),
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

    /// Notes whether an entry could be loaded, and counts it.
    pub(super) fn note(&self, entry: &Key, is_loaded: bool) {
        if !is_loaded {
            self.space.counters.load_failures.add(1);
        }
        self.remember(entry, is_loaded);
    }

    /// Notes whether an entry could be loaded.
    pub(super) fn remember(&self, entry: &Key, is_loaded: bool) {
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

    /// Gives back what is to be stored, unless it was overtaken by then.
    pub(super) fn unless_overtaken<T, E>(&self, pilot: &Pilot<T, E>, content: Content) -> Option<Content>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        if pilot.is_overtaken() {
            self.space.counters.not_stored.add(1);
            return None;
        }
        Some(content)
    }

    /// Waits for the right to load, if Redis has not answered.
    pub(super) async fn permit_in_outage<E>(
        &self,
        has_answered: bool,
    ) -> Result<Option<OwnedSemaphorePermit>, LoadError<E>> {
        let Some(count) = self.policy.max_loads_in_outage else {
            return Ok(None);
        };
        if has_answered || self.service.road().is_disabled() {
            return Ok(None);
        }
        let permits = self.space.outage_loads(count);
        match within(self.policy.hard_timeout, permits.acquire_owned()).await {
            Some(Ok(permit)) => Ok(Some(permit)),
            Some(Err(_)) | None => Err(LoadError::Overloaded),
        }
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
