//! Who is asked for when some keys are far more popular than others, decided before the clock runs.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Zipf};

use crate::Outcome;

/// How many keys.
pub(super) const KEYS: u16 = 10_000;

/// How unequal they are: the exponent of the usual cache benchmarks.
const EXPONENT: f64 = 0.99;

/// Out of so many calls one writes.
const CALLS_PER_WRITE: u16 = 5;

/// How long the sequence is before it begins again: a power of two.
const LENGTH: usize = 1 << 18;

/// Marks a call that writes. Keys stay below.
const WRITE: u16 = 1 << 15;

/// A sequence of calls. Each task begins elsewhere in it.
#[derive(Debug)]
pub(super) struct Sequence(Vec<u16>);

impl Sequence {
    /// Decides, the same way each time.
    ///
    /// # Errors
    ///
    /// - None is expected.
    pub(super) fn new() -> Outcome<Self> {
        let keys = Zipf::new(f64::from(KEYS), EXPONENT)?;
        let mut chance = StdRng::seed_from_u64(99);
        Ok(Self((0..LENGTH).map(|_| draw(&keys, &mut chance)).collect()))
    }

    /// Returns the key of a task's call, and whether it writes.
    pub(super) fn at(&self, task: usize, call: usize) -> (usize, bool) {
        let place = task.wrapping_mul(7919).wrapping_add(call) % LENGTH;
        let drawn = self.0.get(place).copied().unwrap_or_default();
        (usize::from(drawn & !WRITE), drawn & WRITE != 0)
    }
}

/// Decides one call.
fn draw(keys: &Zipf<f64>, chance: &mut impl Rng) -> u16 {
    // The distribution counts from 1.
    let key = keys.sample(chance) as u16 - 1;
    let is_write = chance.random_range(0..CALLS_PER_WRITE) == 0;
    if is_write { key | WRITE } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_five_writes_and_the_first_key_is_asked_for_most() -> Outcome {
        let sequence = Sequence::new()?;
        let calls: Vec<_> = (0..LENGTH).map(|call| sequence.at(0, call)).collect();
        let writes = calls.iter().filter(|(_, is_write)| *is_write).count();
        assert!((LENGTH / 6..LENGTH / 4).contains(&writes), "{writes}");
        let of = |key| calls.iter().filter(|(asked, _)| *asked == key).count();
        assert!(of(0) > of(1) && of(1) > of(100) && calls.iter().all(|(key, _)| *key < usize::from(KEYS)));
        Ok(())
    }
}
