//! `ZADD` with its options.

use std::future::IntoFuture;

use bytes::Bytes;

use super::score;
use crate::{
    command::{Call, Condition},
    error::{Error, Result},
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    service::request::{Request, operation},
    transport::call::Road,
};

/// A `ZADD` under construction: add options, then await it. Returned by [`SortedSetOperations::zadd`](crate::SortedSetOperations::zadd).
///
/// `nx` excludes `xx`, `gt` and `lt`; `gt` excludes `lt`. Otherwise, and with a score that is not a number, it fails with kind
/// `InvalidArgument`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let zset = redis.service().zset();
/// assert_eq!(zset.zadd("best", [("Ada", 5), ("Bob", 7)]).await?, 2);
/// assert_eq!(zset.zadd("best", [("Ada", 6), ("Bob", 6)]).gt().ch().await?, 1);
/// assert_eq!(zset.zscore("best", "Bob").await?, Some(7.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct ZAddCommand<'a> {
    road: &'a Road,
    key: Key,
    members: Vec<(Bytes, f64)>,
    conditions: Result<Conditions>,
    counts_changed: bool,
}

/// A `ZADD INCR` under construction. Returned by [`SortedSetOperations::zadd_incr`](crate::SortedSetOperations::zadd_incr).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let zset = redis.service().zset();
/// assert_eq!(zset.zadd_incr("best", "Ada", 2).xx().await?, None);
/// assert_eq!(zset.zadd_incr("best", "Ada", 2).await?, Some(2.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct ZAddIncrCommand<'a> {
    road: &'a Road,
    key: Key,
    member: Bytes,
    by: f64,
    conditions: Result<Conditions>,
}

/// When to add or to change. Conditions that exclude each other cannot be put together.
#[derive(Debug, Clone, Copy, Default)]
struct Conditions {
    presence: Option<Condition>,
    order: Option<Order>,
}

/// How the new score must compare with the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Greater,
    Less,
}

impl Conditions {
    fn with_presence(self, presence: Condition) -> Result<Self> {
        Self {
            presence: unchanged(self.presence, presence, "both nx and xx")?,
            ..self
        }
        .consistent()
    }

    fn with_order(self, order: Order) -> Result<Self> {
        Self {
            order: unchanged(self.order, order, "both gt and lt")?,
            ..self
        }
        .consistent()
    }

    fn consistent(self) -> Result<Self> {
        match self {
            Self {
                presence: Some(Condition::IfAbsent),
                order: Some(_),
            } => Err(Error::invalid("nx together with gt or lt")),
            _ => Ok(self),
        }
    }

    fn words(self) -> impl Iterator<Item = &'static str> {
        let presence = self.presence.map(|presence| match presence {
            Condition::IfAbsent => "NX",
            Condition::IfPresent => "XX",
        });
        let order = self.order.map(|order| match order {
            Order::Greater => "GT",
            Order::Less => "LT",
        });
        presence.into_iter().chain(order)
    }
}

fn unchanged<T: PartialEq>(old: Option<T>, new: T, contradiction: &'static str) -> Result<Option<T>> {
    match old {
        Some(old) if old != new => Err(Error::invalid(contradiction)),
        _ => Ok(Some(new)),
    }
}

/// The options that set a condition.
macro_rules! conditions {
    () => {
        /// Only adds: leaves members alone that are there.
        pub fn nx(self) -> Self {
            self.with(|conditions| conditions.with_presence(Condition::IfAbsent))
        }

        /// Only changes: adds no members.
        pub fn xx(self) -> Self {
            self.with(|conditions| conditions.with_presence(Condition::IfPresent))
        }

        /// Changes a score only to a greater one; members that are not there are added.
        pub fn gt(self) -> Self {
            self.with(|conditions| conditions.with_order(Order::Greater))
        }

        /// Changes a score only to a smaller one; members that are not there are added.
        pub fn lt(self) -> Self {
            self.with(|conditions| conditions.with_order(Order::Less))
        }

        fn with(mut self, change: impl FnOnce(Conditions) -> Result<Conditions>) -> Self {
            self.conditions = self.conditions.and_then(change);
            self
        }
    };
}

impl<'a> ZAddCommand<'a> {
    pub(super) fn new(road: &'a Road, key: Key, members: Vec<(Bytes, f64)>) -> Self {
        Self {
            road,
            key,
            members,
            conditions: Ok(Conditions::default()),
            counts_changed: false,
        }
    }

    conditions!();

    /// Counts the members whose score changed as well as the new ones.
    pub fn ch(mut self) -> Self {
        self.counts_changed = true;
        self
    }

    fn request(self) -> Request<'a, u64> {
        if self.members.is_empty() && self.conditions.is_ok() {
            return Request::known(self.road, Reply::Integer(0), Reply::into_count);
        }
        let build = |prefix: &Prefix| {
            let call = Call::new("ZADD").key(prefix.key(self.key)?);
            let call = call.args(self.conditions?.words()).flag("CH", self.counts_changed);
            self.members
                .into_iter()
                .try_fold(call, |call, (member, new)| Ok(call.number(score(new)?).arg(member)))
        };
        Request::new(self.road, build, Reply::into_count)
    }
}

impl<'a> ZAddIncrCommand<'a> {
    pub(super) fn new(road: &'a Road, key: Key, member: Bytes, by: f64) -> Self {
        Self {
            road,
            key,
            member,
            by,
            conditions: Ok(Conditions::default()),
        }
    }

    conditions!();

    fn request(self) -> Request<'a, Option<f64>> {
        let build = |prefix: &Prefix| {
            let call = Call::new("ZADD").key(prefix.key(self.key)?);
            let call = call.args(self.conditions?.words()).arg("INCR");
            Ok(call.number(score(self.by)?).arg(self.member))
        };
        Request::new(self.road, build, Option::from_reply)
    }
}

operation!(ZAddCommand, u64);
operation!(ZAddIncrCommand, Option<f64>);
