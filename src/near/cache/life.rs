//! What begins and ends for the near cache: feeds, outages, and all that is in it.

use std::time::{Duration, Instant};

use super::{
    super::{Moment, Reason},
    Near,
};

/// For the feed, which brings the server's messages.
impl Near {
    /// Begins a new feed that has missed nothing so far, and returns its number.
    pub(crate) fn begin_feed(&self) -> u64 {
        let feed = self.lease.next_feed();
        self.empty(Reason::FeedBegins);
        feed
    }

    /// Notes that a feed had missed nothing when it was asked, at that time.
    pub(crate) fn prove(&self, feed: u64, asked: Instant, holds_for: Duration) {
        let asked = asked.saturating_duration_since(self.began);
        self.lease.prove(feed, Moment(0).after(asked).after(holds_for));
    }

    /// Notes that a feed brings nothing any more.
    pub(crate) fn end_feed(&self, feed: u64, reason: &str) {
        self.lease.revoke(feed, reason);
        // With a grace the entries stay, unserved: they may be asked for if this becomes an outage.
        if self.settings.grace.is_zero() {
            self.empty(Reason::FeedLost);
        }
    }

    /// Says why there is no feed.
    pub(crate) fn explain(&self, reason: &str) {
        self.lease.explain(reason);
    }

    /// Forgets keys that the server says were changed.
    pub(crate) fn invalidate(&self, key: &[u8]) {
        self.told.add(1);
        self.forget(key);
    }

    /// Forgets everything, and whatever is on its way.
    pub(crate) fn empty(&self, reason: Reason) {
        // A loss counts even if there was nothing to lose; that something begins or ends does not.
        let is_loss = matches!(reason, Reason::FeedLost | Reason::Lagged | Reason::ServerFlushed);
        let counts = is_loss || !self.shelf.is_empty();
        self.stamps.void_all();
        self.shelf.clear();
        if counts {
            self.flushes.add(reason);
        }
    }

    /// Logs what is to be told of, at most one line a second for each reason. To be called while no lock is held: a subscriber may ask the
    /// manager something.
    pub(crate) fn tell(&self) {
        for (reason, times) in self.flushes.untold(self.began.elapsed().as_secs()) {
            tracing::info!(reason, times, "the near cache was emptied");
        }
    }
}

/// For the life of the server, and of the manager.
impl Near {
    /// Notes that calls are refused from now on.
    pub(crate) fn begin_outage(&self) {
        self.lease.begin_outage(self.now(), self.settings.grace);
        if self.settings.grace.is_zero() {
            self.empty(Reason::Outage);
        }
    }

    /// Notes that calls will be let through again. To be called before the first is.
    pub(crate) fn end_outage(&self) {
        if self.lease.end_grace() {
            self.empty(Reason::Outage);
            self.lease.end_outage();
        }
    }

    /// Begins anew, as if nothing had ever been asked.
    pub(crate) fn close(&self, reason: Reason) {
        self.lease.forget();
        self.empty(reason);
        self.tell();
    }
}
