//! From an honest result to a neutral value. The one place that forgives.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use once_cell::sync::Lazy;

use crate::error::{Error, ErrorKind, Result};

/// Forgives, and tells of what is not an outage: at most one line a second for each kind of error.
#[derive(Debug, Default)]
pub(super) struct Fallback {
    wrong_type: Throttle,
    refused_write: Throttle,
    codec: Throttle,
    argument: Throttle,
    other: Throttle,
}

/// Lets one pass in a second, and counts the others.
#[derive(Debug, Default)]
struct Throttle {
    /// The second, since the process began, in which the last one passed; plus one.
    last: AtomicU64,
    withheld: AtomicU64,
}

static BEGAN: Lazy<Instant> = Lazy::new(Instant::now);

impl Fallback {
    /// Returns the value, or the neutral one with the reason logged. An outage is logged where it begins and ends, not here.
    pub(super) fn forgive<T>(&self, result: Result<T>, neutral: T) -> T {
        match result {
            Ok(value) => value,
            Err(error) => {
                if !error.is_unavailable() {
                    self.tell(&error);
                }
                neutral
            }
        }
    }

    fn tell(&self, error: &Error) {
        let throttle = match error.kind() {
            ErrorKind::WrongType => &self.wrong_type,
            ErrorKind::OutOfMemory | ErrorKind::ReadOnly => &self.refused_write,
            ErrorKind::Encode | ErrorKind::Decode => &self.codec,
            ErrorKind::InvalidArgument => &self.argument,
            _ => &self.other,
        };
        if let Some(withheld) = throttle.pass(BEGAN.elapsed().as_secs()) {
            tracing::warn!(code = error.code(), withheld, "{error}; the neutral value is answered");
        }
    }
}

impl Throttle {
    /// Returns how many were withheld before this one, or `None` to withhold it.
    fn pass(&self, second: u64) -> Option<u64> {
        if self.last.swap(second + 1, Ordering::Relaxed) == second + 1 {
            self.withheld.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.withheld.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_and_the_others_are_counted() {
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(0), Some(0));
        assert_eq!(throttle.pass(0), None);
        assert_eq!(throttle.pass(0), None);
        assert_eq!(throttle.pass(1), Some(2));
    }
}
