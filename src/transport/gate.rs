//! What callers and the supervisor of a link share: may a call pass, and what became of those that did.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Guard};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    connection::Refusal,
    failure::Failure,
    generation::{Generation, Number, Permit},
    ledger::Ledger,
    survey::Found,
};
use crate::{
    breaker::{Breaker, Policy, Probe, Severity},
    chance::chance,
    config::{Endpoint, Settings},
    error::{Error, ErrorKind, Result},
    journal::{Journal, Mark},
};

/// The gate of one link.
#[derive(Debug)]
pub(super) struct Gate {
    settings: Arc<Settings>,
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    /// Written with the breaker locked where both change.
    state: ArcSwap<State>,
    breaker: Mutex<Breaker>,
    /// How many answers the breaker was told of.
    told: AtomicU64,
    /// Grows whenever the state changes.
    changes: watch::Sender<u64>,
    /// Grows whenever an attempt to connect has succeeded or failed.
    attempts: watch::Sender<u64>,
    /// Somebody asks for an attempt now.
    hurry: Notify,
    /// A call timed out: is the server still there?
    suspicion: Notify,
    /// When the gate was made: what the next two count from, in milliseconds.
    began: Instant,
    /// When the supervisor should have come at the latest.
    supervisor_due: AtomicU64,
    /// Until when time-outs are put down to a stall that the supervisor has noticed by coming late.
    excused_until: AtomicU64,
}

/// Whether calls may pass.
#[derive(Debug)]
pub(super) enum State {
    /// The first attempt is under way; calls wait for what comes of it.
    Starting,
    Up {
        generation: Arc<Generation>,
        since: SystemTime,
    },
    Down {
        reason: Arc<str>,
        since: SystemTime,
    },
    /// The runtime is gone, or the manager was disconnected. Final.
    Ended,
}

/// Under which circumstances a call failed: not every time-out tells of the server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt {
    /// On another connection than the one for small values.
    pub(super) is_aside: bool,
    /// With less than the whole deadline.
    pub(super) is_hurried: bool,
}

/// A timer that fires so much later than it was set tells of this process, not of the server.
pub(super) const STALL: Duration = Duration::from_millis(250);

/// For callers.
impl Gate {
    /// Admits a call, or refuses it at once. Only while the first attempt to connect is under way does a call wait, and no
    /// longer than its deadline.
    ///
    /// # Errors
    ///
    /// - The server is known to be unavailable.
    /// - As many calls as permitted are in flight, and none of them ended before the deadline.
    pub(super) async fn admit(&self) -> Result<Permit> {
        let began = Instant::now();
        self.first_attempt().await;
        let left = self.settings.deadline.saturating_sub(began.elapsed());
        let admitted = match self.current() {
            Ok(generation) => generation.permit(left).await,
            Err(error) => Err(error),
        };
        admitted.inspect_err(|_refused| self.ledger.counters.refused.add(1))
    }

    /// Says whether a call would be refused at once, and counts it as refused if so.
    pub(super) fn refuses(&self) -> bool {
        let refuses = matches!(**self.state(), State::Down { .. });
        if refuses {
            self.ledger.counters.refused.add(1);
        }
        refuses
    }

