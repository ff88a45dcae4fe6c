//! From where to where a range goes.

use bytes::Bytes;

use super::score;
use crate::{error::Result, value::Value};

/// One end of a range of scores. A number stands for itself included; the infinities are before and after everything.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager, ScoreBound};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let zset = redis.service().zset();
/// zset.zadd("z", [("a", 1.0), ("b", 1.5), ("c", 2.0)]).await?;
/// assert_eq!(zset.zcount("z", 1, 1.5).await?, 2);
/// assert_eq!(zset.zcount("z", ScoreBound::exclusive(1.0), ScoreBound::MAX).await?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreBound {
    score: f64,
    is_exclusive: bool,
}

/// One end of a range of members in the order of their bytes.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, LexBound, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let zset = redis.service().zset();
/// zset.zadd("names", [("Ada", 0.0), ("Bob", 0.0), ("Cem", 0.0)]).await?;
/// assert_eq!(zset.zlexcount("names", LexBound::Min, LexBound::exclusive("Bob")).await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LexBound {
    /// Before everything.
    Min,
    /// After everything.
    Max,
    /// This, included.
    Inclusive(Value),
    /// This, left out.
    Exclusive(Value),
}

impl ScoreBound {
    /// Before everything: minus infinity, included.
    pub const MIN: Self = Self::inclusive(f64::NEG_INFINITY);

    /// After everything: infinity, included.
    pub const MAX: Self = Self::inclusive(f64::INFINITY);

    /// Ends the range at a score and includes it.
    pub const fn inclusive(score: f64) -> Self {
        Self {
            score,
            is_exclusive: false,
        }
    }

    /// Ends the range at a score and leaves it out.
    pub const fn exclusive(score: f64) -> Self {
        Self {
            score,
            is_exclusive: true,
        }
    }

    /// # Errors
    ///
    /// - The score is not a number.
    pub(super) fn into_word(self) -> Result<Bytes> {
        let mark = if self.is_exclusive { "(" } else { "" };
        Ok(format!("{mark}{}", score(self.score)?).into())
    }
}

macro_rules! inclusive {
    ($($number:ty),*) => {$(
        /// Includes the score.
        impl From<$number> for ScoreBound {
            fn from(score: $number) -> Self {
                Self::inclusive(score.into())
            }
        }
    )*};
}

inclusive!(f64, f32, i32, u32);

impl LexBound {
    /// Ends the range at a member and includes it.
    pub fn inclusive(member: impl Into<Value>) -> Self {
        Self::Inclusive(member.into())
    }

    /// Ends the range at a member and leaves it out.
    pub fn exclusive(member: impl Into<Value>) -> Self {
        Self::Exclusive(member.into())
    }

    pub(super) fn into_word(self) -> Bytes {
        match self {
            Self::Min => Bytes::from_static(b"-"),
            Self::Max => Bytes::from_static(b"+"),
            Self::Inclusive(member) => [b"[", member.as_bytes()].concat().into(),
            Self::Exclusive(member) => [b"(", member.as_bytes()].concat().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_the_server_reads_them() {
        assert_eq!(ScoreBound::from(1.5).into_word().unwrap(), "1.5");
        assert_eq!(ScoreBound::exclusive(-2.0).into_word().unwrap(), "(-2");
        assert_eq!(ScoreBound::MIN.into_word().unwrap(), "-inf");
        assert_eq!(ScoreBound::exclusive(f64::INFINITY).into_word().unwrap(), "(inf");
        assert!(ScoreBound::from(f64::NAN).into_word().is_err());
        assert_eq!(LexBound::inclusive("-").into_word(), "[-");
        assert_eq!(LexBound::exclusive("").into_word(), "(");
        assert_eq!(LexBound::Max.into_word(), "+");
    }
}
