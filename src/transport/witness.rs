//! Lists whose first element a user may have written, at nearly full speed.
//!
//! fred swallows a list that looks like a message, and gives the next reply to the one who asked for the list. A script around the list keeps that
//! from happening, but costs the server a script and fred a flush for each call. So such lists are asked for on a connection that is used for nothing else, and
//! an answer is believed only if no reply before it can be missing: because a token that was sent after the question has come back to the one who
//! sent it, or because nothing was sent after the question at all. Callers that ask at the same time share a token. Where a token does not come back, the
//! connection is closed, and all whose answers it should have witnessed ask again, by script: they only read.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, OwnedSemaphorePermit},
    task::yield_now,
    time::timeout,
};

use super::{aside::Beside, boxes::Outcome, connection::Connection, failure::Failure};
use crate::{
    command::{Call, Command, Guard},
    reply::Reply,
};

/// The connection for lists of one generation, if there is one.
#[derive(Debug, Default)]
pub(super) struct Witnessed {
    line: ArcSwapOption<Line>,
    /// Held while the connection is opened.
    opening: AsyncMutex<()>,
    /// After replies were out of step: scripts until then.
    distrusted_until: Mutex<Option<Instant>>,
}

/// One connection, and what was sent on it.
#[derive(Debug)]
struct Line {
    connection: Connection,
    sent: Mutex<Sent>,
    /// How many ask at the moment.
    asking: AtomicU32,
    /// Up to which question a token has come back.
    confirmed: AtomicU64,
    /// Up to which question a token is late.
    suspected: AtomicU64,
    is_broken: AtomicBool,
    /// One of the last three has changed.
    changed: Notify,
    _budget: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Sent {
    /// The number of the last question.
    question: u64,
    /// After which question the last token was sent.
    token_after: u64,
}

/// What is known of the answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Testimony {
    /// It is the caller's.
    Confirmed,
    /// The token is late: what has come may be another's reply.
    Suspected,
    /// It will not be known.
    Broken,
}

/// A token that takes so long may have gone to another: who has got it finds out by looking at its answer.
const PATIENCE: Duration = Duration::from_millis(10);

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
        open: impl AsyncFnOnce() -> Option<Beside>,
    ) -> Option<Outcome> {
        let asked = Instant::now();
        let line = match self.line.load_full().filter(|line| !line.connection.is_closed()) {
            Some(line) => line,
            // To open it may take longer than a call, and others may be at it.
            None => match timeout(within, Box::pin(self.open(open))).await {
                Ok(line) => line?,
                Err(_elapsed) => return Some(Err(Failure::Timeout)),
            },
        };
        let answer = line.ask(command, within.saturating_sub(asked.elapsed())).await;
        if answer.is_none() {
            line.end();
            let current = self.line.compare_and_swap(&line, None);
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &line)) {
                *self.distrusted_until() = Some(Instant::now() + DISTRUST);
            }
        }
        answer
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        if let Some(line) = self.line.swap(None) {
            line.end();
        }
    }

    async fn open(&self, open: impl AsyncFnOnce() -> Option<Beside>) -> Option<Arc<Line>> {
        let _opening = self.opening.lock().await;
        if let Some(line) = self.line.load_full().filter(|line| !line.connection.is_closed()) {
            return Some(line);
        }
        if self.distrusted_until().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let Beside { connection, budget } = open().await?;
        let line = Arc::new(Line {
            connection,
            sent: Mutex::default(),
            asking: AtomicU32::new(0),
            confirmed: AtomicU64::new(0),
            suspected: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
            changed: Notify::new(),
            _budget: budget,
        });
        self.line.store(Some(Arc::clone(&line)));
        Some(line)
    }

    fn distrusted_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.distrusted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one who asks, as long as it does.
struct Asking<'a>(&'a AtomicU32);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Line {
    /// Returns the answer if it is known to be the caller's, `None` if that will not be known.
    async fn ask(self: &Arc<Self>, command: &Command, within: Duration) -> Option<Outcome> {
        let is_alone = self.asking.fetch_add(1, SeqCst) == 0;
        let _asking = Asking(&self.asking);
        let mut asked = self.connection.list_boxed(command.clone(), within);
        // The first poll puts the question into the client's queue, so that whatever is sent later comes after it.
        let (number, early) = poll_fn(|context| {
            let mut sent = self.sent();
            sent.question += 1;
            // Who is not alone waits for a token, which comes after the answer: to be woken once is enough.
            let answer = if is_alone {
                Pin::new(&mut asked).poll(context)
            } else {
                Pin::new(&mut asked).poll(&mut Context::from_waker(Waker::noop()))
            };
            Poll::Ready((sent.question, answer))
        })
        .await;
        let mut answer = match early {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending if is_alone => timeout(PATIENCE, &mut asked).await.ok(),
            Poll::Pending => {
                // Others that are ready send theirs first: then one token is enough for all.
                yield_now().await;
                None
            }
        };
        // No reply can be another's where nothing was sent after the question.
        let is_last = |sent: &Sent| sent.question == number && sent.token_after < number;
        let mut testimony = if answer.is_some() && is_last(&self.sent()) {
            Testimony::Confirmed
        } else {
            self.send_token_after(number, within);
            self.testimony(number, true).await
        };
        if answer.is_none() && testimony != Testimony::Broken {
            answer = Some(asked.await);
        }
        let answer = answer?;
        match answer {
            Ok(Reply::Array(_)) | Err(Failure::Replied(_)) => {}
            // Time is up, and nothing more is to be had.
            Err(Failure::Timeout) => return Some(answer),
            // Another's reply, or none. Others need not wait for their tokens.
            _ => return None,
        }
        if testimony == Testimony::Suspected {
            testimony = self.testimony(number, false).await;
        }
        (testimony == Testimony::Confirmed).then_some(answer)
    }

    /// Sends a token, unless one was sent after the question of this number already.
    fn send_token_after(self: &Arc<Self>, number: u64, within: Duration) {
        let mut sent = self.sent();
        if sent.token_after >= number {
            return;
        }
        sent.token_after = sent.question;
        let witnessed = sent.question;
        let mut echoes = Box::pin(self.connection.echoes(within));
        // The first poll sends it.
        let early = echoes.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(sent);
        let line = Arc::clone(self);
        // On a task of its own, because whoever sends it may give up.
        tokio::spawn(async move {
            let came_back = match early {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => match timeout(PATIENCE, &mut echoes).await {
                    Ok(outcome) => outcome,
                    Err(_late) => {
                        line.suspected.fetch_max(witnessed, SeqCst);
                        line.changed.notify_waiters();
                        echoes.await
                    }
                },
            };
            match came_back {
                Ok(true) => {
                    line.confirmed.fetch_max(witnessed, SeqCst);
                    line.changed.notify_waiters();
                }
                Ok(false) | Err(_) => line.end(),
            }
        });
    }

    /// Waits until something is known of an answer.
    async fn testimony(&self, number: u64, suspicion_counts: bool) -> Testimony {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.confirmed.load(SeqCst) >= number {
                return Testimony::Confirmed;
            }
            if self.is_broken.load(SeqCst) {
                return Testimony::Broken;
            }
            if suspicion_counts && self.suspected.load(SeqCst) >= number {
                return Testimony::Suspected;
            }
            changed.await;
        }
    }

    /// Closes the connection, and releases whoever waits.
    fn end(&self) {
        self.is_broken.store(true, SeqCst);
        self.connection.close();
        self.changed.notify_waiters();
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
