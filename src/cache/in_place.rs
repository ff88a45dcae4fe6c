//! Loaders that borrow, and whose errors nobody can share: they run where they are called.

use std::{convert::Infallible, pin::pin, time::Instant};

use tokio::time::sleep;

use super::{
    Cache, Cacheable,
    flight::{Arrival, Joined},
    lease::Turn,
    load::{Load, StaleReason},
    loading::{Departure, aside, within},
    serving::Hit,
};
use crate::key::Key;

/// No error of a loader is ever handed to another caller.
type InPlace = Infallible;

/// How what a caller gets, a value or one that may be absent, is made of what is kept, and the other way round.
pub(super) struct Shape<T, R> {
    /// Nothing if it is of no use to this caller.
    pub(super) usable: fn(Option<T>) -> Option<R>,
    pub(super) kept: fn(&R) -> Option<T>,
}

impl Cache {
    /// Answers from the cache, or runs the loader here. Who finds another's loader under way waits for it, and runs its own if that one fails or takes too long.
    pub(super) async fn serve_in_place<T, R, E, Fut>(
        &self,
        key: &Key,
        Shape { usable, kept }: Shape<T, R>,
        loader: impl FnOnce() -> Fut,
    ) -> Result<R, E>
    where
        T: Cacheable,
        Fut: Future<Output = Result<R, E>>,
    {
        let place = self.place(key);
        let sight = self.look(&place).await;
        let finds_nothing = usable(None).is_some();
        let old = match self.hit(&sight, finds_nothing) {
            Hit::Fresh(answer) => {
                self.slide(&place, &sight);
                match usable(answer.value) {
                    Some(value) => return Ok(value),
                    None => None,
                }
            }
            Hit::Old(old) => {
                let is_for_now = old.is_for_now;
                let has_failed = self.has_failed(&place);
                let reason = if has_failed {
                    StaleReason::RetryLater
                } else {
                    StaleReason::Revalidating
                };
                let value = usable(self.count(old.served(reason)).value);
                match value {
                    Some(value) if has_failed => return Ok(value),
                    value => value.map(|value| (value, is_for_now)),
                }
            }
            Hit::Miss => None,
        };
        let pilot = match self
            .space
            .flights
            .join::<T, InPlace>(&place.entry, sight.began, old.is_none())
        {
            Joined::First(pilot) => pilot,
            Joined::Shared(mut passenger) => {
                if let Some((value, true)) = old {
                    return Ok(value);
                }
                let outcome = within(self.policy.hard_timeout, passenger.wait()).await;
                let arrival = outcome.flatten().and_then(Result::ok);
                return match arrival.and_then(|arrival| usable(arrival.value)) {
                    Some(value) => {
                        self.space.counters.shared.add(1);
                        Ok(value)
                    }
                    // It has waited once: from here on it is as if there were no cache.
                    None => loader().await,
                };
            }
        };
        let sight = match self.take_turn(&place, sight, old.is_none()).await {
            Turn::Ours(sight) => sight,
            Turn::Theirs => match old {
                Some((value, _)) => return Ok(value),
                None => return loader().await,
            },
            Turn::Done(entry) => {
                let found = self.decode::<T>(&entry.header, &entry.body);
                return match found.clone().and_then(usable) {
                    Some(value) => {
                        let value_of_all = found.flatten();
                        pilot.land(Ok(Arrival {
                            value: value_of_all,
                            is_foreign: true,
                        }));
                        Ok(value)
                    }
                    None => loader().await,
                };
            }
        };
        self.space.counters.loads.add(1);
        let began = Instant::now();
        let departure = Departure {
            cache: self.clone(),
            place,
            sight,
            pilot,
            is_awaited: true,
        };
        let (outcome, departure) = departure.run_here(loader()).await;
        let noted = outcome.as_ref().map(drop).map_err(drop);
        self.note(&self.space.entry(key), noted.is_ok());
        let Some(departure) = departure else { return outcome };
        match outcome {
            Ok(value) => {
                let load = Load::of(kept(&value));
                let content = self.content(&load, began.elapsed());
                departure.pilot.land(Ok(Arrival {
                    value: load.value,
                    is_foreign: false,
                }));
                aside(departure.keep(content));
                Ok(value)
            }
            Err(error) => {
                let Departure {
                    cache,
                    place,
                    sight,
                    pilot,
                    ..
                } = departure;
                drop(pilot);
                aside(async move { cache.give_back(&place, sight.seen).await });
                old.map(|(value, _)| value).ok_or(error)
            }
        }
    }
}

impl<T: Cacheable> Departure<T, InPlace> {
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
}
