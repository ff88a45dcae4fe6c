//! Readers as peers: what the race and the outages of other suites can be run with.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    peers::{self, Peer},
    readers::{self, Reader, Source, moment},
};

/// How long the source takes in an outage.
pub(super) const TAKES: Duration = Duration::from_millis(5);

/// How many calls of the peer that was made last got no value, by its name. Peers are made where nothing can be given to them.
static FAILED: Mutex<BTreeMap<&str, Arc<AtomicU64>>> = Mutex::new(BTreeMap::new());

/// A reader whose every answer has to come from the cache.
#[derive(Clone)]
pub(super) struct Hits<R>(R);

/// A reader in front of a source that always has the value. Only what was cached before the call is an answer here; a call that got no value at all is counted.
#[derive(Clone)]
pub(super) struct Shielded<R> {
    /// Who reads.
    reader: R,
    /// How many calls got no value.
    failed: Arc<AtomicU64>,
}

/// Presents readers to somebody who wants to know peers, as [`Hits`].
pub(super) struct AsHits<'a, V>(pub(super) &'a mut V);

/// The same as [`Shielded`].
pub(super) struct AsShielded<'a, V>(pub(super) &'a mut V);

impl<R: Reader> Peer for Hits<R> {
    const NAME: &'static str = R::NAME;
    const WIRING: &'static str = R::WIRING;

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(R::connect(port).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value = self.0.read(key, &Source::Failing).await?;
        Some(value.as_ref().len())
    }

    async fn set(&mut self, key: &str, _value: &str) -> bool {
        fill(&self.0, key).await
    }

    async fn set_px(&mut self, key: &str, _value: &str) -> bool {
        fill(&self.0, key).await
    }
}

impl<R: Reader> Peer for Shielded<R> {
    const NAME: &'static str = R::NAME;
    const WIRING: &'static str = R::WIRING;

    async fn connect(port: u16) -> Outcome<Self> {
        let peer = Self {
            reader: R::connect(port).await?,
            failed: Arc::default(),
        };
        let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
        failed.insert(R::NAME, Arc::clone(&peer.failed));
        Ok(peer)
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let (began, source) = (Instant::now(), Source::taking(TAKES));
        let value = self.reader.read(key, &source).await;
        let Some((value, loaded)) = value.and_then(|value| moment(value.as_ref()).map(|loaded| (value, loaded))) else {
            self.failed.fetch_add(1, Relaxed);
            return None;
        };
        // What was loaded meanwhile, for this call or for another that it waited with, was not cached.
        (loaded < began).then(|| value.as_ref().len())
    }

    async fn set(&mut self, key: &str, _value: &str) -> bool {
        fill(&self.reader, key).await
    }

    async fn set_px(&mut self, key: &str, _value: &str) -> bool {
        fill(&self.reader, key).await
    }
}

impl<V: peers::Visitor> readers::Visitor for AsHits<'_, V> {
    async fn meet<R: Reader>(&mut self) -> Outcome {
        self.0.meet::<Hits<R>>().await;
        Ok(())
    }
}

impl<V: peers::Visitor> readers::Visitor for AsShielded<'_, V> {
    async fn meet<R: Reader>(&mut self) -> Outcome {
        self.0.meet::<Shielded<R>>().await;
        Ok(())
    }
}

/// Returns how many calls got no value of those to the [`Shielded`] of that name that was made last.
pub(super) fn failed(name: &str) -> u64 {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.get(name).map_or(0, |count| count.load(Relaxed))
}

/// Has the value cached.
async fn fill<R: Reader>(reader: &R, key: &str) -> bool {
    reader.is_answered(key, &Source::taking(Duration::ZERO)).await
}
