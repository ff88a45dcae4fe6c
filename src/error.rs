//! What can go wrong, in one opaque type.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

/// The result of an operation that can fail.
///
/// # Examples
///
/// ```
/// async fn visits(redis: &redis_manager::RedisManager) -> redis_manager::Result<i64> {
///     redis.service().string().incr("visits").await
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation gave no answer.
///
/// Its [`Display`](fmt::Display) form names the operation and a short hash of the key; it never repeats a key,
/// a value or a password. Decide by [`kind`](Self::kind) or by the predicates, log by [`code`](Self::code).
///
/// # Examples
///
/// ```
/// use redis_manager::{ErrorKind, Lookup, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let redis = RedisManager::disabled("not needed in this test");
/// let Lookup::Unavailable(error) = redis.lookup("user:1").await else { unreachable!() };
/// assert_eq!(error.kind(), ErrorKind::Disabled);
/// assert_eq!(error.code(), "disabled");
/// assert!(error.is_unavailable());
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: Message,
    operation: Option<&'static str>,
    key_hash: Option<u32>,
    /// Whether it is certain that nothing was executed.
    is_unsent: bool,
}

/// The kinds of [`Error`].
///
/// # Examples
///
/// ```
/// assert_eq!(redis_manager::ErrorKind::OutOfMemory.code(), "out_of_memory");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is wrong; the message names the variable.
    Config,
    /// Redis is switched off by configuration.
    Disabled,
    /// Redis is enabled, but no answer can be had from it now.
    Unavailable,
    /// The deadline passed before the answer came. Whether the command ran is unknown.
    Timeout,
    /// The server refused the credentials, or they do not permit the command.
    Auth,
    /// The key holds another type of value.
    WrongType,
    /// The server is out of memory and refused the write.
    OutOfMemory,
    /// The server is a read-only replica and refused the write.
    ReadOnly,
    /// The value could not be turned into bytes.
    Encode,
    /// The bytes could not be turned into the type that was asked for.
    Decode,
    /// The call itself is wrong; nothing was sent.
    InvalidArgument,
    /// This server or this version of the crate cannot do it.
    Unsupported,
    /// Any other error that the server replied; [`server_code`](Error::server_code) tells which.
    Server,
}

#[derive(Clone)]
enum Message {
    Fixed(Cow<'static, str>),
    Shared(Arc<str>),
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Message {}

impl Message {
    fn text(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: Message::Fixed(message.into()),
            operation: None,
            key_hash: None,
            is_unsent: false,
        }
    }

    /// Builds an error whose message is shared, so that refusing a call in an outage allocates nothing.
    pub(crate) fn shared(kind: ErrorKind, message: &Arc<str>) -> Self {
        Self {
            kind,
            message: Message::Shared(Arc::clone(message)),
            operation: None,
            key_hash: None,
            is_unsent: false,
        }
    }

    /// Makes an error of kind [`InvalidArgument`](ErrorKind::InvalidArgument), for your own [`CacheStore`](crate::CacheStore): the call itself is wrong,
    /// and nothing was done.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(redis_manager::Error::invalid("an empty key").code(), "invalid_argument");
    /// ```
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Makes an error of kind [`Unavailable`](ErrorKind::Unavailable), for your own [`CacheStore`](crate::CacheStore): no answer can be had from it now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(redis_manager::Error::unavailable("the file is locked").is_unavailable());
    /// ```
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Says that the command certainly was not executed, and may be tried again.
    pub(crate) fn unsent(mut self) -> Self {
        self.is_unsent = true;
        self
    }

    /// Takes back that it certainly was not executed.
    pub(crate) fn executed(mut self) -> Self {
        self.is_unsent = false;
        self
    }

    /// Says in which place of a list it went wrong.
    pub(crate) fn at(mut self, place: usize) -> Self {
        if self.kind == ErrorKind::Decode {
            self.message = Message::Fixed(format!("{} (at {place})", self.message()).into());
        }
        self
    }

    /// Makes an error of kind [`Decode`](ErrorKind::Decode), for your own [`FromReply`](crate::FromReply). Name types and positions in it, not values.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Error, FromReply, Reply, Result};
    ///
    /// #[derive(Debug)]
    /// struct Even(i64);
    ///
    /// impl FromReply for Even {
    ///     fn from_reply(reply: Reply) -> Result<Self> {
    ///         let number = i64::from_reply(reply)?;
    ///         if number % 2 == 0 { Ok(Self(number)) } else { Err(Error::decode("Even: the number is odd")) }
    ///     }
    /// }
    /// assert_eq!(Even::from_reply(Reply::Integer(3)).unwrap_err().code(), "decode");
    /// ```
    pub fn decode(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Decode, message)
    }

