//! One server: its outage, and one supervised link for each runtime that uses it.

mod moving;

use std::{
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Waker,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use fred::clients::Client;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    batch::UnderWay,
    budget,
    context::Context,
    failure::Failure,
    gate::{Attempt, Gate, State},
    generation::{Generation, Number, Permit},
    house,
    ledger::Ledger,
    link::{Audience, Link},
    tracking::Tracking,
    whereabouts::Whereabouts,
};
use crate::{
    capabilities::Capabilities,
    command::Command,
    config::{Endpoint, Settings},
    error::{Error, ErrorKind, Result},
    journal::Journal,
    metrics::Metrics,
    near::{self, Owed},
};

/// One server as this process sees it.
#[derive(Debug)]
pub(crate) struct Node {
    settings: Arc<Settings>,
    whereabouts: Whereabouts,
    ledger: Arc<Ledger>,
    /// What it is to be sent when it is back, before anything else.
    journal: Arc<Journal>,
    tracking: Option<Arc<Tracking>>,
    links: ArcSwap<Vec<Arc<Link>>>,
    /// Held while the list of links changes.
    changing: Mutex<()>,
    /// As many permits as connections may be open.
    budget: Arc<Semaphore>,
    told_no_runtime: Once,
    /// It belongs to the cluster no more.
    has_left: AtomicBool,
}

/// How far a call has come that waits for nothing.
pub(super) enum Entered<B> {
    Sent(UnderWay, Number, Context),
    /// It needs a permit, and may have to wait for the first attempt to connect.
    Waits(Draft<B>),
}

/// A command that need not be built for nothing.
pub(super) enum Draft<B> {
    Built(Command),
    Unbuilt(B),
}

impl<B: FnOnce() -> Result<Command>> Draft<B> {
    pub(super) fn build(self) -> Result<Command> {
        match self {
            Self::Built(command) => Ok(command),
            Self::Unbuilt(build) => build(),
        }
    }
}

/// How a node is.
#[derive(Debug)]
pub(crate) enum Condition {
    /// No call was made yet; the first one connects.
    Idle,
    Connecting,
    Ready {
        since: SystemTime,
    },
    /// Some of the cluster's nodes are not.
    Degraded {
        reason: Arc<str>,
        since: SystemTime,
    },
    Unavailable {
        reason: Arc<str>,
        since: SystemTime,
    },
}

impl Condition {
    /// Puts the conditions of a cluster's nodes together.
    pub(super) fn of_all<'a>(nodes: impl Iterator<Item = (&'a Endpoint, Self)>) -> Self {
        let (mut ready, mut is_connecting) = (None, false);
        let (mut count, mut down, mut latest) = (0, Vec::new(), None);
        for (endpoint, condition) in nodes {
            count += 1;
            match condition {
                Self::Idle => {}
                Self::Connecting => is_connecting = true,
                Self::Ready { since } | Self::Degraded { since, .. } => ready = ready.max(Some(since)),
                Self::Unavailable { reason, since } => {
                    down.push(format!("{endpoint}: {reason}"));
                    latest = latest.max(Some(since));
                }
            }
        }
        match (latest, ready) {
            (Some(since), _) => {
                let reason = down.join("; ").into();
                if down.len() == count {
                    Self::Unavailable { reason, since }
                } else {
                    Self::Degraded { reason, since }
                }
            }
            (None, Some(since)) => Self::Ready { since },
            (None, None) if is_connecting => Self::Connecting,
            (None, None) => Self::Idle,
        }
    }
}

impl Node {
    pub(super) fn new(settings: Arc<Settings>, whereabouts: impl Into<Whereabouts>, journal: &Arc<Journal>) -> Self {
        let whereabouts = whereabouts.into();
        let budget = Arc::new(Semaphore::new(settings.max_connections));
        let tracking = Tracking::new(&settings, &whereabouts, &budget).map(Arc::new);
        Self {
            budget,
            settings,
            ledger: Arc::new(Ledger::new(whereabouts.to_string(), tracking.clone())),
            journal: Arc::clone(journal),
            tracking,
            whereabouts,
            links: ArcSwap::default(),
            changing: Mutex::new(()),
            told_no_runtime: Once::new(),
            has_left: AtomicBool::new(false),
        }
    }

    /// Admits a call, or refuses it at once.
    ///
    /// # Errors
    ///
    /// - The server is known to be unavailable.
    /// - There is no tokio runtime.
    pub(super) async fn admit(&self) -> Result<Permit> {
        // The way that nearly all calls go: one look at the gate, and nothing of it is kept.
        let admitted = match self.current() {
            Some(Ok(generation)) => generation.permit(self.settings.deadline).await,
            Some(Err(refused)) => Err(refused),
            // In a box: hardly a call waits for the first attempt, but all would carry the room for it.
            None => return Box::pin(self.gate()?.admit()).await,
        };
        admitted.inspect_err(|_refused| self.ledger.counters.refused.add(1))
    }

