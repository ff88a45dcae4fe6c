//! How often everything was emptied, and the log lines about it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Reason;

/// Counts for each reason. Emptying may happen while a lock is held, and telling of it may not: so it is told of later.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    counts: [Count; Reason::ALL.len()],
    total: AtomicU64,
}

#[derive(Debug, Default)]
struct Count {
    untold: AtomicU64,
    /// The second in which the last line was logged, plus one.
    told_in: AtomicU64,
}

impl Reason {
    const ALL: [Self; 7] = [
        Self::FeedLost,
        Self::FeedBegins,
        Self::Lagged,
        Self::ServerFlushed,
        Self::Outage,
        Self::Disconnected,
        Self::Moved,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::FeedLost => "the connection that tells of changes was lost",
            Self::FeedBegins => "the connection that tells of changes is a new one",
            Self::Lagged => "more changes at once than could be kept",
            Self::ServerFlushed => "the server has emptied a database",
            Self::Outage => "an outage, or the end of one",
            Self::Disconnected => "disconnected",
            Self::Moved => "another server serves these keys now",
        }
    }
}

impl Flushes {
    pub(super) fn add(&self, reason: Reason) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if let Some(at) = Reason::ALL.iter().position(|one| *one == reason) {
            self.counts[at].untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Takes what is to be told of in that second: at most one line for each reason.
    pub(super) fn untold(&self, second: u64) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::ALL.iter().zip(&self.counts).filter_map(move |(reason, count)| {
            let is_due = count.untold.load(Ordering::Relaxed) > 0
                && count.told_in.swap(second + 1, Ordering::Relaxed) != second + 1;
            is_due.then(|| (reason.text(), count.untold.swap(0, Ordering::Relaxed)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_of_once_a_second_with_how_often() {
        let flushes = Flushes::default();
        flushes.add(Reason::Lagged);
        flushes.add(Reason::Lagged);
        flushes.add(Reason::FeedLost);
        let told: Vec<_> = flushes.untold(0).collect();
        assert_eq!(told, [(Reason::FeedLost.text(), 1), (Reason::Lagged.text(), 2)]);
        flushes.add(Reason::Lagged);
        assert_eq!(flushes.untold(0).count(), 0);
        assert_eq!(flushes.untold(1).collect::<Vec<_>>(), [(Reason::Lagged.text(), 1)]);
        assert_eq!(flushes.total(), 4);
    }
}
