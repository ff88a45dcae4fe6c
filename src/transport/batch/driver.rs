//! The task that sends a lane's batches, one after the other.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    task::{AbortHandle, yield_now},
    time::timeout,
};

use super::{
    super::{boxes::Outcome, connection::Connection, failure::Failure, in_order::in_order},
    answers::Answers,
    lane::{Lane, Turn},
    load::Load,
    ticket::Batch,
};
use crate::command::Command;

/// What a lane sends.
pub(super) trait Cargo: Send + Sync + 'static {
    /// How much fits into a batch.
    const CAPACITY: usize;

    /// Returns how much of it a command fills.
    fn weight(command: &Command) -> usize;

    /// Sends commands together, and returns what their members are told.
    ///
    /// # Errors
    ///
    /// - The server has refused all at once: nothing has been done, and each may be sent by itself.
    /// - What has failed for all: the connection, or time is up.
    fn together(
        &self,
        connection: &Arc<Connection>,
        load: &Load,
        within: Duration,
    ) -> impl Future<Output = Result<Told, Failure>> + Send;
}

/// What a batch's members are told.
pub(super) struct Told {
    pub(super) answers: Answers,
    /// The places of those whose commands certainly were not executed, and are sent by themselves.
    pub(super) again: Vec<usize>,
}

impl From<Answers> for Told {
    fn from(answers: Answers) -> Self {
        Self {
            answers,
            again: Vec::new(),
        }
    }
}

/// One lane's work.
struct Work<C> {
    lane: Arc<Lane>,
    cargo: C,
    connection: Arc<Connection>,
    deadline: Duration,
}

/// Lets nobody wait for a driver that has ended.
struct ClosesLane(Arc<Lane>);

/// A batch under way. Dropped without an answer it is lost.
struct Taken {
    batch: Arc<Batch>,
    _turn: Turn,
}

/// What has been polled once.
struct Begun<F: Future> {
    rest: Pin<Box<F>>,
    early: Option<F::Output>,
}

/// So often, in the time of a deadline, it is looked whose deadline has passed.
const LOOKS: u32 = 32;

/// Starts a lane's driver in the runtime that this is called in.
pub(super) fn start<C: Cargo>(
    lane: &Arc<Lane>,
    cargo: C,
    connection: &Arc<Connection>,
    deadline: Duration,
) -> AbortHandle {
    let work = Work {
        lane: Arc::clone(lane),
        cargo,
        connection: Arc::clone(connection),
        deadline,
    };
    tokio::spawn(drive(work)).abort_handle()
}

/// Sends commands one after the other without waiting for answers.
pub(super) async fn one_by_one(connection: &Connection, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
    let sending = commands
        .into_iter()
        .map(|command| connection.send_boxed(command, within));
    in_order(sending.collect()).await
}

async fn drive<C: Cargo>(work: Work<C>) {
    let _closes = ClosesLane(Arc::clone(&work.lane));
    // The last batch counts as under way until nobody has joined the next: whoever it has woken joins, instead of going alone.
    loop {
        work.lane.work().await;
        let mut last: Option<Taken>;
        loop {
            // Others that are ready join first, and who is woken by them.
            yield_now().await;
            yield_now().await;
            last = work.send_batch().await;
            if last.is_none() {
                break;
            }
        }
    }
}

impl<C: Cargo> Work<C> {
    /// Takes a batch, sends it, and tells its members what came of it. `None` if nobody waits.
    async fn send_batch(&self) -> Option<Taken> {
        let begin = || {
            let (batch, turn) = self.lane.take()?;
            let exchange = self.exchange(Arc::clone(&batch), batch.take());
            Some((Taken { batch, _turn: turn }, exchange))
        };
        let (taken, mut begun) = Begun::in_order(&self.lane, begin).await?;
        let answers = loop {
            match timeout(self.deadline / LOOKS, &mut begun).await {
                Ok(answers) => break answers,
                Err(_) => self.lane.expire(&taken.batch),
            }
        };
        taken.batch.tell(answers);
        Some(taken)
    }

    /// Sends the commands of a batch together, or one by one where that does not work.
    async fn exchange(&self, batch: Arc<Batch>, load: Load) -> Answers {
        let (asked, within) = (Instant::now(), self.deadline);
        if !load.is_for_several() {
            return self.singly(load, within).await;
        }
        match self.cargo.together(&self.connection, &load, within).await {
            Ok(Told { answers, again }) if again.is_empty() => answers,
            Ok(Told { mut answers, again }) => {
                let (members, left) = (load.len(), within.saturating_sub(asked.elapsed()));
                let (places, outcomes) = self.repeat(&batch, load, again, left).await;
                answers.replace(members, places, outcomes);
                answers
            }
            Err(Failure::Replied(_)) => {
                let (members, left) = (load.len(), within.saturating_sub(asked.elapsed()));
                let (places, outcomes) = self.repeat(&batch, load, (0..members).collect(), left).await;
                Answers::spread(members, places, outcomes)
            }
            Err(failure) => Answers::Alike(Err(failure)),
        }
    }

    /// Sends one by one what was not executed together, as far as somebody still waits for it. Returns whose outcomes those are.
    async fn repeat(
        &self,
        batch: &Batch,
        refused: Load,
        places: Vec<usize>,
        within: Duration,
    ) -> (Vec<usize>, Vec<Outcome>) {
        // The refusal may be here in the very poll that has sent the batch, in the lane's order.
        yield_now().await;
        let begin = || {
            let (places, commands) = batch.without_gone(refused).commands(places.into_iter());
            Some((places, one_by_one(&self.connection, commands, within)))
        };
        match Begun::in_order(&self.lane, begin).await {
            Some((places, begun)) => (places, begun.await),
            None => (Vec::new(), Vec::new()),
        }
    }

    async fn singly(&self, load: Load, within: Duration) -> Answers {
        let (places, commands) = load.commands(0..load.len());
        let outcomes = one_by_one(&self.connection, commands, within).await;
        Answers::spread(load.len(), places, outcomes)
    }
}

impl<F: Future> Begun<F> {
    /// Begins something in the lane's order: what it puts into the client's queue at once comes before whatever begins later.
    async fn in_order<T>(lane: &Lane, begin: impl FnOnce() -> Option<(T, F)>) -> Option<(T, Self)> {
        let mut begin = Some(begin);
        poll_fn(|context| {
            let _order = lane.order();
            let begun = begin.take().and_then(|begin| begin());
            Poll::Ready(begun.map(|(with, future)| {
                let mut rest = Box::pin(future);
                let early = match rest.as_mut().poll(context) {
                    Poll::Ready(outcome) => Some(outcome),
                    Poll::Pending => None,
                };
                (with, Self { rest, early })
            }))
        })
        .await
    }
}

impl<F: Future<Output: Unpin>> Future for Begun<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.early.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => self.rest.as_mut().poll(context),
        }
    }
}

impl Drop for ClosesLane {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.batch.lose();
    }
}
