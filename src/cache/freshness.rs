//! Whether an entry is fresh, and whether it is to be loaded anew before it is stale: pure functions of what it says, of the policy, of time and chance.

use std::time::{Duration, Instant};

use super::policy::CachePolicy;
use crate::envelope::Header;

/// How an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// It may be served at once while it is loaded anew.
    Revalidating,
    /// It may be served if it cannot be loaded anew.
    Stale,
    /// It may not be served.
    Expired,
}

/// Returns how old an entry is; never negative, whatever clocks say.
pub(super) fn age(header: &Header, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now.saturating_sub(header.loaded)).unwrap_or_default())
}

/// Says how an entry is.
pub(super) fn of(header: &Header, policy: &CachePolicy, now: i64) -> Freshness {
    let (age, fresh_for) = (age(header, now), Duration::from_millis(header.fresh_for));
    let over = if header.is_declared_stale {
        // From now on, as far as can be told: nothing says since when.
        Some(age.saturating_sub(fresh_for))
    } else {
        (age >= fresh_for).then(|| age.saturating_sub(fresh_for))
    };
    match over {
        None => Freshness::Fresh,
        Some(over) if over < policy.stale_while_revalidate => Freshness::Revalidating,
        Some(over) if over < policy.stale_for => Freshness::Stale,
        Some(_) => Freshness::Expired,
    }
}

/// Says whether a fresh entry is to be loaded anew already. `chance` is from 0 to 1.
pub(super) fn is_due(header: &Header, policy: &CachePolicy, now: i64, chance: f64) -> bool {
    let (age, fresh_for) = (
        age(header, now).as_secs_f64(),
        Duration::from_millis(header.fresh_for).as_secs_f64(),
    );
    let is_past = policy.refresh_ahead.is_some_and(|share| age >= fresh_for * share);
    let cost = f64::from(header.cost) / 1e6;
    let is_chosen = policy
        .xfetch
        .is_some_and(|beta| age - cost * beta * chance.max(f64::MIN_POSITIVE).ln() >= fresh_for);
    is_past || is_chosen
}

/// Returns when the life of an entry that slides is to be begun anew: an eighth of its idle time after the last time.
pub(super) fn is_to_be_touched(header: &Header, idle: Duration, now: i64) -> bool {
    let since = u64::try_from(now.saturating_sub(header.touched)).unwrap_or_default();
    Duration::from_millis(since) >= idle / 8
}

/// Returns a time to live made shorter or longer by chance. `chance` is from 0 to 1.
pub(super) fn jittered(ttl: Duration, jitter: f64, chance: f64) -> Duration {
    if jitter <= 0.0 {
        return ttl;
    }
    let factor = 1.0 + jitter * (2.0 * chance - 1.0);
    Duration::try_from_secs_f64(ttl.as_secs_f64() * factor).unwrap_or(ttl)
}

/// Returns an instant that is so much later; far away if that overflows.
pub(super) fn later(from: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 86_400);
    from + by.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Draft, Kind};

    fn header(loaded: i64, fresh_for: u64, cost: u32) -> Header {
        let draft = Draft {
            loaded,
            fresh_for,
            cost,
            ..Draft::bare(Kind::Value, 1)
        };
        Header::read(&draft.write(0).into()).unwrap()
    }

    #[test]
    fn an_entry_is_fresh_then_stale_then_gone() {
        let policy = CachePolicy::new()
            .stale_while_revalidate(Duration::from_millis(50))
            .stale_for(Duration::from_millis(200));
        let header = header(1_000, 100, 0);
        let at = |now| of(&header, &policy, now);
        assert_eq!((at(900), at(1_099)), (Freshness::Fresh, Freshness::Fresh));
        assert_eq!(
            (at(1_100), at(1_149)),
            (Freshness::Revalidating, Freshness::Revalidating)
        );
        assert_eq!((at(1_150), at(1_299)), (Freshness::Stale, Freshness::Stale));
        assert_eq!(at(1_300), Freshness::Expired);
        let mut declared = header.clone();
        declared.is_declared_stale = true;
        assert_eq!(of(&declared, &policy, 1_010), Freshness::Revalidating);
        assert_eq!(of(&declared, &CachePolicy::new(), 1_010), Freshness::Expired);
    }

    #[test]
    fn early_refreshes_follow_threshold_and_chance() {
        let header = header(0, 10_000, 1_000_000);
        let ahead = CachePolicy::new().refresh_ahead(0.8);
        assert!(!is_due(&header, &ahead, 7_999, 0.5) && is_due(&header, &ahead, 8_000, 0.5));
        // One cost before the end: probability 1/e.
        let xfetch = CachePolicy::new().xfetch(1.0);
        assert!(is_due(&header, &xfetch, 9_000, 0.36) && !is_due(&header, &xfetch, 9_000, 0.37));
        assert!(is_due(&header, &CachePolicy::new().xfetch(2.0), 8_000, 0.36));
        assert!(!is_due(&header, &CachePolicy::new().xfetch(0.0), 9_999, 0.0));
    }

    #[test]
    fn jitter_spreads_around_the_time_to_live() {
        let ttl = Duration::from_secs(60);
        let at = |chance| jittered(ttl, 0.1, chance).as_secs();
        assert_eq!((at(0.0), at(0.5), at(1.0)), (54, 60, 66));
        assert_eq!(jittered(ttl, 0.0, 1.0), ttl);
    }
}
