//! What `#[cached]` expands to calls; nobody else does.

use std::{convert::Infallible, pin::Pin};

/// What is written as a value, and not as an alias that hides a `Result` or an `Option`.
///
/// For those two there are two of it, so that the compiler cannot tell which is meant: there is no other way to say that a type is *not* something.
pub trait NeitherResultNorOption<Which> {
    /// Compiles if there is one of it only.
    fn assert() {}
}

impl<T: ?Sized> NeitherResultNorOption<()> for T {}

impl<T, E> NeitherResultNorOption<u8> for Result<T, E> {}

impl<T> NeitherResultNorOption<u8> for Option<T> {}

/// Makes a loader's future of a body that has its own error.
pub fn boxed<Body, Answer>(body: Body) -> Pin<Box<Answer>>
where
    Body: FnOnce() -> Answer,
    Answer: Future,
{
    Box::pin(body())
}

/// Makes a loader's future of a body that has no error.
pub fn infallible<Body, Answer>(
    body: Body,
) -> Pin<Box<impl Future<Output = Result<Answer::Output, Infallible>> + use<Body, Answer>>>
where
    Body: FnOnce() -> Answer,
    Answer: Future,
{
    let answer = body();
    Box::pin(async move { Ok(answer.await) })
}
