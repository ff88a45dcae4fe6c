//! One operation that has not been sent yet.

use std::{
    fmt,
    future::{IntoFuture, ready},
    pin::Pin,
};

use crate::{
    command::{Call, Command},
    error::{Error, Result},
    key::{Key, Prefix},
    reply::Reply,
    transport::{asking::Asking, call::Road},
};

/// One operation of the honest face. Await it, or put it into a [`pipeline`](crate::RedisService::pipeline) or a
/// [`transaction`](crate::RedisService::transaction).
///
/// # Errors
///
/// Awaiting it fails
///
/// - with kind `Disabled` or `Unavailable` if nobody answers, `Timeout` if not within the deadline;
/// - with kind `InvalidArgument` if the call itself is wrong; nothing was sent then;
/// - with the server's error, or kind `Decode` if its answer cannot be read as what was asked for.
///
/// # Cancel safety
///
/// Until it is awaited nothing is sent. Dropping the future after that gives up the answer; the command may have been executed.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let service = redis.service();
/// let request = service.string().incr("visits");
/// assert_eq!(request.await?, 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a request does nothing unless awaited"]
pub struct Request<'a, T> {
    road: &'a Road,
    question: Result<Question>,
    read: Read<T>,
}

/// Reads an answer.
type Read<T> = fn(Reply) -> Result<T>;

/// What is to be asked, if anything.
#[derive(Debug)]
pub(crate) enum Question {
    Ask(Command),
    /// The answer is known without asking: nothing is sent.
    Known(Reply),
}

/// An operation that can be awaited or be part of a pipeline: a [`Request`], or a command with options such as
/// [`SetCommand`](crate::SetCommand).
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Operation, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let strings = redis.service().string();
/// assert!(strings.set("k", "v").nx().into_request().await?);
/// # Ok(())
/// # }
/// ```
pub trait Operation<'a> {
    /// What it answers.
    type Answer;

    /// Ends its construction.
    fn into_request(self) -> Request<'a, Self::Answer>;
}

/// Redis refuses longer values, and closes the connection.
const MAX_LEN: usize = 512 * 1024 * 1024;

impl<'a, T> Request<'a, T> {
    pub(crate) fn new<C: Into<Command>>(
        road: &'a Road,
        build: impl FnOnce(&Prefix) -> Result<C>,
        read: fn(Reply) -> Result<T>,
    ) -> Self {
        let question = build(road.prefix()).map(Into::into).and_then(|command| {
            if command.payload_len() > MAX_LEN {
                return Err(Error::invalid("values of more than 512 MiB"));
            }
            Ok(Question::Ask(command))
        });
        Self { road, question, read }
    }

    /// Makes a request about one key.
    pub(crate) fn on(
        road: &'a Road,
        name: &'static str,
        key: impl Into<Key>,
        read: fn(Reply) -> Result<T>,
        complete: impl FnOnce(Call) -> Call,
    ) -> Self {
        let build = |prefix: &Prefix| Ok(complete(Call::new(name).key(prefix.key(key.into())?)));
        Self::new(road, build, read)
    }

    /// Makes a request that is answered without asking.
    pub(crate) fn known(road: &'a Road, reply: Reply, read: fn(Reply) -> Result<T>) -> Self {
        Self {
            road,
            question: Ok(Question::Known(reply)),
            read,
        }
    }

    /// Reads the answer as something else.
    pub(crate) fn reading<U>(self, read: fn(Reply) -> Result<U>) -> Request<'a, U> {
        let Self { road, question, .. } = self;
        Request { road, question, read }
    }

    /// Begins to ask, unless the answer is known.
    pub(crate) fn ask(self) -> Result<Asking<'a, T>, Result<T>>
    where
        T: Send + 'a,
    {
        let Self { road, question, read } = self;
        match question {
            Ok(Question::Known(reply)) => Err(read(reply)),
            Ok(Question::Ask(command)) => Ok(Asking::new(road, Ok(command), read)),
            Err(error) => Ok(Asking::new(road, Err(error), read)),
        }
    }

    pub(crate) fn into_parts(self) -> (Result<Question>, Read<T>) {
        (self.question, self.read)
    }
}

impl<'a, T> Operation<'a> for Request<'a, T> {
    type Answer = T;

    fn into_request(self) -> Self {
        self
    }
}

impl<'a, T: Send + 'a> IntoFuture for Request<'a, T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        match self.ask() {
            Ok(asking) => Box::pin(asking),
            Err(known) => Box::pin(ready(known)),
        }
    }
}

impl<T> fmt::Debug for Request<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.question {
            Ok(Question::Ask(command)) => command.name(),
            Ok(Question::Known(_)) => "nothing to ask",
            Err(_) => "invalid",
        };
        f.debug_tuple("Request").field(&name).finish()
    }
}

/// Declares a group of operations: a view of the service, as cheap as a reference.
macro_rules! group {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name<'a> {
            pub(super) road: &'a std::sync::Arc<$crate::transport::call::Road>,
        }

        impl<'a> $name<'a> {
            /// Makes the group of a service.
            pub fn new(service: &'a $crate::service::RedisService) -> Self {
                Self { road: service.road() }
            }
        }
    };
}

/// Lets a command with options be awaited and be part of a pipeline. It has a method `request(self) -> Request<'a, Answer>`.
macro_rules! operation {
    ($name:ident, $answer:ty) => {
        impl<'a> $crate::service::request::Operation<'a> for $name<'a> {
            type Answer = $answer;

            fn into_request(self) -> $crate::service::request::Request<'a, $answer> {
                self.request()
            }
        }

        impl<'a> IntoFuture for $name<'a> {
            type Output = $crate::error::Result<$answer>;
            type IntoFuture = <$crate::service::request::Request<'a, $answer> as IntoFuture>::IntoFuture;

            fn into_future(self) -> Self::IntoFuture {
                self.request().into_future()
            }
        }
    };
}

pub(super) use {group, operation};
