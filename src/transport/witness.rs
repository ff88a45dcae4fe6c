//! Lists whose first element a user may have written, at full speed.
//!
//! fred swallows a list that looks like a message, and gives the next reply to the one who asked for the list. A script around the list keeps that
//! from happening, but costs the server a script and fred a flush for each call. So such lists are asked for on a connection that is used for nothing else, and
//! every answer is believed only when a token that was sent after the question has come back to the one who sent it: then no reply before it can be
//! missing. Callers that ask at the same time share a token. Where a token does not come back, the connection is closed, and all whose answers it should have
//! witnessed ask again, by script: they only read.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::Shared};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit},
    task::yield_now,
};

use super::{connection::Connection, failure::Failure};
use crate::{
    command::{Call, Command, Guard},
    reply::Reply,
};

/// The connection for lists of one generation, if there is one.
#[derive(Debug, Default)]
pub(super) struct Witnessed {
    line: AsyncMutex<Option<Arc<Line>>>,
    /// After replies were out of step: scripts until then.
    distrusted_until: Mutex<Option<Instant>>,
}

/// One connection, and the token that is under way on it.
#[derive(Debug)]
pub(super) struct Line {
    connection: Connection,
    tokens: Mutex<Tokens>,
    /// How many ask at the moment.
    asking: AtomicU32,
    _budget: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Tokens {
    /// How many questions were sent.
    sent: u64,
    /// How many of them the last token comes after.
    witnessed: u64,
    last: Option<Token>,
}

/// Says whether a token came back to the one who sent it.
type Token = Shared<Pin<Box<dyn Future<Output = bool> + Send>>>;

/// A value that looks like a message is still there, and will be asked for again.
const DISTRUST: Duration = Duration::from_secs(10);

/// Says whether a command is a reading one whose list a user may have written.
pub(super) fn is_for(command: &Command) -> bool {
    matches!(
        command,
        Command::Call(Call {
            guard: Guard::Wrapped,
            name: "LRANGE" | "ZRANGE" | "HKEYS" | "HVALS",
            args,
        }) if args.len() <= 3
    )
}

impl Witnessed {
    /// Asks for a list. `None` if it has to be asked for by script.
    pub(super) async fn ask(
        &self,
        command: &Command,
        within: Duration,
        open: impl AsyncFnOnce() -> Option<(Connection, OwnedSemaphorePermit)>,
    ) -> Option<Result<Reply, Failure>> {
        let line = self.line(open).await?;
        let answer = line.ask(command, within).await;
        if answer.is_none() {
            line.connection.close();
            let mut current = self.line.lock().await;
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &line)) {
                *current = None;
                *self.distrusted_until() = Some(Instant::now() + DISTRUST);
            }
        }
        answer
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        if let Ok(mut line) = self.line.try_lock()
            && let Some(line) = line.take()
        {
            line.connection.close();
        }
    }

    async fn line(&self, open: impl AsyncFnOnce() -> Option<(Connection, OwnedSemaphorePermit)>) -> Option<Arc<Line>> {
        if self.distrusted_until().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let mut line = self.line.lock().await;
        if let Some(open) = line.as_ref().filter(|line| !line.connection.is_closed()) {
            return Some(Arc::clone(open));
        }
        let (connection, budget) = open().await?;
        let fresh = Arc::new(Line {
            connection,
            tokens: Mutex::default(),
            asking: AtomicU32::new(0),
            _budget: budget,
        });
        *line = Some(Arc::clone(&fresh));
        Some(fresh)
    }

    fn distrusted_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.distrusted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one who asks, as long as it does.
struct Asking<'a>(&'a AtomicU32);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    /// Returns the answer if a token has witnessed it, `None` if one did not come back.
    async fn ask(&self, command: &Command, within: Duration) -> Option<Result<Reply, Failure>> {
        let is_alone = self.asking.fetch_add(1, Ordering::Relaxed) == 0;
        let _asking = Asking(&self.asking);
        let mut asked = pin!(self.connection.list(command.clone(), within));
        // The first poll puts the question into the client's queue, so that whatever token is sent later comes after it.
        let (number, mut answer) = poll_fn(|context| {
            let mut tokens = self.tokens();
            tokens.sent += 1;
            let answer = asked.as_mut().poll(context);
            Poll::Ready((tokens.sent, answer))
        })
        .await;
        if !is_alone {
            // Others that are ready send theirs first: then one token is enough for all.
            yield_now().await;
        }
        let token = self.token_after(number, within).await;
        if answer.is_pending() {
            answer = Poll::Ready(asked.await);
        }
        let Poll::Ready(answer) = answer else { return None };
        match answer {
            Ok(Reply::Array(_)) | Err(Failure::Replied(_)) => {}
            // Time is up, and nothing more is to be had.
            Err(Failure::Timeout) => return Some(Err(Failure::Timeout)),
            // Another's reply, or none. Others need not wait for their tokens.
            _ => {
                self.connection.close();
                return None;
            }
        }
        token.await.then_some(answer)
    }

    /// Returns a token that was sent after the question of this number.
    async fn token_after(&self, number: u64, within: Duration) -> Token {
        poll_fn(|context| {
            let mut tokens = self.tokens();
            if let Some(last) = &tokens.last
                && tokens.witnessed >= number
            {
                return Poll::Ready(last.clone());
            }
            let echoes = self.connection.echoes(within);
            let token = async move { matches!(echoes.await, Ok(true)) }.boxed().shared();
            // The first poll sends it: of a clone, because one that is over at once, on a closed connection, must not be asked again.
            let _sent = token.clone().poll_unpin(context);
            tokens.witnessed = tokens.sent;
            tokens.last = Some(token.clone());
            Poll::Ready(token)
        })
        .await
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("sent", &self.sent)
            .field("witnessed", &self.witnessed)
            .finish_non_exhaustive()
    }
}
