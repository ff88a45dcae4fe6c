//! What callers get: what is there, what is loaded, or what was there.

use std::time::{Duration, Instant};

use super::{
    Cache, Cacheable,
    flight::{Joined, Outcome, Passenger},
    freshness::{self, Freshness},
    load::{CacheAnswer, LoadError, Served, StaleReason},
    loading::{Departure, Loader, Purpose},
    policy::bounded,
    reading::{Place, Sight},
    tasks::{aside, within},
};
use crate::{chance::chance, key::Key};

/// What a read is good for.
pub(super) enum Hit<T> {
    Fresh(CacheAnswer<T>),
    Old(Old<T>),
    Miss,
}

/// An old value, to be served if it cannot be loaded anew.
pub(super) struct Old<T> {
    value: Option<T>,
    age: Duration,
    /// It is served while it is loaded anew.
    pub(super) is_for_now: bool,
}

impl<T> Old<T> {
    pub(super) fn served(self, reason: StaleReason) -> CacheAnswer<T> {
        CacheAnswer {
            value: self.value,
            served: Served::Stale { age: self.age, reason },
        }
    }
}

impl Cache {
    /// Answers from the cache, or loads.
    pub(super) async fn serve<T, E>(
        &self,
        key: &Key,
        finds_nothing: bool,
        loader: impl FnOnce() -> Loader<T, E>,
    ) -> Result<CacheAnswer<T>, LoadError<E>>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
    {
        let place = self.place(key);
        let mut loader = Some(loader);
        loop {
            let mut sight = Sight::nothing(Instant::now());
            self.look_into(&place, &mut sight).await;
            let old = match self.hit(&sight, finds_nothing) {
                Hit::Fresh(answer) => {
                    self.slide(&place, &sight);
                    if self.is_due(&place, &sight) {
                        let ahead = Purpose::ahead(finds_nothing);
                        drop(self.depart(&place, sight, &mut loader, ahead).await);
                    }
                    return Ok(answer);
                }
                Hit::Old(old) if self.has_failed(&place) => {
                    return Ok(self.count(old.served(StaleReason::RetryLater)));
                }
                Hit::Old(old) if old.is_for_now => {
                    let ahead = Purpose::ahead(finds_nothing);
                    drop(self.depart(&place, sight, &mut loader, ahead).await);
                    return Ok(self.count(old.served(StaleReason::Revalidating)));
                }
                Hit::Old(old) => Some(old),
                Hit::Miss => None,
            };
            let awaited = Purpose::awaited(finds_nothing);
            let departed = self.depart(&place, sight, &mut loader, awaited).await;
            let (passenger, is_ours) = departed.ok_or(LoadError::Aborted)?;
            match self.arrived(passenger, is_ours, old).await {
                Some(Ok(answer)) if answer.value.is_none() && !finds_nothing => {}
                Some(outcome) => return outcome,
                None => {}
            }
        }
    }

    /// Loads whatever is there, and whatever is under way.
    pub(super) async fn reload<T, E>(
        &self,
        key: &Key,
        loader: impl FnOnce() -> Loader<T, E>,
    ) -> Result<CacheAnswer<T>, LoadError<E>>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
    {
        let place = self.place(key);
        let sight = self.look(&place).await;
        self.space.flights.overtake(&place.entry);
        let departed = self.depart(&place, sight, &mut Some(loader), Purpose::ANEW).await;
        let (passenger, is_ours) = departed.ok_or(LoadError::Aborted)?;
        let arrived = self.arrived(passenger, is_ours, None).await;
        arrived.unwrap_or(Err(LoadError::Aborted))
    }

