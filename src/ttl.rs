//! Time to live, in whole milliseconds, never zero.

use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};

/// A time to live that Redis accepts: at least 1 ms, at most about 146 million years.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use redis_manager::Ttl;
///
/// assert_eq!(Ttl::try_from(Duration::from_millis(500))?.as_millis(), 500);
/// assert_eq!(Ttl::from_secs(60)?.as_millis(), 60_000);
/// assert!(Ttl::try_from(Duration::ZERO).is_err());
/// assert!(Ttl::from_secs(u64::MAX).is_err());
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u64);

/// What [`expire`](crate::RedisManager::expire) takes as a time to live: whole seconds, a [`Duration`] or a [`Ttl`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use redis_manager::IntoTtl;
///
/// assert_eq!(60.into_ttl()?, Duration::from_secs(60).into_ttl()?);
/// assert!((-1).into_ttl().is_err());
/// # Ok::<(), redis_manager::Error>(())
/// ```
pub trait IntoTtl {
    /// Checks the time to live.
    ///
    /// # Errors
    ///
    /// - It is zero, negative, or more than [`Ttl::MAX`].
    fn into_ttl(self) -> Result<Ttl>;
}

impl Ttl {
    /// The longest time to live: half of what fits Redis' signed milliseconds, so that adding the present time cannot
    /// overflow there.
    pub const MAX: Self = Self(i64::MAX as u64 / 2);

    /// Makes a time to live of so many milliseconds.
    ///
    /// # Errors
    ///
    /// - `millis` is zero or more than [`Ttl::MAX`].
    pub fn from_millis(millis: u64) -> Result<Self> {
        match millis {
            0 => Err(Error::invalid("a time to live of zero")),
            _ if millis > Self::MAX.0 => Err(Error::invalid("a time to live that overflows")),
            _ => Ok(Self(millis)),
        }
    }

    /// Makes a time to live of so many seconds.
    ///
    /// # Errors
    ///
    /// - `secs` is zero or more than [`Ttl::MAX`].
    pub fn from_secs(secs: u64) -> Result<Self> {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Returns the time to live in milliseconds.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    pub(crate) fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// Rounds up to the next millisecond, so that a short time to live never becomes none.
impl TryFrom<Duration> for Ttl {
    type Error = Error;

    fn try_from(duration: Duration) -> Result<Self> {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

impl IntoTtl for Ttl {
    fn into_ttl(self) -> Result<Ttl> {
        Ok(self)
    }
}

impl IntoTtl for Duration {
    fn into_ttl(self) -> Result<Ttl> {
        self.try_into()
    }
}

macro_rules! seconds {
    ($($integer:ty),*) => {$(
        /// Whole seconds.
        impl IntoTtl for $integer {
            fn into_ttl(self) -> Result<Ttl> {
                let secs = u64::try_from(self).map_err(|_negative| Error::invalid("a negative time to live"))?;
                Ttl::from_secs(secs)
            }
        }
    )*};
}

seconds!(i32, i64, u32, u64, usize);

/// Returns a time as Redis takes it: milliseconds after 1970.
///
/// # Errors
///
/// - The time is before 1970, or too far away.
pub(crate) fn unix_millis(at: SystemTime) -> Result<i64> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_err(|_earlier| Error::invalid("a time before 1970"))?;
    i64::try_from(since.as_millis()).map_err(|_overflow| Error::invalid("a time that is too far away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_stays_half_a_second() {
        assert_eq!(Duration::from_millis(500).into_ttl().unwrap().as_millis(), 500);
    }

    #[test]
    fn less_than_a_millisecond_is_rounded_up() {
        assert_eq!(Duration::from_micros(1).into_ttl().unwrap().as_millis(), 1);
        assert_eq!(Duration::from_micros(1_500).into_ttl().unwrap().as_millis(), 2);
    }

    #[test]
    fn zero_negative_and_overflowing_are_refused() {
        assert!(0.into_ttl().is_err());
        assert!((-1).into_ttl().is_err());
        assert!(u64::MAX.into_ttl().is_err());
        assert!(Duration::MAX.into_ttl().is_err());
        assert!(Ttl::from_millis(u64::MAX).is_err());
    }
}