    pub(super) fn state(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    /// Returns the generation that answers now, or why none does; nothing before the first attempt and after the end.
    pub(super) fn decided(&self) -> Option<Result<Arc<Generation>>> {
        match &**self.state() {
            State::Up { generation, .. } => Some(Ok(Arc::clone(generation))),
            State::Down { reason, .. } => Some(Err(Error::shared(ErrorKind::Unavailable, reason).unsent())),
            State::Starting | State::Ended => None,
        }
    }

    /// Returns the generation that answers now.
    ///
    /// # Errors
    ///
    /// - There is none, for this reason.
    pub(super) fn current(&self) -> Result<Arc<Generation>> {
        let closed = || Err(Error::new(ErrorKind::Unavailable, "the connection was closed").unsent());
        self.decided().unwrap_or_else(closed)
    }

    /// Asks for an attempt now, and says whether the link is up after it. A link that is up proves it.
    pub(super) async fn try_now(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        if let Ok(generation) = self.current() {
            if let Ok(true) = generation.heartbeat(self.settings.deadline).await {
                return true;
            }
            self.suspicion.notify_one();
        } else {
            self.hurry();
        }
        let patience = self.settings.connect_timeout + self.settings.deadline;
        drop(timeout(patience, attempts.changed()).await);
        self.current().is_ok()
    }

    /// Notes that a call on the present generation was not answered well.
    pub(super) fn failed(&self, failure: &Failure, attempt: Attempt) {
        let Attempt { is_aside, is_hurried } = attempt;
        let Ok(generation) = &self.current() else { return };
        match failure {
            Failure::Replied(_) => {}
            Failure::Timeout => {
                if is_aside || is_hurried || self.is_stalled() || !self.timed_out(generation) {
                    self.suspicion.notify_one();
                }
            }
            Failure::Broken(reason) if is_aside => {
                tracing::debug!(reason, "a connection beside the main one was lost");
                self.suspicion.notify_one();
            }
            Failure::Broken(reason) | Failure::NotServing(reason) => self.close(generation, reason),
        }
    }

    /// Has the generation proven at once.
    pub(super) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Says whether the first attempt to connect is still to be decided.
    pub(super) fn is_starting(&self) -> bool {
        matches!(**self.state(), State::Starting)
    }

    async fn first_attempt(&self) {
        let mut changes = self.changes.subscribe();
        while self.is_starting() && changes.changed().await.is_ok() {}
    }

    /// Tells the breaker of a timeout, and says whether the gate is closed after it.
    fn timed_out(&self, generation: &Generation) -> bool {
        let now = Instant::now();
        let mut breaker = self.breaker();
        breaker.answered(now, self.untold());
        let opened = breaker.timed_out(now, chance());
        drop(breaker);
        if opened {
            self.close(generation, "calls time out");
        }
        opened
    }
}

/// For the supervisor.
impl Gate {
    pub(super) fn new(settings: Arc<Settings>, ledger: Arc<Ledger>, journal: Arc<Journal>) -> Self {
        Self {
            settings,
            ledger,
            journal,
            state: ArcSwap::from_pointee(State::Starting),
            breaker: Mutex::new(Breaker::new(Policy::default())),
            told: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            attempts: watch::Sender::new(0),
            hurry: Notify::new(),
            suspicion: Notify::new(),
            began: Instant::now(),
            supervisor_due: AtomicU64::new(u64::MAX),
            excused_until: AtomicU64::new(0),
        }
    }

    pub(super) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Returns what has to be sent before the gate opens.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Waits until the server may be probed.
    pub(super) async fn probe(&self) -> Probe {
        loop {
            let due = self.breaker().try_probe(Instant::now());
            match due {
                Ok(probe) => return probe,
                Err(wait) => tokio::select! {
                    () = sleep(wait) => {}
                    () = self.hurry.notified() => self.breaker().hurry(),
                },
            }
        }
    }

    /// Waits until a call times out.
    pub(super) async fn suspicion(&self) {
        self.suspicion.notified().await;
    }

    /// Notes that the supervisor will come again within this time, unless this process is stalled.
    pub(super) fn expect_supervisor_within(&self, time: Duration) {
        self.supervisor_due
            .store(self.millis() + millis(time), Ordering::Relaxed);
    }

    /// Notes that the supervisor has come.
    pub(super) fn supervisor_came(&self) {
        if self.is_supervisor_late() {
            self.excused_until
                .store(self.millis() + millis(STALL), Ordering::Relaxed);
        }
    }

    /// Says whether this process did not run for a while: then time-outs tell nothing of the server.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_supervisor_late() || self.millis() < self.excused_until.load(Ordering::Relaxed)
    }

    fn is_supervisor_late(&self) -> bool {
        let due = self.supervisor_due.load(Ordering::Relaxed);
        self.millis() > due.saturating_add(millis(STALL))
    }

    fn millis(&self) -> u64 {
        millis(self.began.elapsed())
    }

    /// Notes that the heartbeat was answered.
    pub(super) fn alive(&self) {
        self.breaker().answered(Instant::now(), 1 + self.untold());
    }