    /// Says during which operation, and on which key, the error arose.
    pub(crate) fn during(mut self, operation: &'static str, key_hash: Option<u32>) -> Self {
        self.operation = Some(operation);
        self.key_hash = key_hash;
        self
    }

    /// Returns the kind of the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{ErrorKind, Ttl};
    ///
    /// assert_eq!(Ttl::from_secs(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns a stable, low-cardinality name of the kind, for logs, metrics and APIs.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(redis_manager::Ttl::from_secs(0).unwrap_err().code(), "invalid_argument");
    /// ```
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Returns what went wrong, without the operation and the key.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(redis_manager::Ttl::from_secs(0).unwrap_err().message(), "a time to live of zero");
    /// ```
    pub fn message(&self) -> &str {
        self.message.text()
    }

    /// Returns the code that the server's error began with, as `ERR` or `NOSCRIPT`, if the server replied one.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// redis.set("k", "text").await;
    /// let error = redis.service().string().incr("k").await.unwrap_err();
    /// assert_eq!((error.code(), error.server_code()), ("server", Some("ERR")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn server_code(&self) -> Option<&str> {
        let code = self.message().split_whitespace().next()?;
        let is_code = code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        (is_code && self.kind.is_told_by_the_server()).then_some(code)
    }

    /// Says whether the same call may be made again without running twice: it certainly was not executed, and the reason may
    /// pass. A timeout is not retryable, nor is a connection that was lost while the command was under way.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!redis_manager::Ttl::from_secs(0).unwrap_err().is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        self.is_unsent && self.kind == ErrorKind::Unavailable
    }

    /// Says whether no answer could be had: Redis is disabled, unreachable, or too slow.
    ///
    /// Such an error says nothing about the key; the caller does without Redis.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Lookup, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let lookup = RedisManager::disabled("an example").lookup("k").await;
    /// assert!(matches!(lookup, Lookup::Unavailable(error) if error.is_unavailable()));
    /// # }
    /// ```
    pub fn is_unavailable(&self) -> bool {
        self.kind.is_unavailable()
    }

    /// Says whether the deadline passed. The command may have run, or may still run.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!redis_manager::Ttl::from_secs(0).unwrap_err().is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }
}

impl ErrorKind {
    /// Returns the stable name of the kind, in `snake_case`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Disabled => "disabled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Auth => "auth",
            Self::WrongType => "wrong_type",
            Self::OutOfMemory => "out_of_memory",
            Self::ReadOnly => "read_only",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::InvalidArgument => "invalid_argument",
            Self::Unsupported => "unsupported",
            Self::Server => "server",
        }
    }

    fn is_told_by_the_server(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::Auth
                | Self::WrongType
                | Self::OutOfMemory
                | Self::ReadOnly
                | Self::Unsupported
                | Self::Server
        )
    }

    pub(crate) fn is_unavailable(self) -> bool {
        matches!(self, Self::Disabled | Self::Unavailable | Self::Timeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation {
            f.write_str(operation)?;
            if let Some(hash) = self.key_hash {
                write!(f, " on key #{hash:08x}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({}: {self})", self.code())
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_operation_and_key_hash_but_no_key() {
        let error = Error::new(ErrorKind::Timeout, "no answer within 500ms").during("GET", Some(0xab));
        assert_eq!(error.to_string(), "GET on key #000000ab: no answer within 500ms");
        assert_eq!(
            format!("{error:?}"),
            "Error(timeout: GET on key #000000ab: no answer within 500ms)"
        );
    }

    #[test]
    fn only_disabled_unavailable_and_timeout_say_nothing_about_the_key() {
        for kind in [ErrorKind::Disabled, ErrorKind::Unavailable, ErrorKind::Timeout] {
            assert!(Error::new(kind, "").is_unavailable(), "{kind:?}");
        }
        for kind in [
            ErrorKind::WrongType,
            ErrorKind::OutOfMemory,
            ErrorKind::Decode,
            ErrorKind::Auth,
        ] {
            assert!(!Error::new(kind, "").is_unavailable(), "{kind:?}");
        }
    }
}