    /// Joins the load of a key that began with what is seen now, or begins one.
    pub(super) fn join<T, E>(&self, place: &Place, sight: &Sight, limit: Option<Duration>) -> Joined<T, E>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let basis = sight.basis(self.policy.schema);
        self.space.flights.join(&place.entry, (basis, sight.began), limit)
    }

    /// Begins a load, or joins one: says whether it is this caller's. `None` if there is nothing to load with any more.
    async fn depart<T, E, F>(
        &self,
        place: &Place,
        sight: Sight,
        loader: &mut Option<F>,
        purpose: Purpose,
    ) -> Option<(Passenger<T, E>, bool)>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce() -> Loader<T, E>,
    {
        match self.join(place, &sight, None) {
            Joined::Shared(passenger) => Some((passenger, false)),
            Joined::First(pilot) => {
                let departure = Departure {
                    cache: self.clone(),
                    place: place.clone(),
                    sight,
                    pilot,
                };
                let loader = loader.take()?;
                // In a box, for the one who loads: all who wait would carry the room for it.
                Some((Box::pin(departure.begin(loader(), purpose)).await, true))
            }
        }
    }

    /// Waits for what a load brings, no longer than there is need to if there is an old value. `None` if it was dropped, and somebody else has to load.
    async fn arrived<T: Cacheable, E>(
        &self,
        mut passenger: Passenger<T, E>,
        is_ours: bool,
        old: Option<Old<T>>,
    ) -> Option<Result<CacheAnswer<T>, LoadError<E>>> {
        let awaited = passenger.wait();
        let (outcome, old) = match (old, self.policy.soft_timeout) {
            (Some(old), Some(soft)) => match Box::pin(within(soft, awaited)).await {
                Some(outcome) => (outcome, Some(old)),
                None => return Some(Ok(self.count(old.served(StaleReason::SoftTimeout)))),
            },
            (old, _) => (awaited.await, old),
        };
        match (outcome, old) {
            (Some(Err(error)), Some(old)) => Some(Ok(self.count(old.served(reason_of(&error))))),
            (None, Some(old)) => Some(Ok(self.count(old.served(StaleReason::LoaderFailed)))),
            (None, None) => is_ours.then_some(Err(LoadError::Aborted)),
            (Some(outcome), _) => Some(self.shared(outcome, is_ours)),
        }
    }

    fn shared<T, E>(&self, outcome: Outcome<T, E>, is_ours: bool) -> Result<CacheAnswer<T>, LoadError<E>> {
        if !is_ours {
            self.space.counters.shared.add(1);
        }
        outcome.map(|arrival| CacheAnswer {
            value: arrival.value,
            served: if is_ours && !arrival.is_foreign {
                Served::Loaded
            } else {
                Served::Fresh
            },
        })
    }

    /// Says what a read is good for, and counts it. That nothing was found is of use only to who can tell so.
    pub(super) fn hit<T: Cacheable>(&self, sight: &Sight, finds_nothing: bool) -> Hit<T> {
        let counters = &self.space.counters;
        let entry = sight.entry.as_ref();
        let value = entry.and_then(|entry| self.decode(&entry.header, &entry.body).ok());
        let value = value.filter(|value| value.is_some() || finds_nothing);
        let (Some(entry), Some(value)) = (entry, value) else {
            counters.misses.add(1);
            if sight.seen.is_none() {
                counters.unavailable.add(1);
            }
            return Hit::Miss;
        };
        let age = entry.age;
        if entry.freshness == Freshness::Fresh {
            counters.hits.add(1);
            let served = Served::Cached { age };
            return Hit::Fresh(CacheAnswer { value, served });
        }
        Hit::Old(Old {
            value,
            age,
            is_for_now: entry.freshness == Freshness::Revalidating,
        })
    }

    pub(super) fn has_failed(&self, place: &Place) -> bool {
        self.space.has_failed(&place.entry, Instant::now())
    }

    /// Says whether a fresh entry is to be loaded anew already.
    pub(super) fn is_due(&self, place: &Place, sight: &Sight) -> bool {
        if self.policy.refresh_ahead.is_none() && self.policy.xfetch.is_none() {
            return false;
        }
        let is_due = |header| freshness::is_due(header, &self.policy, self.clock().now(), chance());
        sight.entry.as_ref().is_some_and(|entry| is_due(&entry.header)) && !self.has_failed(place)
    }

    /// Lets the life of an entry that slides begin anew, in the background.
    pub(super) fn slide(&self, place: &Place, sight: &Sight) {
        let (Some(idle), Some(entry)) = (self.policy.sliding, &sight.entry) else {
            return;
        };
        let now = self.clock().now();
        if !freshness::is_to_be_touched(&entry.header, idle, now) {
            return;
        }
        let whole = Duration::from_millis(entry.header.fresh_for).saturating_add(self.policy.grace());
        let left = whole.saturating_sub(freshness::age(&entry.header, now));
        let life = bounded(left.min(idle.saturating_add(idle / 8)));
        let (service, key, id) = (self.service.clone(), place.entry.clone(), entry.header.id);
        aside(async move { drop(service.entries().touch(key, id, now, life).await) });
    }

    pub(super) fn count<T>(&self, answer: CacheAnswer<T>) -> CacheAnswer<T> {
        if answer.served.is_stale() {
            self.space.counters.stale.add(1);
        }
        answer
    }
}

fn reason_of<E>(error: &LoadError<E>) -> StaleReason {
    match error {
        LoadError::TimedOut(_) => StaleReason::HardTimeout,
        _ => StaleReason::LoaderFailed,
    }
}