    /// Sends a call without waiting for anything, if that is possible. Of tasks that call at the same time nearly all go this way: it touches nothing
    /// that they would contend for but their lane.
    ///
    /// # Errors
    ///
    /// - The server is known to be unavailable, or the command cannot be built.
    pub(super) fn enter<B: FnOnce() -> Result<Command>>(&self, build: B, waker: &Waker) -> Result<Entered<B>> {
        let Ok(runtime) = Handle::try_current() else {
            return Ok(Entered::Waits(Draft::Unbuilt(build)));
        };
        let links = self.links.load();
        let Some(link) = links.iter().find(|link| link.is_for(runtime.id())) else {
            return Ok(Entered::Waits(Draft::Unbuilt(build)));
        };
        match &**link.gate().state() {
            State::Up { generation, .. } => {
                let command = build()?;
                let context = Context::of(&command);
                Ok(match generation.batches().send(command, context.key_hash(), waker) {
                    Ok(call) => Entered::Sent(call, generation.number(), context),
                    Err(command) => Entered::Waits(Draft::Built(command)),
                })
            }
            State::Down { reason, .. } => {
                self.ledger.counters.refused.add(1);
                Err(Error::shared(ErrorKind::Unavailable, reason).unsent())
            }
            State::Starting | State::Ended => Ok(Entered::Waits(Draft::Unbuilt(build))),
        }
    }

    /// Returns the deadline of every call.
    pub(super) fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// Says whether a call would be refused at once, as far as that is known without waiting. Counts nothing.
    pub(super) fn is_refusing(&self) -> bool {
        self.look(|gate| matches!(**gate.state(), State::Down { .. }))
            .unwrap_or_default()
    }

