//! One load at a time for each key of this process: who comes while it is under way shares what it brings.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{freshness::later, load::LoadError, reading::Basis};
use crate::key::Key;

/// The loads of one namespace that are under way, or have just ended.
#[derive(Debug, Default)]
pub(super) struct Flights {
    slots: Mutex<HashMap<Key, Vec<Slot>>>,
    /// How many keys there are, for those who need not look.
    len: AtomicUsize,
    numbers: AtomicU64,
}

/// One load, of whatever type.
#[derive(Debug)]
struct Slot {
    types: TypeId,
    number: u64,
    basis: Basis,
    is_overtaken: Arc<AtomicBool>,
    flight: Arc<dyn Any + Send + Sync>,
}

struct Flight<T, E> {
    progress: watch::Sender<Progress<T, E>>,
    /// What it depends on was invalidated since it began.
    is_overtaken: Arc<AtomicBool>,
    /// Until when others may rely on it.
    limit: Option<Instant>,
}

enum Progress<T, E> {
    UnderWay,
    Landed {
        outcome: Outcome<T, E>,
        /// When it was stored, or nobody tried any more to do that: who read after that has seen what there is to be seen.
        stored: Option<Instant>,
    },
    /// Its loader was dropped.
    Abandoned,
}

/// What a load has brought.
pub(super) type Outcome<T, E> = Result<Arrival<T>, LoadError<E>>;

#[derive(Debug, Clone)]
pub(super) struct Arrival<T> {
    pub(super) value: Option<T>,
    /// Another process has loaded it.
    pub(super) is_foreign: bool,
}

impl<T> Arrival<T> {
    /// What this process has loaded.
    pub(super) fn own(value: Option<T>) -> Self {
        let is_foreign = false;
        Self { value, is_foreign }
    }

    /// What another process has loaded.
    pub(super) fn foreign(value: Option<T>) -> Self {
        let is_foreign = true;
        Self { value, is_foreign }
    }
}

/// What comes of looking for a load.
pub(super) enum Joined<T: 'static, E: 'static> {
    /// There is none: whoever gets this is the one who loads.
    First(Pilot<T, E>),
    Shared(Passenger<T, E>),
}

/// The duty to load. Dropped before it has landed it lets everybody go, so that another can load.
pub(super) struct Pilot<T: 'static, E: 'static> {
    flights: Arc<Flights>,
    key: Key,
    number: u64,
    flight: Arc<Flight<T, E>>,
}

/// Waits for what a load brings.
pub(super) struct Passenger<T, E>(watch::Receiver<Progress<T, E>>);

/// What has landed stays for so long, for those who read before it was stored and come only now: longer than a read may take.
pub(super) const LINGER: Duration = Duration::from_millis(600);

impl Flights {
    /// Joins the load of a key, or begins one, on which others rely for so long at most. Shared is only what began with what its caller has seen as well, and what
    /// has landed only as long as it is being stored, or by those who read before.
    pub(super) fn join<T, E>(
        self: &Arc<Self>,
        key: &Key,
        (basis, read): (Basis, Instant),
        limit: Option<Duration>,
    ) -> Joined<T, E>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let mut slots = self.slots();
        let of_key = slots.entry(key.clone()).or_default();
        let place = of_key.iter().position(|slot| slot.types == types::<T, E>());
        if let Some(slot) = place.and_then(|place| of_key.get(place))
            && let Some(flight) = slot.flight.downcast_ref::<Flight<T, E>>()
        {
            let is_of_use = match &*flight.progress.borrow() {
                Progress::UnderWay => flight.limit.is_none_or(|limit| Instant::now() < limit),
                Progress::Landed { stored, .. } => stored.is_none_or(|stored| read <= stored),
                Progress::Abandoned => false,
            };
            if is_of_use && slot.basis.is_that_of(&basis) {
                return Joined::Shared(Passenger(flight.progress.subscribe()));
            }
        }
        if let Some(place) = place {
            of_key.swap_remove(place);
        }
        let flight = Arc::new(Flight {
            progress: watch::Sender::new(Progress::UnderWay),
            is_overtaken: Arc::default(),
            limit: limit.map(|limit| later(Instant::now(), limit)),
        });
        let number = self.numbers.fetch_add(1, Relaxed);
        of_key.push(Slot {
            types: types::<T, E>(),
            number,
            basis,
            is_overtaken: Arc::clone(&flight.is_overtaken),
            flight: Arc::clone(&flight) as Arc<dyn Any + Send + Sync>,
        });
        self.len.store(slots.len(), Relaxed);
        drop(slots);
        Joined::First(Pilot {
            flights: Arc::clone(self),
            key: key.clone(),
            number,
            flight,
        })
    }

    /// Lets nobody join what began before now: the key was changed. Who has joined gets what it brings; nothing of it is stored.
    pub(super) fn overtake(&self, key: &Key) {
        if self.len.load(Relaxed) == 0 {
            return;
        }
        let mut slots = self.slots();
        let overtaken = slots.remove(key).unwrap_or_default();
        self.len.store(slots.len(), Relaxed);
        drop(slots);
        overtaken.iter().for_each(|slot| slot.is_overtaken.store(true, Relaxed));
    }

    /// The same for all keys.
    pub(super) fn overtake_all(&self) {
        let overtaken = std::mem::take(&mut *self.slots());
        self.len.store(0, Relaxed);
        let overtaken = overtaken.values().flatten();
        overtaken.for_each(|slot| slot.is_overtaken.store(true, Relaxed));
    }

    fn forget(&self, key: &Key, number: u64) {
        let mut slots = self.slots();
        if let Some(of_key) = slots.get_mut(key) {
            of_key.retain(|slot| slot.number != number);
            if of_key.is_empty() {
                slots.remove(key);
            }
        }
        self.len.store(slots.len(), Relaxed);
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Vec<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> Pilot<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Shares what this load brings.
    pub(super) fn passenger(&self) -> Passenger<T, E> {
        Passenger(self.flight.progress.subscribe())
    }

    /// Says whether more than one wait for it.
    pub(super) fn is_shared(&self) -> bool {
        self.flight.progress.receiver_count() > 1
    }

    /// Tells everybody what it has brought. Of what will not be stored nobody has part who asks from now on.
    pub(super) fn land(&self, outcome: Outcome<T, E>, will_be_stored: bool) {
        let stored = (!will_be_stored).then(Instant::now);
        self.flight.progress.send_replace(Progress::Landed { outcome, stored });
    }

    /// Says whether what it depends on was invalidated since it began.
    pub(super) fn is_overtaken(&self) -> bool {
        self.flight.is_overtaken.load(Relaxed)
    }

    /// Notes that what it has brought was stored, or will not be.
    pub(super) fn stored(&self) {
        self.flight.progress.send_modify(|progress| {
            if let Progress::Landed { stored, .. } = progress {
                stored.get_or_insert_with(Instant::now);
            }
        });
    }
}

