//! Whose software answers.

use std::fmt;

use serde::{Serialize, Serializer};

/// Whose software answers. It is shown, and serialised, as one word in small letters.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Flavour, RedisManager};
///
/// let redis = RedisManager::new(Config::from_url("memory://"))?;
/// assert_eq!(redis.capabilities().flavour, Flavour::Embedded);
/// assert_eq!(Flavour::KeyDb.to_string(), "keydb");
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Flavour {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
    /// KeyDB.
    KeyDb,
    /// The backend of this crate within the process (`memory://`).
    Embedded,
    /// Another, by the name that it gives itself.
    Other(String),
    /// Nobody was asked yet, or the server does not say.
    #[default]
    Unknown,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::KeyDb => "keydb",
            Self::Embedded => "memory",
            Self::Other(name) => name,
            Self::Unknown => "unknown",
        })
    }
}

impl Serialize for Flavour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
