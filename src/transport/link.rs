//! The supervised way from one tokio runtime to one server: gate, breaker, heartbeat, and one generation after the other.
//!
//! A link lives in the runtime of its callers, because a client in another runtime costs every call two thread switches,
//! and because it ends with its runtime without taking anybody else's calls with it. Only where more runtimes call than
//! connections are permitted, the last connection serves all the others, from the house's runtime.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Guard};
use fred::clients::Client;
use tokio::{
    runtime::{Handle, Id},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    generation::{Generation, Permit, Refusal},
    node::Ledger,
    wire::Failure,
};
use crate::{
    breaker::{Breaker, Policy, Probe, Severity},
    config::{Endpoint, Settings},
    error::{Error, ErrorKind, Result},
};

/// One runtime's way to one server. Dropping it closes its connections.
#[derive(Debug)]
pub(super) struct Link {
    audience: Audience,
    gate: Arc<Gate>,
    supervisor: AbortHandle,
    _budget: OwnedSemaphorePermit,
}

/// Whose calls a link takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Those of the runtime that it lives in.
    Runtime(Id),
    /// Everybody's. It lives in the house's runtime, and ends with nobody else's.
    Anybody,
}

/// What callers and the supervisor share.
#[derive(Debug)]
pub(super) struct Gate {
    settings: Arc<Settings>,
    ledger: Arc<Ledger>,
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
}

/// Whether calls may pass.
#[derive(Debug, Clone)]
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
    /// The runtime is gone, or the manager was disconnected.
    Ended,
}

/// What the state means for a call.
enum Pass {
    Go(Arc<Generation>),
    Wait,
    Refused(Arc<str>),
    Ended,
}

/// The right to send one call, and where to report what came of it.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) permit: Permit,
    pub(super) gate: Arc<Gate>,
}

/// How often an idle link asks whether the server is there.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A timer that fires so much later than it was set tells of this process, not of the server.
const STALL: Duration = Duration::from_millis(250);

impl Link {
    /// Starts a supervisor in the given runtime; it connects at once.
    pub(super) fn start(
        runtime: &Handle,
        audience: Audience,
        settings: &Arc<Settings>,
        endpoint: &Endpoint,
        ledger: &Arc<Ledger>,
        budget: (OwnedSemaphorePermit, &Arc<Semaphore>),
    ) -> Self {
        let (own, more) = budget;
        let gate = Arc::new(Gate {
            settings: Arc::clone(settings),
            ledger: Arc::clone(ledger),
            state: ArcSwap::from_pointee(State::Starting),
            breaker: Mutex::new(Breaker::new(Policy::default())),
            told: 0.into(),
            changes: watch::Sender::new(0),
            attempts: watch::Sender::new(0),
            hurry: Notify::new(),
            suspicion: Notify::new(),
        });
        // The guard is made here: a runtime that shuts down drops the future before it was ever polled.
        let ended = EndsWithRuntime(Arc::clone(&gate));
        let supervisor = runtime.spawn(supervise(ended, endpoint.clone(), Arc::clone(more)));
        Self {
            audience,
            gate,
            supervisor: supervisor.abort_handle(),
            _budget: own,
        }
    }