impl<T: 'static, E: 'static> Drop for Pilot<T, E> {
    fn drop(&mut self) {
        self.flights.forget(&self.key, self.number);
        self.flight.progress.send_if_modified(|progress| {
            let is_left = matches!(progress, Progress::UnderWay);
            if is_left {
                *progress = Progress::Abandoned;
            }
            is_left
        });
    }
}

impl<T: Clone, E> Passenger<T, E> {
    /// Waits for what the load brings; `None` if it was dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the load alone.
    pub(super) async fn wait(&mut self) -> Option<Outcome<T, E>> {
        let is_over = |progress: &Progress<T, E>| !matches!(progress, Progress::UnderWay);
        match &*self.0.wait_for(is_over).await.ok()? {
            Progress::Landed { outcome, .. } => Some(outcome.clone()),
            Progress::UnderWay | Progress::Abandoned => None,
        }
    }
}

impl<T, E> fmt::Debug for Flight<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").finish_non_exhaustive()
    }
}

fn types<T: 'static, E: 'static>() -> TypeId {
    TypeId::of::<(T, E)>()
}

#[cfg(test)]
mod tests {
    use super::{super::reading::Sight, *};

    type Flown = Joined<u8, ()>;

    fn at(read: Instant) -> (Basis, Instant) {
        (Sight::nothing(read).basis(0), read)
    }

    fn join(flights: &Arc<Flights>, read: Instant) -> Flown {
        flights.join(&Key::from("k"), at(read), None)
    }

    fn first(joined: Flown) -> Pilot<u8, ()> {
        match joined {
            Joined::First(pilot) => pilot,
            Joined::Shared(_) => panic!("somebody loads already"),
        }
    }

    fn arrival(value: u8) -> Outcome<u8, ()> {
        Ok(Arrival::own(Some(value)))
    }

    #[tokio::test]
    async fn who_comes_while_it_is_under_way_shares_it() {
        let flights = Arc::<Flights>::default();
        let pilot = first(join(&flights, Instant::now()));
        let Joined::Shared(mut second) = join(&flights, Instant::now()) else {
            panic!("two load at once");
        };
        assert!(matches!(
            flights.join::<u16, ()>(&"k".into(), at(Instant::now()), None),
            Joined::First(_)
        ));
        let Joined::Shared(mut third) = join(&flights, Instant::now()) else {
            panic!("three load at once");
        };
        pilot.land(arrival(7), true);
        for passenger in [&mut second, &mut third] {
            assert_eq!(passenger.wait().await.unwrap().unwrap().value, Some(7));
        }
    }

    #[tokio::test]
    async fn what_has_landed_is_for_those_who_read_before_it_was_stored() {
        let flights = Arc::<Flights>::default();
        let before = Instant::now();
        let pilot = first(join(&flights, before));
        pilot.land(arrival(7), true);
        assert!(matches!(join(&flights, Instant::now()), Joined::Shared(_)));
        pilot.stored();
        assert!(matches!(join(&flights, before), Joined::Shared(_)));
        let later = Instant::now() + Duration::from_millis(1);
        let other = first(join(&flights, later));
        drop(pilot);
        // The first one's end is not the second one's.
        assert!(matches!(join(&flights, later), Joined::Shared(_)));
        drop(other);
        assert!(flights.slots().is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_for_what_was_dropped() {
        let flights = Arc::<Flights>::default();
        let pilot = first(join(&flights, Instant::now()));
        let mut passenger = pilot.passenger();
        drop(pilot);
        assert!(passenger.wait().await.is_none());
        first(join(&flights, Instant::now()));
    }

    #[test]
    fn nobody_relies_on_a_load_for_longer_than_its_limit() {
        let flights = Arc::<Flights>::default();
        let join = || flights.join::<u8, ()>(&"k".into(), at(Instant::now()), Some(Duration::ZERO));
        let stuck = first(join());
        let other = first(join());
        drop(stuck);
        assert_eq!(flights.slots().len(), 1);
        drop(other);
    }

    #[tokio::test]
    async fn what_was_overtaken_is_joined_by_nobody_else() {
        let flights = Arc::<Flights>::default();
        let pilot = first(join(&flights, Instant::now()));
        flights.overtake(&"k".into());
        assert!(pilot.is_overtaken());
        let second = first(join(&flights, Instant::now()));
        assert!(!second.is_overtaken());
        flights.overtake_all();
        assert!(second.is_overtaken());
        pilot.land(arrival(7), true);
        assert_eq!(pilot.passenger().wait().await.unwrap().unwrap().value, Some(7));
    }
}
