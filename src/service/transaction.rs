//! Several operations in one step, if nothing was changed meanwhile.

use std::{
    fmt,
    future::IntoFuture,
    hash::{BuildHasher, RandomState},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use super::{
    RedisService,
    pipeline::{Asked, Batch, Reader, commands_of, merge},
    request::{Operation, Question},
};
use crate::{
    command::Call,
    error::{Error, ErrorKind, Result},
    key::IntoKeys,
    transport::{call::Road, session::Session},
};

/// Several operations that are executed in one step (`MULTI`, `EXEC`). Await it to have all answers, or the first error;
/// [`each`](Self::each) has them one by one. Made by [`RedisService::transaction`].
///
/// Redis rolls nothing back: an operation that fails by its data (a wrong type) stops no other. One that is refused before (no such command,
/// not permitted, out of memory) stops all.
///
/// # Cancel safety
///
/// Dropping the future gives up the answers; all may have been executed, or none.
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
/// let strings = service.string();
/// let (here, there) = service.transaction((strings.decr_by("here", 5), strings.incr_by("there", 5))).await?;
/// assert_eq!((here, there), (-5, 5));
/// # Ok(())
/// # }
/// ```
#[must_use = "a transaction does nothing unless awaited"]
pub struct Transaction<'a, B: Batch<'a>> {
    road: &'a Arc<Road>,
    asked: Vec<Asked>,
    reader: Reader<'a, B::Results>,
}

/// Keys under watch: read them, decide, and [`commit`](Self::commit) if nobody changed them meanwhile. Made by [`RedisService::watch`].
///
/// It has a connection of its own, which dropping it gives back.
///
/// # Examples
///
/// Sell one, as long as there are some:
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// # redis.set("stock", 3).await;
/// let service = redis.service();
/// let strings = service.string();
/// let mut watch = service.watch("stock").await?;
/// let left = loop {
///     let stock: Option<i64> = watch.read(strings.get("stock")).await?;
///     if stock.unwrap_or(0) < 1 {
///         break None;
///     }
///     if let Some((left,)) = watch.commit((strings.decr("stock"),)).await? {
///         break Some(left);
///     }
///     watch.again().await?; // somebody else was faster
/// };
/// assert_eq!(left, Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watch<'a> {
    service: PhantomData<&'a RedisService>,
    keys: Vec<bytes::Bytes>,
    session: Session,
    attempts: u32,
}

/// In a box, because the compiler cannot see that a future which names an [`Operation`] can be sent to another thread.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// So many times somebody else may be faster.
const ATTEMPTS: u32 = 16;

impl RedisService {
    /// Executes several operations in one step: all or, if one of them is refused, none. One round trip, on a connection that no other call uses
    /// meanwhile (the first transaction opens one).
    ///
    /// In a cluster all keys have to be in one slot.
    pub fn transaction<'a, B: Batch<'a>>(&'a self, operations: B) -> Transaction<'a, B> {
        let (asked, reader) = operations.split();
        Transaction {
            road: self.road(),
            asked,
            reader,
        }
    }

    /// Watches keys (`WATCH`): what is committed afterwards is executed only if nobody changed them meanwhile. One round trip, on a connection
    /// of its own.
    ///
    /// # Errors
    ///
    /// - There are no keys, or one is no key.
    /// - Nobody answers, or `REDIS_MAX_CONNECTIONS` leaves no connection for it.
    pub async fn watch(&self, keys: impl IntoKeys) -> Result<Watch<'_>> {
        let keys = self.road().prefix().keys(keys.into_keys())?;
        if keys.is_empty() {
            return Err(Error::invalid("no keys to watch"));
        }
        let watched = Call::new("WATCH").keys_of(keys.clone()).into();
        let mut session = Session::open(self.road(), &[watched]).await?;
        session.watch(keys.clone()).await?;
        Ok(Watch {
            service: PhantomData,
            keys,
            session,
            attempts: 1,
        })
    }
}

impl<'a, B: Batch<'a>> Transaction<'a, B> {
    /// Returns what each operation answered, or its error.
    ///
    /// # Errors
    ///
    /// - Nothing was executed: nobody answers, an operation is invalid, or the server refused one.
    pub fn each(self) -> Boxed<'a, Result<B::Results>>
    where
        B: 'a,
    {
        let Self { road, asked, reader } = self;
        Box::pin(async move {
            let (commands, known) = commands_of(valid(asked)?);
            let answers = if commands.is_empty() {
                Some(Vec::new())
            } else {
                let mut session = Session::open(road, &commands).await?;
                session.transact(commands).await?
            };
            // Nothing is watched, so that nothing can have been changed.
            Ok(reader.read(merge(known, answers.unwrap_or_default())))
        })
    }
}

impl<'a, B: Batch<'a> + 'a> IntoFuture for Transaction<'a, B> {
    type Output = Result<B::Answers>;
    type IntoFuture = Boxed<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let each = self.each();
        Box::pin(async move { B::all(each.await?) })
    }
}

impl<'a, B: Batch<'a>> fmt::Debug for Transaction<'a, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("len", &self.asked.len()).finish()
    }
}

impl<'a> Watch<'a> {
    /// Asks an operation while the keys are watched. One round trip.
    ///
    /// # Errors
    ///
    /// - As awaiting the operation.
    pub fn read<'s, T: 's>(&'s mut self, operation: impl Operation<'a, Answer = T>) -> Boxed<'s, Result<T>> {
        let (question, read) = operation.into_request().into_parts();
        Box::pin(async move {
            match question? {
                Question::Known(reply) => read(reply),
                Question::Ask(command) => read(self.session.ask(command, Duration::ZERO).await?),
            }
        })
    }

    /// Executes operations in one step if no watched key was changed since the watch began; `None` if one was, and nothing was executed. Nothing
    /// is watched after it. One round trip.
    ///
    /// # Errors
    ///
    /// - As awaiting a [`Transaction`].
    pub fn commit<'s, B: Batch<'a> + 's>(&'s mut self, operations: B) -> Boxed<'s, Result<Option<B::Answers>>> {
        let (asked, reader) = operations.split();
        Box::pin(async move {
            let (commands, known) = commands_of(valid(asked)?);
            match self.session.transact(commands).await? {
                Some(answers) => B::all(reader.read(merge(known, answers))).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Watches the same keys again, after a short pause that grows and differs from caller to caller.
    ///
    /// # Errors
    ///
    /// - Somebody else was faster 16 times: kind `Unavailable`, retryable.
    /// - As [`RedisService::watch`].
    pub async fn again(&mut self) -> Result<()> {
        if self.attempts >= ATTEMPTS {
            let message = "the watched keys are changed by others all the time";
            return Err(Error::new(ErrorKind::Unavailable, message)
                .unsent()
                .during("EXEC", None));
        }
        let most = 1 << self.attempts.min(5);
        let pause = RandomState::new().hash_one(self.attempts) % most;
        self.session.pause(Duration::from_millis(pause)).await;
        self.attempts += 1;
        self.session.watch(self.keys.clone()).await
    }
}

/// Refuses all if one is invalid: a transaction is executed as a whole.
fn valid(asked: Vec<Asked>) -> Result<Vec<Asked>> {
    match asked.iter().find_map(|Asked(question)| question.as_ref().err()) {
        Some(error) => Err(error.clone()),
        None => Ok(asked),
    }
}
