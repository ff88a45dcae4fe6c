//! One contender, and what its callers feel.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{
    stage::{PATIENCE, Stage},
    standing::Standing,
};
use crate::{Outcome, peers::Peer, suite::VALUE};

/// Tasks of each contender that call at the same time.
pub(super) const TASKS: usize = 4;

/// What they ask for.
const KEY: &str = "user:1:profile";

/// The pause after an answer, so that the machine is not saturated.
const AFTER_ANSWER: Duration = Duration::from_millis(5);

/// The pause after none.
const AFTER_FAILURE: Duration = Duration::from_millis(1);

/// One contender's place.
#[derive(Debug)]
pub(super) struct Seat {
    /// Who.
    name: &'static str,
    /// How long building the client took, and why it failed if it did.
    construction: OnceLock<(Duration, Option<String>)>,
    /// What each of its tasks feels.
    callers: [Mutex<Caller>; TASKS],
}

/// What one task feels.
#[derive(Debug, Default)]
struct Caller {
    /// The call in flight began then.
    in_flight: Option<Instant>,
    /// A call before the fault was answered.
    was_answered: bool,
    /// The longest call that ended after the fault had begun.
    worst: Duration,
    /// Calls that never returned.
    unreturned: u64,
    /// Calls that ended after the fault had begun.
    calls: u64,
    /// How long all of them took, until the server was back.
    waited: Duration,
    /// The first right answer after the server was back.
    healed: Option<Instant>,
}

/// Builds the client, stores what is asked for, and calls until it is over.
pub(super) async fn live<P: Peer>(port: u16, seat: Arc<Seat>, stage: Arc<Stage>) {
    let began = Instant::now();
    let built: Outcome<P> = match timeout(PATIENCE, P::connect(port)).await {
        Ok(built) => built,
        Err(_elapsed) => Err("it is not built even after so long".into()),
    };
    let took = began.elapsed();
    let peer = match built {
        Ok(peer) => peer,
        Err(error) => {
            seat.construction.get_or_init(|| (took, Some(error.to_string())));
            return;
        }
    };
    seat.construction.get_or_init(|| (took, None));
    if stage.began().is_none() {
        peer.clone().set(KEY, VALUE).await;
    }
    for task in 0..TASKS {
        tokio::spawn(call(peer.clone(), Arc::clone(&seat), task, Arc::clone(&stage)));
    }
}

/// Calls until it is over.
async fn call<P: Peer>(mut peer: P, seat: Arc<Seat>, task: usize, stage: Arc<Stage>) {
    while !stage.is_over() {
        let began = Instant::now();
        seat.caller(task).in_flight = Some(began);
        let answer = timeout(PATIENCE, peer.get(KEY)).await;
        let is_right = matches!(answer, Ok(Some(length)) if length == VALUE.len());
        seat.caller(task).note(&stage, began, answer.is_ok(), is_right);
        sleep(if is_right { AFTER_ANSWER } else { AFTER_FAILURE }).await;
    }
}

impl Seat {
    /// Prepares a place.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            construction: OnceLock::new(),
            callers: Default::default(),
        }
    }

    /// Says whether each task has had an answer, or never will.
    pub(super) fn is_ready(&self) -> bool {
        self.has_failed() || self.callers().all(|caller| caller.was_answered)
    }

    /// Says whether each task has had a right answer since the server was back, or never will.
    pub(super) fn has_healed(&self) -> bool {
        self.has_failed() || self.callers().all(|caller| caller.healed.is_some())
    }

    /// Returns what its callers felt.
    pub(super) fn judge(&self, stage: &Stage, watched: Duration) -> Standing {
        let (construction, failure) = match self.construction.get() {
            Some((took, failure)) => (*took, failure.clone()),
            None => (PATIENCE, Some("it is not built even now".to_owned())),
        };
        let was_absent = self.callers().all(|caller| !caller.was_answered);
        let mut standing = Standing {
            name: self.name,
            failure,
            worst: if was_absent { construction } else { Duration::ZERO },
            unreturned: 0,
            calls: 0,
            waited: Duration::ZERO,
            healed: None,
            watched,
        };
        for caller in self.callers() {
            // What is still in flight has taken this long at least.
            let pending = caller.in_flight.map_or(Duration::ZERO, |began| began.elapsed());
            standing.worst = standing.worst.max(caller.worst).max(pending);
            standing.unreturned += caller.unreturned;
            standing.calls += caller.calls;
            standing.waited += caller.waited / TASKS as u32;
            let healed = caller.healed.zip(stage.back());
            let healed = healed.map(|(healed, back)| healed.saturating_duration_since(back));
            standing.healed = standing.healed.into_iter().chain(healed).min();
        }
        standing
    }

    /// Says whether the client could not be built.
    fn has_failed(&self) -> bool {
        self.construction.get().is_some_and(|(_, failure)| failure.is_some())
    }

    /// Returns what all tasks feel.
    fn callers(&self) -> impl Iterator<Item = MutexGuard<'_, Caller>> {
        (0..TASKS).map(|task| self.caller(task))
    }

    /// Returns what a task feels.
    fn caller(&self, task: usize) -> MutexGuard<'_, Caller> {
        let caller = &self.callers[task % TASKS];
        caller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller {
    /// Counts a call that ended, or was given up.
    fn note(&mut self, stage: &Stage, began: Instant, has_returned: bool, is_right: bool) {
        self.in_flight = None;
        if stage.began().is_none() {
            self.was_answered |= is_right;
            return;
        }
        let now = Instant::now();
        let since = stage.began().map_or(began, |fault| began.max(fault));
        let until = stage.back().map_or(now, |back| now.min(back));
        self.waited += until.saturating_duration_since(since);
        self.calls += 1;
        self.worst = self.worst.max(now - began);
        self.unreturned += u64::from(!has_returned);
        if is_right && stage.back().is_some() {
            self.healed.get_or_insert_with(Instant::now);
        }
    }
}
