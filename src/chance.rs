//! What nobody can foresee.

use std::hash::{BuildHasher, RandomState};

/// Returns a number that nobody can foresee, another one each time.
pub(crate) fn token() -> u64 {
    RandomState::new().hash_one("token")
}

/// Returns a number from 0 to 1, another one each time.
#[expect(clippy::cast_precision_loss, reason = "chance needs few bits")]
pub(crate) fn chance() -> f64 {
    token() as f64 / u64::MAX as f64
}
