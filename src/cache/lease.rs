//! One loader in all processes: the right to load is a lease in the entry itself, and who waits for it is told.

use std::{
    convert::Infallible,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::{
    Cache,
    freshness::Freshness,
    policy::bounded,
    reading::{Entry, Place, Sight},
    version::token,
};
use crate::{
    chance::chance,
    command::Seen,
    envelope::{Draft, Kind},
    service::{Leased, Subscription},
};

/// So often whoever waits looks whether the server is still there; it is not asked.
const LOOK: Duration = Duration::from_millis(50);

/// Whose turn it is to load.
#[derive(Debug)]
pub(super) enum Turn {
    /// Ours, as what is then seen at the key says: under a lease, or without one where none can be had.
    Ours(Sight),
    /// Another's, and this is what it has stored.
    Done(Entry),
    /// Another's, and nobody wants to wait.
    Theirs,
}

impl Cache {
    /// Waits for the turn to load, or for what another process loads. In an outage it is everybody's.
    pub(super) async fn take_turn(&self, place: &Place, mut sight: Sight, waits: bool) -> Turn {
        let Some(lease) = self.policy.lease else {
            return Turn::Ours(sight);
        };
        let (began, number) = (Instant::now(), token());
        let mut news: Option<Subscription> = None;
        while began.elapsed() < self.policy.hard_timeout && sight.seen.is_some() {
            let placeholder: Bytes = Draft::bare(Kind::Awaited, token()).write(0).into();
            let entries = self.service.entries();
            let asked = entries.lease(place.entry.clone(), number, bounded(lease), sight.id(), placeholder);
            match asked.await {
                Ok(Leased::Taken) => {
                    sight.seen = Some(Seen::Lease(number));
                    return Turn::Ours(sight);
                }
                Ok(Leased::Held(_)) if !waits => return Turn::Theirs,
                Ok(Leased::Held(left)) => match &mut news {
                    // Whoever loads may have told it before there was somebody to listen: so it is asked once more.
                    None => news = self.listen(place, left).await,
                    Some(news) => {
                        // Not all at once, if it ends without a word.
                        let left = Duration::from_millis(left) + Duration::from_millis(20).mul_f64(chance());
                        self.within_lease(place, left, news.next()).await;
                    }
                },
                Ok(Leased::Changed) => {}
                Err(_) => return Turn::Ours(sight),
            }
            let began = sight.began;
            sight = self.look(place).await;
            // What was invalidated since the caller came is none of what is seen now.
            sight.began = began;
            match sight.entry.take() {
                Some(entry) if entry.freshness == Freshness::Fresh => return Turn::Done(entry),
                entry => sight.entry = entry,
            }
        }
        Turn::Ours(sight)
    }

    /// Listens to whoever holds the lease. Where nobody may listen, the end of the lease is waited for.
    async fn listen(&self, place: &Place, left: u64) -> Option<Subscription> {
        let pubsub = self.service.pubsub();
        let heard = if self.service.road().slot_tag(&place.entry).is_some() {
            pubsub.ssubscribe(&place.entry).await
        } else {
            pubsub.subscribe(&place.entry).await
        };
        match heard {
            Ok(news) => Some(news),
            Err(error) => {
                tracing::debug!(%error, "nobody can tell when another process has loaded");
                let never = std::future::pending::<Infallible>();
                self.within_lease(place, Duration::from_millis(left), never).await;
                None
            }
        }
    }

    /// Waits for a word for so long as a lease holds. Where its server is gone, so is the lease, and nobody can tell.
    async fn within_lease(&self, place: &Place, left: Duration, word: impl Future) {
        let (began, mut word) = (Instant::now(), pin!(word));
        let road = self.service.road();
        let key = road.prefix().key(place.entry.clone());
        while let Some(left) = left.checked_sub(began.elapsed())
            && key.as_ref().is_ok_and(|key| road.is_open_at(key))
        {
            if timeout(left.min(LOOK), word.as_mut()).await.is_ok() {
                return;
            }
        }
    }

    /// Renews a lease as long as it is polled.
    pub(super) async fn keep(&self, place: &Place, seen: Option<Seen>) -> Infallible {
        let (Some(lease), Some(Seen::Lease(number))) = (self.policy.lease, seen) else {
            return std::future::pending().await;
        };
        loop {
            sleep(lease / 3).await;
            let entries = self.service.entries();
            // Lost is lost: what is loaded will not be stored then. No content has this identity, so that the lease is not taken anew.
            drop(
                entries
                    .lease(place.entry.clone(), number, bounded(lease), Some(0), Bytes::new())
                    .await,
            );
        }
    }

    /// Gives a lease back, and tells those who wait.
    pub(super) async fn give_back(&self, place: &Place, seen: Option<Seen>) {
        if let Some(Seen::Lease(number)) = seen {
            let release = self
                .service
                .entries()
                .release(place.entry.clone(), number, self.tell(place));
            drop(release.await);
        }
    }
}
