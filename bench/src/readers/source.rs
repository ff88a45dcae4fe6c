//! What stands behind a cache.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::suite::VALUE;

/// What moments are counted from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Something slow that a cache is put in front of. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// It has the value, after a while.
    Slow {
        /// How long it takes.
        takes: Duration,
        /// How often it was asked.
        runs: Arc<AtomicU64>,
    },
    /// It fails at once. It counts nothing, so that to pass it on costs nothing: whoever has the value cached never asks it.
    Failing,
}

/// What a source says instead of a value.
#[derive(Debug, Clone)]
pub(crate) struct Failure;

impl Source {
    /// Returns one that takes so long.
    pub(crate) fn taking(takes: Duration) -> Self {
        let runs = Arc::default();
        Self::Slow { takes, runs }
    }

    /// Loads a value, which says when that was done ([`moment`]).
    ///
    /// # Errors
    ///
    /// - It fails.
    pub(crate) async fn load(self) -> Result<String, Failure> {
        match self {
            Self::Slow { takes, runs } => {
                runs.fetch_add(1, Relaxed);
                sleep(takes).await;
                Ok(format!("{:0>width$}", BEGAN.elapsed().as_nanos(), width = VALUE.len()))
            }
            Self::Failing => Err(Failure),
        }
    }

    /// Returns how often it was asked.
    pub(crate) fn runs(&self) -> u64 {
        match self {
            Self::Slow { runs, .. } => runs.load(Relaxed),
            Self::Failing => 0,
        }
    }
}

/// Returns when a value was loaded.
pub(crate) fn moment(value: &[u8]) -> Option<Instant> {
    let nanos = str::from_utf8(value).ok()?.parse().ok()?;
    Some(*BEGAN + Duration::from_nanos(nanos))
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the source has failed")
    }
}

impl Error for Failure {}
