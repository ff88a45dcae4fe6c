//! How a cache is to behave: plain data, the same for as long as it lives.

use std::time::Duration;

use crate::{codec::Format, ttl::Ttl};

/// How a [`Cache`](crate::Cache) behaves. Made once and shared: a clone is cheap where it stands in a [`Cache`](crate::Cache), which keeps it behind a pointer.
///
/// Durations are whole milliseconds, at least one. What is out of range is brought into it: a jitter of 2 is one of 1.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_manager::CachePolicy;
///
/// let policy = CachePolicy::new()
///     .ttl(Duration::from_secs(60))
///     .jitter(0.1)
///     .stale_for(Duration::from_secs(3600))
///     .soft_timeout(Duration::from_millis(100));
/// assert_eq!(policy.clone(), policy);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a policy does nothing by itself"]
pub struct CachePolicy {
    pub(super) ttl: Duration,
    pub(super) jitter: f64,
    pub(super) sliding: Option<Duration>,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) refresh_ahead: Option<f64>,
    pub(super) xfetch: Option<f64>,
    pub(super) stale_for: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) retry_after: Duration,
    pub(super) soft_timeout: Option<Duration>,
    pub(super) hard_timeout: Duration,
    pub(super) lease: Option<Duration>,
    pub(super) max_loads_in_outage: Option<usize>,
    pub(super) format: Format,
    pub(super) compress_from: usize,
    pub(super) max_value_len: usize,
    pub(super) schema: u32,
    pub(super) is_encrypted: bool,
}

/// Nothing lives shorter.
const SHORTEST: Duration = Duration::from_millis(1);

