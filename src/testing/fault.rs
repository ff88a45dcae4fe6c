//! What can go wrong on command: plain data.

use std::time::Duration;

use crate::error::ErrorKind;

/// The operations of a [`CacheStore`](crate::CacheStore), one for each of its methods. `get_text` and `get_json` are `Get`, `set_json` is `Set`.
///
/// # Examples
///
/// ```
/// use redis_manager::testing::CacheOperation;
///
/// assert!(CacheOperation::Increment.is_write());
/// assert!(!CacheOperation::GetMany.is_write());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CacheOperation {
    /// `get`
    Get,
    /// `set`
    Set,
    /// `delete`
    Delete,
    /// `exists`
    Exists,
    /// `expire`
    Expire,
    /// `ttl`
    Ttl,
    /// `increment`
    Increment,
    /// `decrement`
    Decrement,
    /// `get_many`
    GetMany,
    /// `set_many`
    SetMany,
    /// `delete_pattern`
    DeletePattern,
    /// `flush`
    Flush,
    /// `ping`
    Ping,
}

impl CacheOperation {
    /// Says whether it changes what is stored.
    pub fn is_write(self) -> bool {
        match self {
            Self::Get | Self::Exists | Self::Ttl | Self::GetMany | Self::Ping => false,
            Self::Set
            | Self::Delete
            | Self::Expire
            | Self::Increment
            | Self::Decrement
            | Self::SetMany
            | Self::DeletePattern
            | Self::Flush => true,
        }
    }

    /// The name of the method.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Exists => "exists",
            Self::Expire => "expire",
            Self::Ttl => "ttl",
            Self::Increment => "increment",
            Self::Decrement => "decrement",
            Self::GetMany => "get_many",
            Self::SetMany => "set_many",
            Self::DeletePattern => "delete_pattern",
            Self::Flush => "flush",
            Self::Ping => "ping",
        }
    }
}

/// What shall go wrong, and for which calls: all, unless told otherwise. It takes effect when it is given to
/// [`Faults::inject`](super::Faults::inject).
///
/// # Examples
///
/// ```
/// use redis_manager::{CacheStore, ErrorKind, MemoryCache};
/// use redis_manager::testing::{CacheOperation, Fault, FaultyCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let cache = FaultyCache::new(MemoryCache::new(1 << 20));
/// let third_get = Fault::fail(ErrorKind::Timeout).on([CacheOperation::Get]).nth(3);
/// let _fault = cache.faults().inject(third_get);
/// assert!(cache.get("k").await.is_ok());
/// assert!(cache.ping().await.is_ok());
/// assert!(cache.get("k").await.is_ok());
/// assert!(cache.get("k").await.unwrap_err().is_timeout());
/// assert!(cache.get("k").await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a fault does nothing unless injected"]
pub struct Fault {
    pub(super) effect: Effect,
    scope: Scope,
    pub(super) is_late: bool,
    pub(super) skips: u64,
    /// How many calls it strikes; nothing means all.
    pub(super) times: Option<u64>,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Fail(ErrorKind),
    Stall,
    Delay(Duration),
    DropWrite,
}

/// Which calls it happens to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    All,
    Reads,
    Writes,
    Only(Vec<CacheOperation>),
}

impl Fault {
    /// Calls fail with an error of this kind; the store is not asked.
    pub fn fail(kind: ErrorKind) -> Self {
        Self::new(Effect::Fail(kind), Scope::All)
    }

    /// Calls wait until the fault ends, however long that takes: there is no deadline. Then they go on.
    pub fn stall() -> Self {
        Self::new(Effect::Stall, Scope::All)
    }

    /// Calls wait for this time on tokio's clock, which tests can pause, and go on.
    pub fn delay(time: Duration) -> Self {
        Self::new(Effect::Delay(time), Scope::All)
    }

    /// Writes are answered as if they had been made, and are not made. What is answered: `()`; for `delete` and `expire` whether there
    /// is such a key; for `increment` and `decrement` the number that it would be; for `delete_pattern` and `flush` 0. Arguments are not looked at.
    pub fn drop_writes() -> Self {
        Self::new(Effect::DropWrite, Scope::Writes)
    }

    fn new(effect: Effect, scope: Scope) -> Self {
        Self {
            effect,
            scope,
            is_late: false,
            skips: 0,
            times: None,
        }
    }

    /// Strikes these operations only.
    pub fn on(self, operations: impl IntoIterator<Item = CacheOperation>) -> Self {
        let scope = Scope::Only(operations.into_iter().collect());
        Self { scope, ..self }
    }

    /// Strikes what [changes nothing](CacheOperation::is_write) only.
    pub fn on_reads(self) -> Self {
        Self {
            scope: Scope::Reads,
            ..self
        }
    }

    /// Strikes [what changes something](CacheOperation::is_write) only.
    pub fn on_writes(self) -> Self {
        Self {
            scope: Scope::Writes,
            ..self
        }
    }

    /// Strikes the next so many calls that it is meant for, and then none.
    pub fn times(self, calls: u64) -> Self {
        Self {
            times: Some(calls),
            ..self
        }
    }

    /// Strikes only the `call`-th of the calls that it is meant for, counted from 1 when it is injected.
    pub fn nth(self, call: u64) -> Self {
        Self {
            skips: call.saturating_sub(1),
            times: Some(1),
            ..self
        }
    }

    /// Strikes the answer instead of the question: the store is asked first. With [`fail`](Self::fail) this is a timeout whose command has run all the
    /// same. It makes no difference to [`drop_writes`](Self::drop_writes).
    pub fn late(self) -> Self {
        let is_late = self.effect != Effect::DropWrite;
        Self { is_late, ..self }
    }

    pub(super) fn is_meant_for(&self, operation: CacheOperation) -> bool {
        // What is no write cannot be dropped as one, whatever `on` says.
        if self.effect == Effect::DropWrite && !operation.is_write() {
            return false;
        }
        match &self.scope {
            Scope::All => true,
            Scope::Reads => !operation.is_write(),
            Scope::Writes => operation.is_write(),
            Scope::Only(operations) => operations.contains(&operation),
        }
    }
}
