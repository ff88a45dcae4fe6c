//! Loaders that borrow, and whose errors nobody can share: they run where they are called.

use std::{pin::pin, time::Instant};

use tokio::time::sleep;

use super::{
    Cache, Cacheable,
    flight::{Arrival, Joined, Outcome, Pilot},
    lease::Turn,
    load::{Load, LoadError, StaleReason},
    loading::Departure,
    reading::{Entry, Place, Sight},
    serving::Hit,
    tasks::{aside, within},
};
use crate::key::Key;

/// No error of a loader is ever handed to another caller.
enum InPlace {}

/// How what a caller gets, a value or one that may be absent, is made of what is kept, and the other way round.
pub(super) struct Shape<T, R> {
    /// Nothing if it is of no use to this caller.
    pub(super) usable: fn(Option<T>) -> Option<R>,
    pub(super) kept: fn(&R) -> Option<T>,
}

/// What is there for such a caller.
enum Here<R> {
    Enough(R),
    /// To be served if it cannot be loaded anew; while somebody else loads it, if so said.
    Old(R, bool),
    Nothing,
}

impl Cache {
    /// Answers from the cache, or runs the loader here. Who finds another's loader under way waits for it, and runs its own if that one fails or takes too long.
    pub(super) async fn serve_in_place<T, R, E, Fut>(
        &self,
        key: &Key,
        shape: Shape<T, R>,
        loader: impl FnOnce() -> Fut,
    ) -> Result<R, E>
    where
        T: Cacheable,
        Fut: Future<Output = Result<R, E>>,
    {
        let place = self.place(key);
        let sight = self.look(&place).await;
        let old = match self.here(&place, &sight, &shape) {
            Here::Enough(value) => return Ok(value),
            Here::Old(value, is_for_now) => Some((value, is_for_now)),
            Here::Nothing => None,
        };
        // Who loads here may be polled no more: nobody relies on it for longer than that.
        let hard = self.policy.hard_timeout;
        let mut left = Some(hard);
        let pilot = loop {
            let mut passenger = match self.join::<T, InPlace>(&place, &sight, Some(hard)) {
                Joined::First(pilot) => break pilot,
                Joined::Shared(passenger) => passenger,
            };
            if let Some((value, true)) = old {
                return self.stale(value);
            }
            // It has waited: from here on it is as if there were no cache.
            let Some(time) = left else { return loader().await };
            match within(time, passenger.wait()).await {
                // Its caller has gone: one of those who wait loads now.
                Some(None) => left = hard.checked_sub(sight.began.elapsed()),
                None => left = None,
                Some(Some(outcome)) => {
                    return match self.shared_here(outcome, &shape) {
                        Some(value) => Ok(value),
                        None => loader().await,
                    };
                }
            }
        };
        let sight = match self.take_turn(&place, sight, old.is_none()).await {
            Turn::Ours(sight) => sight,
            Turn::Theirs => match old {
                Some((value, _)) => return self.stale(value),
                None => return loader().await,
            },
            Turn::Done(entry) => match self.landed_elsewhere(&entry, &pilot, &shape) {
                Some(value) => return Ok(value),
                None => return loader().await,
            },
        };
        let departure = Departure {
            cache: self.clone(),
            place,
            sight,
            pilot,
        };
        let (outcome, is_held_up) = departure.load_here(loader(), shape.kept).await;
        match (outcome, old) {
            (Err(_), Some((value, _))) if !is_held_up => self.stale(value),
            (outcome, _) => outcome,
        }
    }

    /// Says what a read is good for.
    fn here<T: Cacheable, R>(&self, place: &Place, sight: &Sight, shape: &Shape<T, R>) -> Here<R> {
        let finds_nothing = (shape.usable)(None).is_some();
        match self.hit(sight, finds_nothing) {
            Hit::Fresh(answer) => {
                self.slide(place, sight);
                (shape.usable)(answer.value).map_or(Here::Nothing, Here::Enough)
            }
            Hit::Old(old) => {
                let (is_for_now, has_failed) = (old.is_for_now, self.has_failed(place));
                let reason = if has_failed {
                    StaleReason::RetryLater
                } else {
                    StaleReason::Revalidating
                };
                match (shape.usable)(old.served(reason).value) {
                    Some(value) if has_failed => {
                        self.space.counters.stale.add(1);
                        Here::Enough(value)
                    }
                    Some(value) => Here::Old(value, is_for_now),
                    None => Here::Nothing,
                }
            }
            Hit::Miss => Here::Nothing,
        }
    }

    fn shared_here<T: Cacheable, R>(&self, outcome: Outcome<T, InPlace>, shape: &Shape<T, R>) -> Option<R> {
        let value = (shape.usable)(outcome.ok()?.value)?;
        self.space.counters.shared.add(1);
        Some(value)
    }

    /// Takes what another process has stored, for all who wait here.
    fn landed_elsewhere<T: Cacheable, R>(
        &self,
        entry: &Entry,
        pilot: &Pilot<T, InPlace>,
        shape: &Shape<T, R>,
    ) -> Option<R> {
        let value: Option<T> = self.decode(&entry.header, &entry.body).ok()?;
        let usable = (shape.usable)(value.clone())?;
        pilot.land(Ok(Arrival::foreign(value)), false);
        Some(usable)
    }

    fn stale<R, E>(&self, value: R) -> Result<R, E> {
        self.space.counters.stale.add(1);
        Ok(value)
    }
}

impl<T: Cacheable> Departure<T, InPlace> {
    /// Runs a loader here, and shares what it brings. Says also whether it took longer than others wait.
    async fn load_here<R, E>(
        self,
        loading: impl Future<Output = Result<R, E>>,
        kept: fn(&R) -> Option<T>,
    ) -> (Result<R, E>, bool) {
        self.cache.space.counters.loads.add(1);
        let began = Instant::now();
        let (outcome, departure) = self.run_here(loading).await;
        let is_held_up = departure.is_none();
        if let Some(departure) = departure {
            let loaded = outcome.as_ref().ok();
            departure.arrive_here(loaded.map(|value| Load::of(kept(value))), began);
        }
        (outcome, is_held_up)
    }

    /// Runs a loader here. After the hard timeout it holds nobody up any more: it goes on for its caller alone.
    async fn run_here<F: Future>(self, loading: F) -> (F::Output, Option<Self>) {
        let mut loading = pin!(loading);
        let hard = self.cache.policy.hard_timeout;
        if tokio::runtime::Handle::try_current().is_err() {
            return (loading.await, Some(self));
        }
        tokio::select! {
            output = &mut loading => return (output, Some(self)),
            () = sleep(hard) => {}
            never = self.cache.keep(&self.place, self.sight.seen) => match never {},
        }
        drop(self);
        (loading.await, None)
    }

    /// Tells those who wait what was loaded here, if anything was, and stores it.
    fn arrive_here(self, loaded: Option<Load<T>>, began: Instant) {
        let cache = self.cache.clone();
        cache.note(&self.place.entry, loaded.is_some());
        if let Some(load) = loaded {
            let content = cache.content(&load, began.elapsed());
            let can_store = self.can_store(content.as_ref());
            self.pilot.land(Ok(Arrival::own(load.value)), can_store);
            aside(self.keep(content));
        } else {
            let Self {
                place, sight, pilot, ..
            } = self;
            // The error is its caller's: the others have loaders of their own.
            pilot.land(Err(LoadError::Aborted), false);
            drop(pilot);
            aside(async move { cache.give_back(&place, sight.seen).await });
        }
    }
}
