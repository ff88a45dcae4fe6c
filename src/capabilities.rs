//! What a server can, as far as it says so.

mod flavour;

use std::fmt;

use serde::{Serialize, Serializer};

pub use self::flavour::Flavour;

/// What whoever answers can, and who that is. Made by [`RedisManager::capabilities`](crate::RedisManager::capabilities).
///
/// A server is asked once for each life of a connection, in the background. What it hides is [`Support::Unknown`] or `None`, and is found out by
/// trying. It serialises, for a health endpoint.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Flavour, RedisManager, Support};
///
/// let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let capabilities = redis.capabilities();
/// assert_eq!(capabilities.flavour, Flavour::Embedded);
/// assert_eq!(capabilities.scripts, Support::No);
/// assert_eq!(serde_json::to_value(&capabilities).unwrap()["flavour"], "memory");
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whose software it is.
    pub flavour: Flavour,
    /// Its version, in the count of its own makers.
    pub version: Option<ServerVersion>,
    /// Whether it is a member of a cluster.
    pub mode: ServerMode,
    /// Whether it speaks RESP3, the protocol without which this crate does not connect.
    pub resp3: Support,
    /// Whether it tells of changed keys (`CLIENT TRACKING`), which the near cache lives on.
    pub tracking: Support,
    /// Whether Lua scripts may be run (`EVAL`).
    pub scripts: Support,
    /// Whether there are scripts that only read (`EVAL_RO`, `EVALSHA_RO`, Redis 7.0).
    pub read_only_scripts: Support,
    /// Whether there are functions (`FCALL`, Redis 7.0).
    pub functions: Support,
    /// Whether there are channels that stay in one part of a cluster (`SSUBSCRIBE`, Redis 7.0).
    pub sharded_pubsub: Support,
    /// Whether there is `GETEX` (Redis 6.2).
    pub getex: Support,
    /// Whether there is `SINTERCARD` (Redis 7.0).
    pub sintercard: Support,
    /// Whether `ZRANK` and `ZREVRANK` tell the score as well (`WITHSCORE`, Redis 7.2).
    pub zrank_with_score: Support,
    /// Whether single fields of a hash can expire (`HPEXPIRE` and its family, Redis 7.4).
    pub field_expiry: Support,
    /// Whether there is `MSETEX`, which writes many keys that expire (Redis 8.4).
    pub msetex: Support,
    /// Whether documents can be read and changed by path (`JSON.GET` and its family, the module RedisJSON).
    pub json: Support,
    /// The modules that are loaded, by the names that the server gives them.
    pub modules: Option<Vec<String>>,
}

/// Whether something can be done.
///
/// # Examples
///
/// ```
/// use redis_manager::{RedisManager, Support};
///
/// let off = RedisManager::disabled("an example");
/// assert_eq!(off.capabilities().scripts, Support::Unknown); // nobody was asked
/// assert!(!Support::Unknown.is_yes());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Support {
    /// It can, and this user may.
    Yes,
    /// It cannot, or this user may not.
    No,
    /// Nobody was asked yet, or the server does not say.
    #[default]
    Unknown,
}

/// Whether a server is a member of a cluster.
///
/// # Examples
///
/// ```
/// use redis_manager::{RedisManager, ServerMode};
///
/// assert_eq!(RedisManager::disabled("an example").capabilities().mode, ServerMode::Unknown);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerMode {
    /// It is by itself, or with replicas.
    Standalone,
    /// It is a node of a cluster.
    Cluster,
    /// It is a Sentinel, which holds no keys.
    Sentinel,
    /// Nobody was asked yet, or the server does not say.
    #[default]
    Unknown,
}

/// The version of a server: versions can be compared. It is shown, and serialised, as `7.0.15`.
///
/// # Examples
///
/// ```
/// use redis_manager::RedisManager;
///
/// let version = RedisManager::disabled("an example").capabilities().version;
/// assert!(version.is_none_or(|version| (version.major, version.minor) >= (6, 0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ServerVersion {
    /// `7` of `7.0.15`.
    pub major: u32,
    /// `0` of `7.0.15`.
    pub minor: u32,
    /// `15` of `7.0.15`.
    pub patch: u32,
}