    /// Says whether this link takes the calls of that runtime, and is still of use.
    pub(super) fn serves(&self, runtime: Id) -> bool {
        (self.audience == Audience::Runtime(runtime) || self.audience == Audience::Anybody) && !self.is_ended()
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(**self.gate.state.load(), State::Ended)
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Closes the connections politely. Calls in flight may finish.
    pub(super) async fn quit(&self) {
        let pass = self.gate.pass();
        // Ended first: what happens to the connection from now on is no outage.
        self.gate.enter(State::Ended);
        if let Pass::Go(generation) = pass {
            generation.quit().await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.gate.end();
    }
}

impl Gate {
    /// Admits a call, or refuses it at once. Only while the first attempt to connect is under way does a call wait, and no
    /// longer than its deadline.
    ///
    /// # Errors
    ///
    /// - The server is known to be unavailable.
    /// - As many calls as permitted are in flight, and none of them ended before the deadline.
    pub(super) async fn admit(self: Arc<Self>) -> Result<Admission> {
        let mut pass = self.pass();
        if matches!(pass, Pass::Wait) {
            self.first_attempt().await;
            pass = self.pass();
        }
        let admitted = match pass {
            Pass::Go(generation) => generation.permit(self.settings.deadline).await,
            Pass::Refused(reason) => Err(Error::shared(ErrorKind::Unavailable, &reason)),
            Pass::Wait | Pass::Ended => Err(Error::new(ErrorKind::Unavailable, "the connection was closed")),
        };
        match admitted {
            Ok(permit) => Ok(Admission { permit, gate: self }),
            Err(error) => {
                self.ledger.counters.refused.add(1);
                Err(error)
            }
        }
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

    /// Asks for an attempt now, and says whether the link is up after it. A link that is up proves it.
    pub(super) async fn try_now(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        match self.pass() {
            Pass::Go(generation) => match generation.heartbeat(self.settings.deadline).await {
                Ok(true) => return true,
                _ => self.suspicion.notify_one(),
            },
            Pass::Wait => {}
            Pass::Refused(_) => self.hurry.notify_one(),
            Pass::Ended => return false,
        }
        let patience = self.settings.connect_timeout + self.settings.deadline;
        drop(timeout(patience, attempts.changed()).await);
        matches!(self.pass(), Pass::Go(_))
    }

    /// Notes that a call was answered in time.
    pub(super) fn answered(&self) {
        self.ledger.counters.answered.add(1);
    }

    /// Notes what became of a call that was not answered well, `elapsed` after it was sent.
    pub(super) fn failed(&self, generation: &Arc<Generation>, failure: &Failure, elapsed: Duration, is_large: bool) {
        match failure {
            Failure::Replied(_) => self.answered(),
            Failure::Timeout => {
                self.ledger.counters.timeouts.add(1);
                let is_stall = elapsed > self.settings.deadline + STALL;
                if is_stall || is_large || !self.timed_out(generation) {
                    self.suspicion.notify_one();
                }
            }
            Failure::Broken(reason) if is_large => {
                self.ledger.counters.broken.add(1);
                tracing::debug!(reason, "the connection for large values was lost");
                self.suspicion.notify_one();
            }
            Failure::Broken(reason) | Failure::NotServing(reason) => {
                self.ledger.counters.broken.add(1);
                self.close(generation, reason);
            }
        }
    }

    pub(super) fn client(&self) -> Option<Client> {
        match &**self.state() {
            State::Up { generation, .. } => Some(generation.client()),
            _ => None,
        }
    }

    fn pass(&self) -> Pass {
        match &**self.state() {
            State::Up { generation, .. } => Pass::Go(Arc::clone(generation)),
            State::Starting => Pass::Wait,
            State::Down { reason, .. } => Pass::Refused(Arc::clone(reason)),
            State::Ended => Pass::Ended,
        }
    }

    async fn first_attempt(&self) {
        let mut changes = self.changes.subscribe();
        while matches!(self.pass(), Pass::Wait) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells the breaker of a timeout, and says whether that closed the gate.
    fn timed_out(&self, generation: &Arc<Generation>) -> bool {
        let now = Instant::now();
        let mut breaker = self.breaker();
        if !self.is_current(generation) {
            return true;
        }
        breaker.answered(now, self.untold());
        let opened = breaker.timed_out(now, chance());
        if opened {
            self.lost(generation, "calls time out");
        }
        opened
    }

    /// Closes the gate, if this generation is the one behind it.
    fn close(&self, generation: &Arc<Generation>, reason: &str) {
        let mut breaker = self.breaker();
        if self.is_current(generation) {
            breaker.trip(Instant::now(), Severity::Passing, chance());
            self.lost(generation, reason);
        }
        drop(breaker);
        generation.end();
    }

    /// Called with the breaker locked, so that state and breaker change together.
    fn lost(&self, generation: &Arc<Generation>, reason: &str) {
        self.go_down(reason);
        generation.end();
    }

    fn go_down(&self, reason: &str) {
        self.enter(State::Down {
            reason: reason.into(),
            since: SystemTime::now(),
        });
        self.ledger.begin_outage(reason);
    }

    fn open(&self, probe: Probe, generation: &Arc<Generation>) {
        let mut breaker = self.breaker();
        breaker.close(probe, Instant::now());
        self.untold();
        self.enter(State::Up {
            generation: Arc::clone(generation),
            since: SystemTime::now(),
        });
        self.ledger.counters.connects.add(1);
        self.ledger.end_outage();
        self.attempts.send_modify(|count| *count += 1);
    }

    fn refused(&self, probe: Probe, refusal: &Refusal) {
        let mut breaker = self.breaker();
        breaker.reopen(probe, Instant::now(), refusal.severity, chance());
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

    fn end(&self) {
        if let Pass::Go(generation) = self.pass() {
            generation.end();
        }
        self.enter(State::Ended);
        self.attempts.send_modify(|count| *count += 1);
    }

    /// Once ended, a link stays so.
    fn enter(&self, next: State) {
        let next = Arc::new(next);
        self.state.rcu(|state| match **state {
            State::Ended => Arc::clone(state),
            _ => Arc::clone(&next),
        });
        self.changes.send_modify(|count| *count += 1);
    }

    fn is_current(&self, generation: &Arc<Generation>) -> bool {
        matches!(&**self.state(), State::Up { generation: current, .. } if Arc::ptr_eq(current, generation))
    }

    /// Returns how many answers came since the breaker was last told.
    fn untold(&self) -> u64 {
        let answered = self.ledger.counters.answered.get();
        answered.saturating_sub(self.told.swap(answered, Ordering::Relaxed))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the link as ended when the supervisor's future is dropped, which is what a runtime does when it shuts down.
struct EndsWithRuntime(Arc<Gate>);

impl Drop for EndsWithRuntime {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn supervise(ended: EndsWithRuntime, endpoint: Endpoint, budget: Arc<Semaphore>) {
    let gate = &ended.0;
    if !has_timer() {
        gate.go_down("this tokio runtime has no timer: build it with enable_all()");
        std::future::pending::<()>().await;
    }
    loop {
        let due = gate.breaker().try_probe(Instant::now());
        let probe = match due {
            Ok(probe) => probe,
            Err(wait) => {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = gate.hurry.notified() => gate.breaker().hurry(),
                }
                continue;
            }
        };
        match attempt(gate, &endpoint, &budget).await {
            Ok(generation) => {
                gate.open(probe, &generation);
                watch_over(gate, &generation).await;
                generation.buried().await;
            }
            Err(refusal) => gate.refused(probe, &refusal),
        }
    }
}

/// tokio tells of a runtime without a time driver by a panic only.
fn has_timer() -> bool {
    std::panic::catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

/// Connects. Calls that wait for the first attempt are let go after the deadline of a call.
async fn attempt(gate: &Gate, endpoint: &Endpoint, budget: &Arc<Semaphore>) -> Result<Arc<Generation>, Refusal> {
    let mut attempt = std::pin::pin!(Generation::open(&gate.settings, endpoint, budget));
    if let Ok(decided) = timeout(gate.settings.deadline, &mut attempt).await {
        return decided;
    }
    if matches!(gate.pass(), Pass::Wait) {
        gate.go_down("the first attempt to connect takes longer than a call may");
    }
    attempt.await
}

/// Returns when the generation has ended, by itself or because its heartbeat failed.
async fn watch_over(gate: &Gate, generation: &Arc<Generation>) {
    let within = gate.settings.deadline.clamp(STALL, 4 * HEARTBEAT);
    let mut missed = 0;
    loop {
        let mut is_suspicious = false;
        tokio::select! {
            () = generation.ended() => {
                gate.close(generation, "the connection was lost");
                return;
            }
            () = sleep(HEARTBEAT) => {}
            () = gate.suspicion.notified() => is_suspicious = true,
        }
        let asked = Instant::now();
        let verdict = match generation.heartbeat(within).await {
            Ok(true) => {
                missed = 0;
                gate.breaker().answered(Instant::now(), 1 + gate.untold());
                continue;
            }
            Err(Failure::Timeout) if asked.elapsed() > within + STALL => continue,
            Err(Failure::Timeout) if !is_suspicious && missed == 0 => {
                missed += 1;
                continue;
            }
            Err(Failure::Timeout) => "no answer to the heartbeat".to_owned(),
            Ok(false) => "the connection answers another's question".to_owned(),
            Err(failure) => Refusal::of(failure).reason,
        };
        gate.close(generation, &verdict);
        return;
    }
}

/// A number from 0 to 1 that differs from process to process, for the jitter of pauses.
#[expect(clippy::cast_precision_loss, reason = "jitter needs few bits")]
fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
