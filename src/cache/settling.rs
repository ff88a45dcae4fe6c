//! What the journal holds and no single command removes: patterns, and in a cluster the version of a namespace.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use super::{Cache, CachePolicy, Shared, Space};
use crate::{
    journal::{Pending, Subject},
    service::RedisService,
    transport::call::Road,
};

/// Between two attempts, at first; then it doubles.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Sends what the road cannot, until nothing of it is left. It does not keep the manager.
struct Settling {
    road: Weak<Road>,
    shared: Arc<Shared>,
    space: Arc<Space>,
    policy: Arc<CachePolicy>,
}

impl Cache {
    /// Sees to it that what waits is sent: by the road what is a single command, by a task of this cache's the rest.
    pub(super) fn settle_journal(&self) {
        let road = self.service.road();
        if road.journal().is_empty() {
            return;
        }
        road.replay_soon();
        if !road.journal().has_unsendable(&self.space.journal) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.space.is_settling.swap(true, Ordering::AcqRel) {
            let settling = Settling {
                road: Arc::downgrade(road),
                shared: Arc::clone(&self.shared),
                space: Arc::clone(&self.space),
                policy: Arc::clone(&self.policy),
            };
            runtime.spawn(settling.work());
        }
    }

    /// Sends what can be sent now without connecting anew: after `disconnect`, that is for a call to do.
    async fn settle_now(&self) {
        let road = self.service.road();
        if !road.is_connected() {
            return;
        }
        let pending = road.journal().unsendable().into_iter();
        for pending in pending.filter(|pending| pending.space == self.space.journal) {
            if self.make_up_for(&pending).await {
                road.journal().done(&pending);
            }
        }
    }

    async fn make_up_for(&self, pending: &Pending) -> bool {
        match &pending.subject {
            Subject::Pattern(pattern) => {
                let pattern = self.service.road().prefix().pattern_taken_off(pattern);
                let pattern = pattern.as_str().unwrap_or("*");
                self.service.keys().delete_pattern(pattern).await.is_ok()
            }
            Subject::Key(_) | Subject::Tag(_) | Subject::All => self.raise().await.is_ok(),
        }
    }
}

impl Settling {
    async fn work(self) {
        let mut pause = PAUSE;
        loop {
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
            let Some(cache) = self.cache() else { return };
            cache.settle_now().await;
            if !cache.service.road().journal().has_unsendable(&self.space.journal) {
                drop(self);
                // What was noted just before that would have been left to this task.
                cache.settle_journal();
                return;
            }
        }
    }

    /// Returns the cache, as long as somebody else has its manager.
    fn cache(&self) -> Option<Cache> {
        Some(Cache {
            service: RedisService::of_road(self.road.upgrade()?),
            shared: Arc::clone(&self.shared),
            space: Arc::clone(&self.space),
            policy: Arc::clone(&self.policy),
            tags: Arc::default(),
        })
    }
}

/// Given back when it ends, and when its runtime does.
impl Drop for Settling {
    fn drop(&mut self) {
        self.space.is_settling.store(false, Ordering::Release);
    }
}
