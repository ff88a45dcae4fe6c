//! How many calls may be in flight, and who waits for a place.
//!
//! A semaphore whose fast way is two atomic operations a call. tokio's takes a lock whenever a permit is given back, which was measurable
//! where hundreds of tasks share a connection.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use tokio::sync::Notify;

/// A number of places, each for one call.
#[derive(Debug)]
pub(super) struct Places {
    bound: u32,
    taken: AtomicU32,
    waiting: AtomicU32,
    closed: AtomicBool,
    freed: Notify,
}

/// One who waits, as long as it does.
struct Waiting<'a>(&'a AtomicU32);

impl Places {
    pub(super) fn new(bound: u32) -> Self {
        Self {
            bound,
            taken: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            freed: Notify::new(),
        }
    }

    /// Takes a place, to be given back by [`give_back`](Self::give_back). Says whether there was one.
    pub(super) fn try_take(&self) -> bool {
        let one_more = |taken| (taken < self.bound).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Waits for a place and takes it. Says `false` when the places were closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no place, and passes on what it was woken for.
    pub(super) async fn take(&self) -> bool {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            // Whoever gives a place back after this line wakes somebody; who did before it has left it to be taken.
            let freed = self.freed.notified();
            if self.closed.load(SeqCst) {
                return false;
            }
            if self.try_take() {
                return true;
            }
            freed.await;
        }
    }

    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    /// Lets nobody wait any more.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.freed.notify_waiters();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken.load(SeqCst) == 0
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicU32},
        time::Duration,
    };

    use tokio::{task::JoinSet, time::timeout};

    use super::*;

    #[test]
    fn there_are_as_many_as_were_made() {
        let places = Places::new(2);
        assert!(places.try_take() && places.try_take());
        assert!(!places.try_take());
        places.give_back();
        assert!(places.try_take());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn everybody_gets_one_and_never_more_than_the_bound_at_once() {
        let places = Arc::new(Places::new(3));
        let (now, most) = <(Arc<AtomicU32>, Arc<AtomicU32>)>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..200 {
            let (places, now, most) = (Arc::clone(&places), Arc::clone(&now), Arc::clone(&most));
            tasks.spawn(async move {
                for _ in 0..50 {
                    assert!(places.take().await);
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    tokio::task::yield_now().await;
                    now.fetch_sub(1, SeqCst);
                    places.give_back();
                }
            });
        }
        timeout(Duration::from_secs(30), tasks.join_all()).await.unwrap();
        assert_eq!(most.load(SeqCst), 3);
        assert!(places.is_empty());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_takes_nobodys_place() {
        let places = Arc::new(Places::new(1));
        assert!(places.try_take());
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(1), places.take()).await.is_err());
        }
        let waiter = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await }
        });
        tokio::task::yield_now().await;
        places.give_back();
        assert!(waiter.await.unwrap());
    }

    #[tokio::test]
    async fn closing_lets_everybody_go() {
        let places = Arc::new(Places::new(1));
        assert!(places.try_take());
        let waiters: Vec<_> = (0..10)
            .map(|_| {
                let places = Arc::clone(&places);
                tokio::spawn(async move { places.take().await })
            })
            .collect();
        tokio::task::yield_now().await;
        places.close();
        for waiter in waiters {
            assert!(!waiter.await.unwrap());
        }
        assert!(!places.take().await);
    }
}