    /// Takes no calls any more: it belongs to the cluster no longer.
    pub(super) fn retire(&self) {
        self.has_left.store(true, Relaxed);
        self.ledger.retire();
    }

    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Relaxed)
    }

    /// Notes what commands under way may be changing. Dropping it, which has to be done before their answers are handed over, has the near
    /// cache forget it.
    pub(super) fn owed<'c>(&self, commands: impl IntoIterator<Item = &'c Command>) -> Option<Owed> {
        self.tracking.as_ref()?.owed(commands)
    }

    /// Says whether reads may be answered by what was near before the outage.
    pub(super) fn may_be_stale(&self) -> bool {
        self.tracking().is_some_and(|tracking| tracking.near().may_be_stale())
    }

    /// Forgets what is near.
    pub(super) fn forget_near(&self) {
        if let Some(tracking) = &self.tracking {
            tracking.near().empty(near::Reason::Moved);
        }
    }

    /// Says whether calls of this runtime pass, as far as is known without waiting.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.current(), Some(Ok(_)))
    }

    /// Returns what the gate of this runtime's link has decided, if there is such a link and it has.
    fn current(&self) -> Option<Result<Arc<Generation>>> {
        self.look(Gate::decided)?
    }

    /// Looks at the gate of this runtime's link, if there is one that is of use, without sharing it: all callers would contend for its count.
    fn look<T>(&self, look: impl FnOnce(&Gate) -> T) -> Option<T> {
        let runtime = Handle::try_current().ok()?.id();
        let links = self.links.load();
        let link = links.iter().find(|link| link.serves(runtime))?;
        Some(look(link.gate()))
    }

    /// Counts what came of a call, and says it in this crate's words.
    pub(super) fn settle<T>(&self, generation: Number, answer: Result<T, Failure>, attempt: Attempt) -> Result<T> {
        match answer {
            Ok(reply) => {
                self.answered();
                Ok(reply)
            }
            Err(failure) => {
                self.failed(generation, &failure, attempt);
                Err(failure.into_error())
            }
        }
    }

    /// Notes that a call was answered in time.
    fn answered(&self) {
        self.ledger.counters.answered.add(1);
    }

    /// Notes what became of a call that was not answered well.
    fn failed(&self, generation: Number, failure: &Failure, attempt: Attempt) {
        let counters = &self.ledger.counters;
        match failure {
            Failure::Replied(_) => counters.answered.add(1),
            Failure::Timeout => counters.timeouts.add(1),
            Failure::Broken(_) | Failure::NotServing(_) => counters.broken.add(1),
        }
        let links = self.links.load();
        if let Some(link) = links.iter().find(|link| link.gate().is_current(generation)) {
            link.gate().failed(failure, attempt);
            if self.whereabouts.is_doubted_for(failure) {
                link.gate().suspect();
            }
        }
    }

    pub(super) fn refuses(&self) -> bool {
        self.look(Gate::refuses)
            .unwrap_or_else(|| self.gate().map_or(true, |gate| gate.refuses()))
    }

    /// Connects now, or proves the connection.
    pub(super) async fn try_now(&self) -> bool {
        match self.gate() {
            Ok(gate) => gate.try_now().await,
            Err(_) => false,
        }
    }

    /// Closes all connections. The next call opens new ones.
    pub(super) async fn disconnect(&self) {
        let links = self.leave();
        for link in links.iter() {
            link.gate().quit().await;
        }
        self.ledger.forget_outage();
        if let Some(tracking) = &self.tracking {
            tracking.stop();
        }
    }

    /// Gives up all links, and looks no longer where the server is.
    fn leave(&self) -> Arc<Vec<Arc<Link>>> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.whereabouts.stop();
        self.links.swap(Arc::default())
    }

    /// Returns the near cache with what keeps it coherent, if there is to be one.
    pub(super) fn tracking(&self) -> Option<&Tracking> {
        self.tracking.as_deref()
    }

    pub(super) fn near_condition(&self) -> Option<near::Condition> {
        Some(self.tracking()?.near().condition())
    }

    pub(super) fn condition(&self) -> Condition {
        let links = self.links.load();
        let own = Handle::try_current()
            .ok()
            .and_then(|runtime| links.iter().find(|link| link.serves(runtime.id())));
        let up = || {
            links
                .iter()
                .find(|link| matches!(**link.gate().state(), State::Up { .. }))
        };
        let any = || links.iter().find(|link| !link.is_ended());
        let Some(link) = own.or_else(up).or_else(any) else {
            return Condition::Idle;
        };
        match &**link.gate().state() {
            State::Starting => Condition::Connecting,
            State::Up { since, .. } => Condition::Ready { since: *since },
            State::Down { reason, since } => Condition::Unavailable {
                reason: Arc::clone(reason),
                since: *since,
            },
            State::Ended => Condition::Idle,
        }
    }

    /// Returns what the server can, as far as that was found out.
    pub(super) fn capabilities(&self) -> Capabilities {
        self.ledger.capabilities()
    }

    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.condition(), Condition::Unavailable { .. })
    }

    pub(super) fn client(&self) -> Option<Client> {
        Some(self.gate().ok()?.current().ok()?.client())
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the right to one more connection, unless it is the last: that is kept for a runtime that has none.
    pub(super) fn spare_connection(&self) -> Option<OwnedSemaphorePermit> {
        budget::spare(&self.budget)
    }

    /// Returns what names it among others. Of a server that may move this is no place.
    pub(super) fn endpoint(&self) -> &Endpoint {
        self.whereabouts.endpoint()
    }

    /// Returns the name of the server, without user and password.
    pub(super) fn server(&self) -> String {
        self.whereabouts.to_string()
    }

    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics = self.ledger.counters.snapshot();
        if let Some(tracking) = &self.tracking {
            tracking.near().count(&mut metrics);
        }
        metrics
    }

    /// Finds, or starts, the link that takes the calls of the runtime that this is called in.
    fn gate(&self) -> Result<Arc<Gate>> {
        let Ok(runtime) = Handle::try_current() else {
            self.told_no_runtime.call_once(|| {
                tracing::warn!(
                    server = %self.whereabouts,
                    "Redis is asked outside a tokio runtime: no answer is possible"
                );
            });
            self.ledger.counters.refused.add(1);
            return Err(Error::new(ErrorKind::Unavailable, "called outside a tokio runtime").unsent());
        };
        let own = self
            .links
            .load()
            .iter()
            .find(|link| link.serves(runtime.id()))
            .map(|link| Arc::clone(link.gate()));
        own.map_or_else(|| self.new_gate(&runtime), Ok)
    }

    fn new_gate(&self, runtime: &Handle) -> Result<Arc<Gate>> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_left() {
            return Err(Error::new(ErrorKind::Unavailable, "the node has left the cluster").unsent());
        }
        let mut links = Vec::clone(&self.links.load());
        links.retain(|link| !link.is_ended());
        if let Some(link) = links.iter().find(|link| link.serves(runtime.id())) {
            return Ok(Arc::clone(link.gate()));
        }
        // Dropping ended links gives their connections back to the pool's bound.
        self.links.store(Arc::new(links.clone()));
        let is_last = !links.is_empty() && self.budget.available_permits() == 1;
        let house = if is_last { house::runtime() } else { None };
        let (home, audience) = match &house {
            Some(house) => (house, Audience::Anybody),
            None => (runtime, Audience::Runtime(runtime.id())),
        };
        let Ok(permit) = Arc::clone(&self.budget).try_acquire_owned() else {
            return match links.last() {
                Some(link) => Ok(Arc::clone(link.gate())),
                None => Err(Error::new(
                    ErrorKind::Unavailable,
                    "the pool has no connection left for this runtime",
                )),
            };
        };
        let gate = Gate::new(
            Arc::clone(&self.settings),
            Arc::clone(&self.ledger),
            Arc::clone(&self.journal),
        );
        let link = Link::start(
            home,
            audience,
            gate,
            self.whereabouts.clone(),
            permit,
            Arc::clone(&self.budget),
        );
        let gate = Arc::clone(link.gate());
        self.whereabouts.start();
        links.push(Arc::new(link));
        self.links.store(Arc::new(links));
        Ok(gate)
    }
}
