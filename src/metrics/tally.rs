//! A counter that many threads move at once without waiting for each other.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Each thread counts in a place that it shares with few others. A plain atomic counter would cost more than the rest of a hit in the near cache, as soon
/// as two processors count.
#[derive(Debug, Default)]
pub(crate) struct Tally([Place; PLACES]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(AtomicU64);

const PLACES: usize = 32;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Tally {
    pub(crate) fn add(&self, count: u64) {
        self.0[own() % PLACES].0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|place| place.0.load(Ordering::Relaxed)).sum()
    }
}

/// Returns the number of this thread's place. A thread that ends counts in the first.
fn own() -> usize {
    let own = OWN.try_with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % PLACES);
        }
        own.get()
    });
    own.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_threads_count_is_summed() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1_000).for_each(|_| tally.add(1)));
            }
        });
        assert_eq!(tally.sum(), 40_000);
    }
}