impl Capabilities {
    /// Returns what both can: what one of them cannot is `No`, what is not known of one of them `Unknown`. Of two versions it is the older.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Capabilities, Config, RedisManager, Support};
    ///
    /// let known = RedisManager::new(Config::from_url("memory://"))?.capabilities();
    /// let both = known.least(Capabilities::default());
    /// assert_eq!((both.scripts, both.getex), (Support::No, Support::Unknown));
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        Self {
            version: self.version.zip(other.version).map(|(own, others)| own.min(others)),
            flavour: if self.flavour == other.flavour {
                self.flavour
            } else {
                Flavour::Unknown
            },
            mode: if self.mode == other.mode {
                self.mode
            } else {
                ServerMode::Unknown
            },
            resp3: self.resp3.and(other.resp3),
            tracking: self.tracking.and(other.tracking),
            scripts: self.scripts.and(other.scripts),
            read_only_scripts: self.read_only_scripts.and(other.read_only_scripts),
            functions: self.functions.and(other.functions),
            sharded_pubsub: self.sharded_pubsub.and(other.sharded_pubsub),
            getex: self.getex.and(other.getex),
            sintercard: self.sintercard.and(other.sintercard),
            zrank_with_score: self.zrank_with_score.and(other.zrank_with_score),
            field_expiry: self.field_expiry.and(other.field_expiry),
            msetex: self.msetex.and(other.msetex),
            json: self.json.and(other.json),
            modules: self.modules.zip(other.modules).map(|(mut own, others)| {
                own.retain(|module| others.contains(module));
                own
            }),
        }
    }

    /// What the embedded backend can.
    pub(crate) fn of_embedded() -> Self {
        Self {
            flavour: Flavour::Embedded,
            version: None,
            mode: ServerMode::Standalone,
            resp3: Support::No,
            tracking: Support::No,
            scripts: Support::No,
            read_only_scripts: Support::No,
            functions: Support::No,
            sharded_pubsub: Support::No,
            getex: Support::Yes,
            sintercard: Support::Yes,
            zrank_with_score: Support::Yes,
            field_expiry: Support::No,
            msetex: Support::No,
            json: Support::No,
            modules: Some(Vec::new()),
        }
    }

    /// What is known of a client of the caller's.
    pub(crate) fn of_guest() -> Self {
        Self {
            resp3: Support::Yes,
            ..Self::default()
        }
    }
}

impl Support {
    /// Says whether it can be done for certain.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(redis_manager::Support::Yes.is_yes());
    /// ```
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }

    /// Says whether it certainly cannot be done.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!redis_manager::Support::Unknown.is_no());
    /// ```
    pub fn is_no(self) -> bool {
        self == Self::No
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }
}

impl From<bool> for Support {
    fn from(can: bool) -> Self {
        if can { Self::Yes } else { Self::No }
    }
}

impl ServerVersion {
    /// Reads `7.0.15`, and what has something before or after it: `df-v1.25.1`, `8.0-rc1`. What is missing is zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let begin = text.find(|letter: char| letter.is_ascii_digit())?;
        let numbers = text[begin..].split(|letter: char| !letter.is_ascii_digit());
        let mut numbers = numbers.map_while(|number| number.parse().ok());
        Some(Self {
            major: numbers.next()?,
            minor: numbers.next().unwrap_or_default(),
            patch: numbers.next().unwrap_or_default(),
        })
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for ServerVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> String {
        ServerVersion::parse(text).map_or_else(|| "none".to_owned(), |version| version.to_string())
    }

    #[test]
    fn versions_are_read_and_compared_by_number() {
        assert_eq!(version("7.0.15"), "7.0.15");
        assert_eq!(version("df-v1.25.1"), "1.25.1");
        assert_eq!(version("8.0-rc1"), "8.0.0");
        assert_eq!(version("6"), "6.0.0");
        assert_eq!(version(""), "none");
        assert_eq!(version("unstable"), "none");
        assert_eq!(version("99999999999.1"), "none");
        assert!(ServerVersion::parse("7.0.9") < ServerVersion::parse("7.0.15"));
        assert!(ServerVersion::parse("7.10.0") > ServerVersion::parse("7.4.2"));
    }

    #[test]
    fn of_two_the_least_is_what_both_can() {
        let redis = Capabilities {
            flavour: Flavour::Redis,
            version: ServerVersion::parse("7.0.15"),
            mode: ServerMode::Cluster,
            scripts: Support::Yes,
            msetex: Support::No,
            getex: Support::Yes,
            modules: Some(vec!["ReJSON".to_owned(), "search".to_owned()]),
            ..Capabilities::default()
        };
        let newer = Capabilities {
            version: ServerVersion::parse("8.4.0"),
            msetex: Support::Yes,
            getex: Support::Unknown,
            modules: Some(vec!["ReJSON".to_owned()]),
            ..redis.clone()
        };
        let both = redis.clone().least(newer.clone());
        assert_eq!(both, newer.clone().least(redis.clone()), "whichever comes first");
        let expected = Capabilities {
            getex: Support::Unknown,
            modules: Some(vec!["ReJSON".to_owned()]),
            ..redis.clone()
        };
        assert_eq!(both, expected);
        assert_eq!(redis.clone().least(redis.clone()), redis);
        let valkey = Capabilities {
            flavour: Flavour::Valkey,
            mode: ServerMode::Standalone,
            version: None,
            modules: None,
            ..newer
        };
        let both = redis.least(valkey);
        assert_eq!((both.flavour, both.mode), (Flavour::Unknown, ServerMode::Unknown));
        assert_eq!((both.version, both.modules), (None, None));
    }

    #[test]
    fn a_no_is_stronger_than_what_is_not_known() {
        assert_eq!(Support::No.and(Support::Unknown), Support::No);
        assert_eq!(Support::Unknown.and(Support::Yes), Support::Unknown);
        assert_eq!(Support::Yes.and(Support::Yes), Support::Yes);
    }

    #[test]
    fn it_serialises_in_short_words() {
        let shown = serde_json::to_value(Capabilities {
            version: ServerVersion::parse("7.0.15"),
            flavour: Flavour::Other("dragonfly".to_owned()),
            ..Capabilities::of_embedded()
        });
        let shown = shown.unwrap();
        assert_eq!(
            (&shown["version"], &shown["flavour"]),
            (&"7.0.15".into(), &"dragonfly".into())
        );
        assert_eq!(
            (&shown["mode"], &shown["scripts"]),
            (&"standalone".into(), &"no".into())
        );
    }
}
