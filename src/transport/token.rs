//! What nobody can foresee.

use std::hash::{BuildHasher, RandomState};

/// Makes sixteen digits, other ones each time.
pub(super) fn token() -> String {
    format!("{:016x}", RandomState::new().hash_one("token"))
}
