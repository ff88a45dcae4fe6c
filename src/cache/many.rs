//! Many keys at once: one read for all, one load for those that are missing, one round trip to store what it brings.

use std::{collections::HashMap, hash::Hash, mem::take, time::Instant};

use futures_util::future::join_all;

use super::{
    Cache, Cacheable,
    flight::{Arrival, Joined, Passenger, Pilot},
    load::{Load, LoadError, StaleReason},
    loading::linger,
    reading::{Place, Sight},
    serving::{Hit, Old},
    storing::Item,
    tasks::apart,
};
use crate::typed_key::KeyOf;

/// A key that this caller loads.
struct Missing<T: 'static, E: 'static> {
    place: Place,
    sight: Sight,
    pilot: Pilot<T, E>,
}

/// What is known of the keys, and what is to be done for the rest.
struct Plan<K, T: 'static, E: 'static> {
    /// One for each key.
    values: Vec<Option<T>>,
    /// To be served if it cannot be loaded anew.
    olds: HashMap<usize, Old<T>>,
    awaited: Vec<(usize, Passenger<T, E>)>,
    wanted: Vec<K>,
    missing: Vec<Missing<T, E>>,
}

impl<K, T: 'static, E: 'static> Plan<K, T, E> {
    fn set(&mut self, at: usize, value: Option<T>) {
        if let Some(place) = self.values.get_mut(at) {
            *place = value;
        }
    }
}

impl Cache {
    /// Returns as many values as keys, in their order; those that are missing are loaded, by one call of the loader with exactly these. What it does not bring is
    /// `None`, and remembered as the policy's [`negative_ttl`](crate::CachePolicy::negative_ttl) says. One round trip for what is there (to each node of a cluster), and one in
    /// the background for what was loaded. A node that does not answer makes its own keys missing, and no others.
    ///
    /// Keys that another caller is loading are waited for. It does not wait for other processes.
    ///
    /// # Errors
    ///
    /// - As [`get_or_load`](Self::get_or_load), unless there is an old value for each key that could not be loaded.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn get_or_load_many<K, T, E, F, Fut>(
        &self,
        keys: impl IntoIterator<Item = K>,
        loader: F,
    ) -> Result<Vec<Option<T>>, LoadError<E>>
    where
        K: KeyOf<T> + Clone + Eq + Hash + Send + 'static,
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce(Vec<K>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<(K, T)>, E>> + Send,
    {
        let keys: Vec<K> = keys.into_iter().collect();
        let places: Vec<Place> = keys.iter().map(|key| self.place(&key.clone().into())).collect();
        let sights = self.look_many(&places).await;
        let mut plan = Plan {
            values: keys.iter().map(|_| None).collect(),
            olds: HashMap::new(),
            awaited: Vec::new(),
            wanted: Vec::new(),
            missing: Vec::new(),
        };
        for (at, ((key, place), sight)) in keys.into_iter().zip(places).zip(sights).enumerate() {
            self.consider(&mut plan, at, key, place, sight);
        }
        let (wanted, missing) = (take(&mut plan.wanted), take(&mut plan.missing));
        if !missing.is_empty() {
            let cache = self.clone();
            Box::pin(apart(async move { cache.load_many(wanted, missing, loader).await })).await;
        }
        let mut awaited = take(&mut plan.awaited);
        let outcomes = join_all(awaited.iter_mut().map(|(_, passenger)| passenger.wait())).await;
        for ((at, _), outcome) in awaited.into_iter().zip(outcomes) {
            let value = match (outcome, plan.olds.remove(&at)) {
                (Some(Ok(arrival)), _) => arrival.value,
                (_, Some(old)) => self.count(old.served(StaleReason::LoaderFailed)).value,
                (Some(Err(error)), None) => return Err(error),
                (None, None) => return Err(LoadError::Aborted),
            };
            plan.set(at, value);
        }
        Ok(plan.values)
    }

    /// Sees what is to be done for a key.
    fn consider<K, T, E>(&self, plan: &mut Plan<K, T, E>, at: usize, key: K, place: Place, sight: Sight)
    where
        T: Cacheable,
        E: Send + Sync + 'static,
    {
        let old = match self.hit(&sight, true) {
            Hit::Fresh(answer) => {
                self.slide(&place, &sight);
                return plan.set(at, answer.value);
            }
            Hit::Old(old) => Some(old),
            Hit::Miss => None,
        };
        let is_awaited = match old {
            Some(old) if self.has_failed(&place) => {
                return plan.set(at, self.count(old.served(StaleReason::RetryLater)).value);
            }
            Some(old) if old.is_for_now => {
                plan.set(at, self.count(old.served(StaleReason::Revalidating)).value);
                false
            }
            old => {
                plan.olds.extend(old.map(|old| (at, old)));
                true
            }
        };
        let joined = self.join::<T, E>(&place, &sight, None);
        let passenger = match joined {
            Joined::Shared(passenger) => passenger,
            Joined::First(pilot) => {
                let passenger = pilot.passenger();
                plan.wanted.push(key);
                plan.missing.push(Missing { place, sight, pilot });
                passenger
            }
        };
        if is_awaited {
            plan.awaited.push((at, passenger));
        }
    }

    /// Loads what is missing, tells everybody, and stores it.
    async fn load_many<K, T, E, F, Fut>(&self, wanted: Vec<K>, missing: Vec<Missing<T, E>>, loader: F)
    where
        K: Clone + Eq + Hash + Send + 'static,
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce(Vec<K>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<(K, T)>, E>> + Send,
    {
        let has_answered = missing.iter().all(|missing| missing.sight.seen.is_some());
        let permit = match self.permit_in_outage(has_answered).await {
            Ok(permit) => permit,
            Err(overloaded) => {
                let pilots = missing.iter().map(|missing| &missing.pilot);
                return pilots.for_each(|pilot| pilot.land(Err(overloaded.clone()), false));
            }
        };
        let began = Instant::now();
        self.space.counters.loads.add(1);
        let asked = wanted.clone();
        let loaded = self.guarded(async move { loader(asked).await }).await;
        drop(permit);
        let mut found: HashMap<K, T> = match loaded {
            Ok(found) => found.into_iter().collect(),
            Err(error) => {
                self.space.counters.load_failures.add(1);
                for Missing { place, pilot, .. } in &missing {
                    self.remember(&place.entry, false);
                    pilot.land(Err(error.clone()), false);
                }
                return;
            }
        };
        let cost = began.elapsed();
        let (mut items, mut pilots) = (Vec::new(), Vec::new());
        for (key, Missing { place, sight, pilot }) in wanted.iter().zip(missing) {
            self.remember(&place.entry, true);
            let load = Load::of(found.remove(key));
            let content = self.content(&load, cost);
            let content = content.and_then(|content| self.unless_overtaken(&pilot, content));
            pilot.land(Ok(Arrival::own(load.value)), content.is_some() && sight.seen.is_some());
            items.extend(content.map(|content| Item { place, sight, content }));
            pilots.push(pilot);
        }
        self.store(items).await;
        join_all(pilots.into_iter().map(linger)).await;
    }
}