impl CachePolicy {
    /// Makes the policy that a cache has if it is given none: values are fresh for five minutes, and gone then; a load may take 30 seconds; JSON, compressed
    /// from 4 KiB on; nothing else.
    pub fn new() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            jitter: 0.0,
            sliding: None,
            negative_ttl: None,
            refresh_ahead: None,
            xfetch: None,
            stale_for: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            retry_after: Duration::from_secs(10),
            soft_timeout: None,
            hard_timeout: Duration::from_secs(30),
            lease: None,
            max_loads_in_outage: None,
            format: Format::Json,
            compress_from: 4 * 1024,
            max_value_len: 64 * 1024 * 1024,
            schema: 0,
            is_encrypted: false,
        }
    }

    /// Lets values be fresh for so long after they were loaded.
    pub fn ttl(self, ttl: Duration) -> Self {
        let ttl = within_bounds(ttl);
        Self { ttl, ..self }
    }

    /// Makes the time to live of each value shorter or longer by chance, by this share of it at most (0 to 1): what was loaded together does not expire together.
    pub fn jitter(self, share: f64) -> Self {
        let jitter = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        Self { jitter, ..self }
    }

    /// Lets a value expire earlier, when nobody has read it for so long; each read lets that time begin anew. It costs one write for each eighth of that
    /// time, however many read. The [`ttl`](Self::ttl) stays the longest that a value lives.
    pub fn sliding(self, idle: Duration) -> Self {
        let sliding = Some(within_bounds(idle));
        Self { sliding, ..self }
    }

    /// Remembers for so long that the loader found nothing. Without it, that is not remembered.
    pub fn negative_ttl(self, ttl: Duration) -> Self {
        let negative_ttl = Some(within_bounds(ttl));
        Self { negative_ttl, ..self }
    }

    /// Loads a value anew in the background when it is read after this share of its time to live (0 to 1, both excluded; anything else switches it off).
    pub fn refresh_ahead(self, share: f64) -> Self {
        let refresh_ahead = (share > 0.0 && share < 1.0).then_some(share);
        Self { refresh_ahead, ..self }
    }

    /// Loads a value anew in the background by chance, the likelier the nearer its end is and the longer it took to load: when
    /// `age - cost * beta * ln(random) >= ttl` (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). 1 is the
    /// best for most; more is earlier; 0 switches it off.
    pub fn xfetch(self, beta: f64) -> Self {
        let xfetch = (beta.is_finite() && beta > 0.0).then_some(beta);
        Self { xfetch, ..self }
    }

    /// Keeps a value for so long after its time to live, to be served if it cannot be loaded anew: the loader fails, or takes longer than the
    /// [`soft_timeout`](Self::soft_timeout) or the [`hard_timeout`](Self::hard_timeout).
    pub fn stale_for(self, grace: Duration) -> Self {
        Self {
            stale_for: grace.min(Ttl::MAX.as_duration()),
            ..self
        }
    }

    /// Serves a value for so long after its time to live at once, and loads it anew in the background meanwhile.
    pub fn stale_while_revalidate(self, grace: Duration) -> Self {
        Self {
            stale_while_revalidate: grace.min(Ttl::MAX.as_duration()),
            ..self
        }
    }

    /// Does not load a value anew for so long after that has failed, as long as there is an old one to be served: ten seconds if not said. Each process counts for
    /// itself.
    pub fn retry_after(self, pause: Duration) -> Self {
        let retry_after = within_bounds(pause);
        Self { retry_after, ..self }
    }

    /// Serves the old value, where there is one, if loading takes longer; the load goes on in the background.
    pub fn soft_timeout(self, timeout: Duration) -> Self {
        let soft_timeout = Some(within_bounds(timeout));
        Self { soft_timeout, ..self }
    }

    /// Aborts a load that takes longer, and lets the next caller load: 30 seconds if not said.
    pub fn hard_timeout(self, timeout: Duration) -> Self {
        let hard_timeout = within_bounds(timeout);
        Self { hard_timeout, ..self }
    }

    /// Has one process of all load at a time: it takes a lease of two seconds, and renews it while it loads; the others are told when it is done. If it dies, another
    /// takes over when the lease ends. See [`lease`](Self::lease).
    pub fn distributed(self) -> Self {
        self.lease(Duration::from_secs(2))
    }

    /// As [`distributed`](Self::distributed), with a lease of this length.
    pub fn lease(self, lease: Duration) -> Self {
        let lease = Some(within_bounds(lease));
        Self { lease, ..self }
    }

    /// Lets so many loads of this namespace run at once in this process while Redis does not answer; others wait their turn, until the
    /// [`hard_timeout`](Self::hard_timeout). So that the source survives the outage. The first policy of a namespace decides.
    pub fn max_loads_in_outage(self, loads: usize) -> Self {
        Self {
            max_loads_in_outage: Some(loads.max(1)),
            ..self
        }
    }

    /// Keeps values in this format. Values in another one are read as well.
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Compresses values from so many bytes on (LZ4), unless that saves less than an eighth.
    pub fn compress_from(self, bytes: usize) -> Self {
        Self {
            compress_from: bytes,
            ..self
        }
    }

    /// Takes a value of more bytes, once unpacked, for a miss, and does not store it: 64 MiB if not said.
    pub fn max_value_len(self, bytes: usize) -> Self {
        Self {
            max_value_len: bytes,
            ..self
        }
    }

    /// Takes values that were stored with another number for misses: change it with the type of the values.
    pub fn schema(self, version: u32) -> Self {
        Self {
            schema: version,
            ..self
        }
    }

    /// Encrypts values (AES-256-GCM) by the keys of `REDIS_ENCRYPTION_KEY`. Without keys nothing is stored, and nothing that is not encrypted is read. Keys and tags are
    /// not encrypted.
    #[cfg(feature = "encryption")]
    #[cfg_attr(docsrs, doc(cfg(feature = "encryption")))]
    pub fn encrypted(self) -> Self {
        Self {
            is_encrypted: true,
            ..self
        }
    }

    /// Returns how long a value is kept after its time to live.
    pub(super) fn grace(&self) -> Duration {
        self.stale_for.max(self.stale_while_revalidate)
    }

    /// Returns for how long it is remembered that something was removed: longer than any load that began before.
    pub(super) fn memory_of_removal(&self) -> Duration {
        self.hard_timeout.saturating_add(Duration::from_secs(5))
    }
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self::new()
    }
}

fn within_bounds(time: Duration) -> Duration {
    time.clamp(SHORTEST, Ttl::MAX.as_duration())
}

/// Returns a time to live that Redis accepts.
pub(super) fn bounded(time: Duration) -> Ttl {
    let time = time.min(Ttl::MAX.as_duration()).max(Duration::from_millis(1));
    Ttl::try_from(time).unwrap_or(Ttl::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_brought_into_it() {
        let policy = CachePolicy::new()
            .ttl(Duration::ZERO)
            .stale_for(Duration::MAX)
            .jitter(f64::NAN)
            .refresh_ahead(1.0)
            .xfetch(-1.0)
            .max_loads_in_outage(0);
        assert_eq!((policy.ttl, policy.stale_for), (SHORTEST, Ttl::MAX.as_duration()));
        assert_eq!((policy.jitter, policy.refresh_ahead, policy.xfetch), (0.0, None, None));
        assert_eq!(policy.max_loads_in_outage, Some(1));
    }
}
