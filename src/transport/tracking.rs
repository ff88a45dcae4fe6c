//! The near cache of one server: the feed that keeps it coherent, and the reads that fill it.
//!
//! The feed is a connection for nothing else, on which the server tells of every key under the prefix that anybody changes. It lives in the
//! house's runtime, which outlives the callers' and is prompt while they are busy.

#[cfg(feature = "near-cache")]
mod feed;
mod reads;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};

pub(super) use self::reads::Lesson;
use super::{budget, house, whereabouts::Whereabouts};
use crate::{
    capabilities::Support,
    command::Command,
    config::{NearPlan, Settings},
    near::{Near, Owed, Reason},
};

/// The near cache, and what keeps it coherent.
#[derive(Debug)]
pub(crate) struct Tracking {
    near: Arc<Near>,
    settings: Arc<Settings>,
    whereabouts: Whereabouts,
    budget: Arc<Semaphore>,
    /// Looked at by every read that has to ask the server.
    is_started: AtomicBool,
    feed: Mutex<Option<Feed>>,
    /// The server may permit now what it refused before.
    again: Arc<Notify>,
    /// Whether the server tells of changes.
    permission: Arc<Mutex<Support>>,
    /// The server permits no scripts: a value and its time to live are asked for one after the other.
    is_without_scripts: AtomicBool,
    /// What does not exist is remembered as well. Not in a cluster: a key whose slot is being moved may be born where this server does not see it.
    keeps_absence: bool,
}

/// The task that follows the server's messages. Dropping it ends it, and closes its connection.
#[derive(Debug)]
struct Feed {
    supervisor: AbortHandle,
    _budget: OwnedSemaphorePermit,
}

impl Tracking {
    /// `None` if no near cache is wanted.
    pub(super) fn new(settings: &Arc<Settings>, whereabouts: &Whereabouts, budget: &Arc<Semaphore>) -> Option<Self> {
        let NearPlan::Wanted(wanted) = settings.near else {
            return None;
        };
        Some(Self {
            near: Arc::new(Near::new(wanted)?),
            settings: Arc::clone(settings),
            whereabouts: whereabouts.clone(),
            budget: Arc::clone(budget),
            is_started: AtomicBool::new(false),
            feed: Mutex::new(None),
            again: Arc::default(),
            permission: Arc::default(),
            is_without_scripts: AtomicBool::new(false),
            keeps_absence: !settings.is_cluster(),
        })
    }

    pub(super) fn near(&self) -> &Near {
        &self.near
    }

    /// Notes what commands under way may be changing; dropping it has the near cache forget it.
    pub(super) fn owed<'c>(&self, commands: impl IntoIterator<Item = &'c Command>) -> Option<Owed> {
        Owed::by(&self.near, commands)
    }

    /// Says whether reads may ever be answered without the server, in an outage.
    pub(super) fn is_forgiving(&self) -> bool {
        matches!(self.settings.near, NearPlan::Wanted(wanted) if !wanted.grace.is_zero())
    }

    /// Starts the feed, unless it was started.
    pub(super) fn start(&self) {
        if self.is_started.load(Ordering::Acquire) {
            return;
        }
        let mut feed = self.feed();
        if !self.is_started.swap(true, Ordering::AcqRel) {
            *feed = self.new_feed();
        }
    }

    /// Ends the feed, and empties the near cache. The next read starts another.
    pub(super) fn stop(&self) {
        self.stop_because(Reason::Disconnected, || {});
    }

    /// The same because the server is elsewhere now. No feed begins before it is known where.
    pub(super) fn stop_for_move<T>(&self, publish: impl FnOnce() -> T) -> T {
        self.stop_because(Reason::Moved, publish)
    }

    fn stop_because<T>(&self, reason: Reason, then: impl FnOnce() -> T) -> T {
        let mut feed = self.feed();
        *feed = None;
        self.near.close(reason);
        let done = then();
        self.is_started.store(false, Ordering::Release);
        done
    }

    /// Notes that the server runs no scripts.
    pub(super) fn go_without_scripts(&self) {
        self.is_without_scripts.store(true, Ordering::Relaxed);
    }

    /// Says whether the server tells of changes, as far as it was asked to.
    pub(super) fn is_permitted(&self) -> Support {
        *self.permission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a server again that has refused to tell of changes.
    pub(super) fn try_again(&self) {
        self.is_without_scripts.store(false, Ordering::Relaxed);
        self.again.notify_waiters();
    }

    fn new_feed(&self) -> Option<Feed> {
        let off = |reason: &str| {
            self.near.explain(reason);
            tracing::warn!(server = %self.whereabouts, reason, "there is no near cache");
            None
        };
        let Some(budget) = budget::spare(&self.budget) else {
            return off("REDIS_MAX_CONNECTIONS leaves no connection for it; it needs a third one");
        };
        let Some(house) = house::runtime() else {
            return off("the system gives no thread for it");
        };
        Some(Feed {
            supervisor: house.spawn(self.following()).abort_handle(),
            _budget: budget,
        })
    }

    #[cfg(feature = "near-cache")]
    fn following(&self) -> impl Future<Output = ()> + Send + use<> {
        feed::supervise(
            Arc::clone(&self.near),
            Arc::clone(&self.settings),
            self.whereabouts.clone(),
            Arc::clone(&self.again),
            Arc::clone(&self.permission),
        )
    }

    #[cfg(not(feature = "near-cache"))]
    fn following(&self) -> std::future::Ready<()> {
        match *self.near {}
    }

    /// Never held while something is awaited.
    fn feed(&self) -> MutexGuard<'_, Option<Feed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}
