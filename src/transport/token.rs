//! What nobody can foresee, as text.

use crate::chance;

/// Makes sixteen digits, other ones each time.
pub(super) fn token() -> String {
    format!("{:016x}", chance::token())
}
