//! Several operations in one round trip.

use std::{fmt, future::IntoFuture, pin::Pin};

use super::{
    RedisService,
    request::{Operation, Question},
};
use crate::{command::Command, error::Result, reply::Reply, transport::call::Road};

/// Operations that can be asked together: a tuple of up to twelve, or a list of equal ones.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let strings = redis.service().string();
/// let counts: Vec<i64> = redis.service().pipeline((0..3).map(|n| strings.incr_by("n", n)).collect::<Vec<_>>()).await?;
/// assert_eq!(counts, [0, 1, 3]);
/// # Ok(())
/// # }
/// ```
pub trait Batch<'a> {
    /// What all answer, if all succeed.
    type Answers: Send + 'a;
    /// What each answers, or its error.
    type Results: Send + 'a;

    #[doc(hidden)]
    fn split(self) -> (Vec<Asked>, Reader<'a, Self::Results>);

    #[doc(hidden)]
    fn all(results: Self::Results) -> Result<Self::Answers>;
}

/// The question of one operation of a batch.
#[doc(hidden)]
#[derive(Debug)]
pub struct Asked(pub(super) Result<Question>);

/// Makes results of the replies of a batch.
#[doc(hidden)]
pub struct Reader<'a, R>(Box<Reading<'a, R>>);

type Reading<'a, R> = dyn FnOnce(&mut dyn Iterator<Item = Result<Reply>>) -> R + Send + 'a;

impl<R> Reader<'_, R> {
    pub(super) fn read(self, replies: Vec<Result<Reply>>) -> R {
        (self.0)(&mut replies.into_iter())
    }
}

impl<R> fmt::Debug for Reader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// Several operations on their way together. Await it to have all answers, or the first error; [`each`](Self::each) has them one by one.
/// Made by [`RedisService::pipeline`].
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
/// strings.set("name", "Ada").await?;
/// let (name, visits): (Option<String>, i64) =
///     service.pipeline((strings.get("name"), strings.incr("visits"))).await?;
/// assert_eq!((name.as_deref(), visits), (Some("Ada"), 1));
///
/// let (wrong, right) = service.pipeline((strings.incr("name"), strings.incr("visits"))).each().await;
/// assert_eq!((wrong.unwrap_err().code(), right?), ("server", 2));
/// # Ok(())
/// # }
/// ```
#[must_use = "a pipeline does nothing unless awaited"]
pub struct Pipeline<'a, B: Batch<'a>> {
    road: &'a Road,
    asked: Vec<Asked>,
    reader: Reader<'a, B::Results>,
}

impl RedisService {
    /// Asks several operations in one round trip (one for each 512 of them). They are executed in their order, but not as one step: what others
    /// ask may come between them, and one that fails stops no other. For one step see [`transaction`](Self::transaction).
    pub fn pipeline<'a, B: Batch<'a>>(&'a self, operations: B) -> Pipeline<'a, B> {
        let (asked, reader) = operations.split();
        Pipeline {
            road: self.road(),
            asked,
            reader,
        }
    }
}

impl<'a, B: Batch<'a>> Pipeline<'a, B> {
    /// Returns what each operation answered, or its error.
    pub fn each(self) -> Pin<Box<dyn Future<Output = B::Results> + Send + 'a>>
    where
        B: 'a,
    {
        let Self { road, asked, reader } = self;
        Box::pin(async move {
            let (commands, known) = commands_of(asked);
            let answers = road.call_all(commands).await;
            reader.read(merge(known, answers))
        })
    }
}

impl<'a, B: Batch<'a> + 'a> IntoFuture for Pipeline<'a, B> {
    type Output = Result<B::Answers>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let each = self.each();
        Box::pin(async move { B::all(each.await) })
    }
}

impl<'a, B: Batch<'a>> fmt::Debug for Pipeline<'a, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("len", &self.asked.len()).finish()
    }
}

/// Takes out what has to be asked. What is known already stays, in its place.
pub(super) fn commands_of(asked: Vec<Asked>) -> (Vec<Command>, Vec<Option<Result<Reply>>>) {
    let mut commands = Vec::with_capacity(asked.len());
    let place = |Asked(question)| match question {
        Ok(Question::Ask(command)) => {
            commands.push(command);
            None
        }
        Ok(Question::Known(reply)) => Some(Ok(reply)),
        Err(error) => Some(Err(error)),
    };
    let known = asked.into_iter().map(place).collect();
    (commands, known)
}

/// Puts the answers into the places that were not known.
pub(super) fn merge(known: Vec<Option<Result<Reply>>>, answers: Vec<Result<Reply>>) -> Vec<Result<Reply>> {
    let mut answers = answers.into_iter();
    let place = |known: Option<Result<Reply>>| known.or_else(|| answers.next()).unwrap_or(Ok(Reply::Nil));
    known.into_iter().map(place).collect()
}

impl<'a, O: Operation<'a>> Batch<'a> for Vec<O>
where
    O::Answer: Send + 'a,
{
    type Answers = Vec<O::Answer>;
    type Results = Vec<Result<O::Answer>>;

    fn split(self) -> (Vec<Asked>, Reader<'a, Self::Results>) {
        let parts = self.into_iter().map(|operation| operation.into_request().into_parts());
        let (asked, reads): (Vec<_>, Vec<_>) = parts.map(|(question, read)| (Asked(question), read)).unzip();
        let read = move |replies: &mut dyn Iterator<Item = Result<Reply>>| {
            reads
                .into_iter()
                .zip(replies)
                .map(|(read, reply)| reply.and_then(read))
                .collect()
        };
        (asked, Reader(Box::new(read)))
    }

    fn all(results: Self::Results) -> Result<Self::Answers> {
        results.into_iter().collect()
    }
}

macro_rules! tuples {
    ($(($($operation:ident $value:ident),+))*) => {$(
        impl<'a, $($operation: Operation<'a>),+> Batch<'a> for ($($operation,)+)
        where
            $($operation::Answer: Send + 'a,)+
        {
            type Answers = ($($operation::Answer,)+);
            type Results = ($(Result<$operation::Answer>,)+);

            fn split(self) -> (Vec<Asked>, Reader<'a, Self::Results>) {
                let ($($value,)+) = self;
                $(let $value = $value.into_request().into_parts();)+
                let reads = ($($value.1,)+);
                let asked = vec![$(Asked($value.0)),+];
                let read = move |replies: &mut dyn Iterator<Item = Result<Reply>>| {
                    let ($($value,)+) = reads;
                    ($(replies.next().unwrap_or(Ok(Reply::Nil)).and_then($value),)+)
                };
                (asked, Reader(Box::new(read)))
            }

            fn all(results: Self::Results) -> Result<Self::Answers> {
                let ($($value,)+) = results;
                Ok(($($value?,)+))
            }
        }
    )*};
}

tuples! {
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
    (A a, B b, C c, D d, E e, F f, G g, H h)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i, J j)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k)
    (A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l)
}