    /// Opens the gate: this generation answers. If something was noted in the journal since that mark, it stays closed, and the probe is given back.
    pub(super) fn open(&self, probe: Probe, generation: &Arc<Generation>, replayed: Mark) -> Result<(), Probe> {
        // Nothing of before or during the outage is served after it.
        self.ledger.let_through();
        let mut breaker = self.breaker();
        let up = State::Up {
            generation: Arc::clone(generation),
            since: SystemTime::now(),
        };
        if !self.journal.unless_noted_since(replayed, || self.enter(up)) {
            return Err(probe);
        }
        breaker.close(probe, Instant::now());
        self.untold();
        drop(breaker);
        self.ledger.counters.connects.add(1);
        self.ledger.end_outage();
        self.attempts.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Returns how long to wait before the server is asked what it can.
    pub(super) fn next_survey(&self) -> Duration {
        self.ledger.findings.begin_survey()
    }

    /// Notes what the server can.
    pub(super) fn surveyed(&self, found: &Found) {
        self.ledger.surveyed(found);
    }

    /// Notes that an attempt to connect has failed.
    pub(super) fn refused(&self, probe: Probe, refusal: &Refusal) {
        self.breaker().reopen(probe, Instant::now(), refusal.severity, chance());
        match &**self.state() {
            State::Down { reason, .. } if **reason == *refusal.reason => {}
            State::Down { since, .. } => self.enter(State::Down {
                reason: refusal.reason.as_str().into(),
                since: *since,
            }),
            _ => self.go_down(&refusal.reason),
        }
        self.attempts.send_modify(|count| *count += 1);
    }

    /// Lets the calls go that wait for the first attempt, if any do.
    pub(super) fn stop_waiting(&self, reason: &str) {
        if self.is_starting() {
            self.go_down(reason);
        }
    }

    /// Closes the gate, if this generation is the one behind it, and ends the generation. The supervisor has to
    /// [`announce`](Self::announce) it.
    pub(super) fn close(&self, generation: &Generation, reason: &str) {
        let mut breaker = self.breaker();
        if self.is_current(generation.number()) {
            breaker.trip(Instant::now(), Severity::Passing, chance());
            self.ledger.begin_outage();
            self.enter(State::down(reason));
        }
        drop(breaker);
        generation.end();
    }

    /// Closes the gate, if the generation behind it is elsewhere.
    pub(super) fn leave_for(&self, endpoint: &Endpoint) {
        if let Ok(generation) = self.current()
            && generation.endpoint() != endpoint
        {
            self.close(&generation, &moved(endpoint));
        }
    }

    /// Has the server probed at once, if the gate is closed.
    pub(super) fn hurry(&self) {
        if matches!(**self.state(), State::Down { .. }) {
            self.hurry.notify_one();
        }
    }

    /// Tells of the outage, if the gate is closed because of one.
    pub(super) fn announce(&self) {
        if let State::Down { reason, .. } = &**self.state() {
            self.ledger.announce_outage(reason);
        }
    }

    /// Closes the gate for good.
    pub(super) fn end(&self) {
        if let Ok(generation) = self.current() {
            generation.end();
        }
        self.enter(State::Ended);
        self.attempts.send_modify(|count| *count += 1);
    }

    /// Closes the gate for good, lets the calls in flight finish, and closes the connections.
    pub(super) async fn quit(&self) {
        let current = self.current();
        // Ended first: what happens to the connection from now on is no outage.
        self.enter(State::Ended);
        if let Ok(generation) = current {
            generation.quit().await;
        }
    }

    fn go_down(&self, reason: &str) {
        self.ledger.begin_outage();
        self.enter(State::down(reason));
        self.announce();
    }

    fn enter(&self, next: State) {
        let next = Arc::new(next);
        self.state.rcu(|state| match **state {
            State::Ended => Arc::clone(state),
            _ => Arc::clone(&next),
        });
        self.changes.send_modify(|count| *count += 1);
    }

    /// Says whether this generation is the one behind the gate.
    pub(super) fn is_current(&self, generation: Number) -> bool {
        matches!(&**self.state(), State::Up { generation: current, .. } if current.number() == generation)
    }

    /// Returns how many answers came since the breaker was last told.
    fn untold(&self) -> u64 {
        let answered = self.ledger.counters.answered.sum();
        answered.saturating_sub(self.told.swap(answered, Ordering::Relaxed))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn down(reason: &str) -> Self {
        Self::Down {
            reason: reason.into(),
            since: SystemTime::now(),
        }
    }
}

/// Says why a gate closes whose server is elsewhere now.
pub(super) fn moved(endpoint: &Endpoint) -> String {
    format!("the master has moved to {endpoint}")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
