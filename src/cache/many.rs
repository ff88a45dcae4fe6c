//! Many keys at once: one read for all, one load for those that are missing, one round trip to store what it brings.

use std::{collections::HashMap, hash::Hash, time::Instant};

use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::{
    Cache, Cacheable,
    flight::{Arrival, Joined, Pilot},
    load::{Load, LoadError, StaleReason},
    loading::linger,
    reading::{Place, Sight},
    serving::Hit,
    storing::Item,
};
use crate::key::Key;

/// A key that this caller loads.
struct Missing<T: 'static, E: 'static> {
    place: Place,
    sight: Sight,
    pilot: Pilot<T, E>,
}

impl Cache {
    /// Returns as many values as keys, in their order. What is missing is loaded at once; what others are loading is waited for.
    pub(super) async fn serve_many<K, T, E, F, Fut>(
        &self,
        keys: Vec<K>,
        loader: F,
    ) -> Result<Vec<Option<T>>, LoadError<E>>
    where
        K: Into<Key> + Clone + Eq + Hash + Send + 'static,
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce(Vec<K>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<(K, T)>, E>> + Send,
    {
        let places: Vec<Place> = keys.iter().map(|key| self.place(&key.clone().into())).collect();
        let sights = self.look_many(&places).await;
        let mut values: Vec<Option<T>> = keys.iter().map(|_| None).collect();
        let mut olds = HashMap::new();
        let (mut wanted, mut missing, mut awaited) = (Vec::new(), Vec::new(), Vec::new());
        let zipped = keys.into_iter().zip(places).zip(sights);
        for (at, ((key, place), sight)) in zipped.enumerate() {
            let old = match self.hit::<T>(&sight, true) {
                Hit::Fresh(answer) => {
                    self.slide(&place, &sight);
                    set(&mut values, at, answer.value);
                    continue;
                }
                Hit::Old(old) => Some(old),
                Hit::Miss => None,
            };
            let is_cold = old.is_none();
            let is_awaited = match old {
                Some(old) if old.is_for_now || self.has_failed(&place) => {
                    let is_due = !self.has_failed(&place);
                    let reason = if is_due {
                        StaleReason::Revalidating
                    } else {
                        StaleReason::RetryLater
                    };
                    set(&mut values, at, self.count(old.served(reason)).value);
                    if !is_due {
                        continue;
                    }
                    false
                }
                Some(old) => {
                    olds.insert(at, old);
                    true
                }
                None => true,
            };
            let passenger = match self.space.flights.join::<T, E>(&place.entry, sight.began, is_cold) {
                Joined::Shared(passenger) => passenger,
                Joined::First(pilot) => {
                    let passenger = pilot.passenger();
                    wanted.push(key);
                    missing.push(Missing { place, sight, pilot });
                    passenger
                }
            };
            if is_awaited {
                awaited.push((at, passenger));
            }
        }
        if !missing.is_empty() {
            let cache = self.clone();
            let whole = async move { cache.load_many(wanted, missing, loader).await };
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(whole)),
                Err(_) => whole.await,
            }
        }
        let outcomes = join_all(awaited.iter_mut().map(|(_, passenger)| passenger.wait())).await;
        let places: Vec<usize> = awaited.iter().map(|(at, _)| *at).collect();
        for (at, outcome) in places.into_iter().zip(outcomes) {
            let value = match (outcome, olds.remove(&at)) {
                (Some(Ok(arrival)), _) => arrival.value,
                (_, Some(old)) => self.count(old.served(StaleReason::LoaderFailed)).value,
                (Some(Err(error)), None) => return Err(error),
                (None, None) => return Err(LoadError::Aborted),
            };
            set(&mut values, at, value);
        }
        Ok(values)
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
        let began = Instant::now();
        self.space.counters.loads.add(1);
        let asked = wanted.clone();
        let loaded = self.guarded(async move { loader(asked).await }).await;
        let mut found: HashMap<K, T> = match loaded {
            Ok(found) => found.into_iter().collect(),
            Err(error) => {
                self.space.counters.load_failures.add(1);
                missing
                    .iter()
                    .for_each(|missing| missing.pilot.land(Err(error.clone())));
                return;
            }
        };
        let cost = began.elapsed();
        let (mut items, mut pilots) = (Vec::new(), Vec::new());
        for (key, Missing { place, sight, pilot }) in wanted.iter().zip(missing) {
            let load = Load::of(found.remove(key));
            if let Some(content) = self.content(&load, cost).filter(|_| !pilot.is_overtaken()) {
                items.push(Item { place, sight, content });
            }
            pilot.land(Ok(Arrival {
                value: load.value,
                is_foreign: false,
            }));
            pilots.push(pilot);
        }
        self.store(items).await;
        join_all(pilots.into_iter().map(linger)).await;
    }
}

fn set<T>(values: &mut [Option<T>], at: usize, value: Option<T>) {
    if let Some(place) = values.get_mut(at) {
        *place = value;
    }
}
