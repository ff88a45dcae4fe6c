//! The tasks that send batches.

use std::{
    array,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{
    task::{AbortHandle, yield_now},
    time::timeout,
};

use super::{
    super::{boxes::Outcome, connection::Connection, failure::Failure, pipeline::in_order},
    lane::{DRIVERS, Lane, Turn},
    ticket::Batch,
};
use crate::{
    command::Command,
    error::{Error, ErrorKind},
};

/// What a lane sends.
pub(super) trait Cargo: Send + Sync + 'static {
    /// How much fits into a batch.
    const CAPACITY: usize;

    /// Returns how much of it a command fills.
    fn weight(command: &Command) -> usize;

    /// Sends commands together, and returns as many outcomes, in their order.
    ///
    /// # Errors
    ///
    /// - The server has refused all at once: nothing has been done, and each may be sent by itself.
    /// - What has failed for all: the connection, or time is up.
    fn together(
        &self,
        connection: &Connection,
        commands: &[Command],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<Outcome>, Failure>> + Send;
}

/// One lane's work.
struct Work<C> {
    lane: Arc<Lane>,
    cargo: C,
    connection: Arc<Connection>,
    deadline: Duration,
    /// What this lane sends is not permitted here.
    is_refused: AtomicBool,
}

/// A batch under way. Dropped without an answer it is lost.
struct Taken {
    batch: Arc<Batch>,
    _turn: Turn,
}

/// So often, in the time of a deadline, it is looked whose deadline has passed.
const LOOKS: u32 = 32;

/// Starts a lane's drivers in the runtime that this is called in.
pub(super) fn start<C: Cargo>(
    lane: &Arc<Lane>,
    cargo: C,
    connection: &Arc<Connection>,
    deadline: Duration,
) -> [AbortHandle; DRIVERS] {
    let work = Arc::new(Work {
        lane: Arc::clone(lane),
        cargo,
        connection: Arc::clone(connection),
        deadline,
        is_refused: AtomicBool::new(false),
    });
    array::from_fn(|driver| tokio::spawn(drive(Arc::clone(&work), driver)).abort_handle())
}

/// Sends commands one after the other without waiting for answers.
pub(super) async fn one_by_one(connection: &Connection, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
    let sending = commands
        .into_iter()
        .map(|command| connection.send_boxed(command, within));
    in_order(sending.collect()).await
}

async fn drive<C: Cargo>(work: Arc<Work<C>>, driver: usize) {
    loop {
        work.lane.work(driver).await;
        // Others that are ready join first.
        yield_now().await;
        work.send_batch().await;
    }
}

impl<C: Cargo> Work<C> {
    /// Takes a batch, sends it, and tells its members what came of it.
    async fn send_batch(&self) {
        let mut exchange = pin!(None);
        let begun = poll_fn(|context| {
            let _order = self.lane.order();
            let Some((batch, turn)) = self.lane.take() else {
                return Poll::Ready(None);
            };
            exchange.set(Some(self.exchange(batch.take())));
            let taken = Taken { batch, _turn: turn };
            // The first poll puts it into the client's queue.
            let early = exchange.as_mut().as_pin_mut().map(|exchange| exchange.poll(context));
            Poll::Ready(Some((taken, early.unwrap_or(Poll::Pending))))
        });
        let Some((taken, early)) = begun.await else {
            return;
        };
        let outcomes = match (early, exchange.as_mut().as_pin_mut()) {
            (Poll::Ready(outcomes), _) => outcomes,
            (Poll::Pending, None) => return,
            (Poll::Pending, Some(mut exchange)) => loop {
                match timeout(self.deadline / LOOKS, &mut exchange).await {
                    Ok(outcomes) => break outcomes,
                    Err(_) => self.lane.expire(&taken.batch),
                }
            },
        };
        taken.batch.tell(outcomes);
    }

    /// Returns one outcome for each command, also for those that nobody waits for.
    async fn exchange(&self, commands: Vec<Option<Command>>) -> Vec<Outcome> {
        let count = commands.len();
        let are_wanted: Vec<bool> = commands.iter().map(Option::is_some).collect();
        let commands: Vec<_> = commands.into_iter().flatten().collect();
        let is_whole = commands.len() == count;
        let outcomes = self.together(commands).await;
        if is_whole {
            return outcomes;
        }
        let mut outcomes = outcomes.into_iter();
        let outcome = |is_wanted| if is_wanted { outcomes.next() } else { None };
        let given_up = || Err(Failure::Timeout);
        are_wanted
            .into_iter()
            .map(outcome)
            .map(|outcome| outcome.unwrap_or_else(given_up))
            .collect()
    }

    /// Sends commands together, or one by one where that does not work.
    async fn together(&self, commands: Vec<Command>) -> Vec<Outcome> {
        let (asked, within) = (Instant::now(), self.deadline);
        if commands.len() < 2 || self.is_refused.load(Relaxed) {
            return one_by_one(&self.connection, commands, within).await;
        }
        match self.cargo.together(&self.connection, &commands, within).await {
            Ok(outcomes) => outcomes,
            Err(Failure::Replied(error)) => {
                if is_about_the_command(&error) {
                    self.is_refused.store(true, Relaxed);
                }
                one_by_one(&self.connection, commands, within.saturating_sub(asked.elapsed())).await
            }
            Err(failure) => commands.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}

/// Says whether it is the command that the server does not permit, or does not have, and not a key.
fn is_about_the_command(error: &Error) -> bool {
    let message = error.message();
    match error.kind() {
        ErrorKind::Auth => message.contains(" command"),
        ErrorKind::Unsupported => true,
        _ => message.contains("can't run this command"),
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.batch.lose();
    }
}
