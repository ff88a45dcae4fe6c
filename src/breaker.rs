//! When to stop asking a server, and when to try again. A pure state machine: time and chance are arguments.
//!
//! The pattern is Nygard's circuit breaker ("Release It!", 2007), with one difference: calls never probe. While the breaker is not
//! closed every call is refused, and one background probe at a time finds out whether the server is back.

use std::time::{Duration, Instant};

/// When to open and how long to wait. Immutable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Opens after so many timeouts in a row.
    pub(crate) row: u32,
    /// Opens when so large a share of the window's calls timed out …
    pub(crate) ratio: f64,
    /// … if there were at least so many.
    pub(crate) min_calls: u64,
    /// How far back the ratio looks, at least; at most twice that.
    pub(crate) window: Duration,
    /// The pauses before probing a server that may be back at any time.
    pub(crate) short: Backoff,
    /// The pauses where only a human can help: wrong password, wrong kind of server.
    pub(crate) long: Backoff,
    /// Closed for so long, the breaker begins again with the first pause.
    pub(crate) stable: Duration,
}

/// Pauses that double from `first` to `max`; each is cut by chance to between half and all of it, so that many processes do not
/// come back in step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

/// Why the breaker opens, as far as it matters for the next probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// May be over at any time.
    Passing,
    /// Will stay until somebody changes something.
    Lasting,
}

/// The state for one server as one runtime sees it.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: Policy,
    state: State,
    /// Timeouts since the last answer.
    row: u32,
    recent: Window,
    before: Window,
    /// Openings since the breaker was last closed for long.
    openings: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { since: Instant },
    Open { retry_at: Option<Instant> },
    HalfOpen,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    began: Option<Instant>,
    calls: u64,
    timeouts: u64,
}

/// Permission for the one probe. Its holder owes a verdict: [`Breaker::close`] or [`Breaker::reopen`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Probe {
    began: Instant,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            row: 5,
            ratio: 0.5,
            min_calls: 20,
            window: Duration::from_secs(5),
            short: Backoff {
                first: Duration::from_millis(50),
                max: Duration::from_millis(200),
            },
            long: Backoff {
                first: Duration::from_secs(2),
                max: Duration::from_secs(10),
            },
            stable: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// Returns the pause after so many openings; `chance` is in `0.0..1.0`.
    pub(crate) fn pause(self, openings: u32, chance: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(openings).unwrap_or(u32::MAX));
        doubled.min(self.max).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

impl Breaker {
    /// Starts open, with the first probe due at once: a server is usable only once it has answered.
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            state: State::Open { retry_at: None },
            row: 0,
            recent: Window::default(),
            before: Window::default(),
            openings: 0,
        }
    }

    /// Notes calls that were answered in time, whatever the answer.
    pub(crate) fn answered(&mut self, now: Instant, calls: u64) {
        if calls == 0 {
            return;
        }
        self.row = 0;
        self.roll(now);
        self.recent.calls += calls;
    }

    /// Notes a call whose deadline passed. Returns whether that opened the breaker.
    pub(crate) fn timed_out(&mut self, now: Instant, chance: f64) -> bool {
        let State::Closed { .. } = self.state else {
            return false;
        };
        self.row += 1;
        self.roll(now);
        self.recent.calls += 1;
        self.recent.timeouts += 1;
        let opens = self.row >= self.policy.row || self.ratio_is_reached();
        if opens {
            self.open(now, Severity::Passing, chance);
        }
        opens
    }

    /// Opens a closed breaker. Returns whether it was closed.
    pub(crate) fn trip(&mut self, now: Instant, severity: Severity, chance: f64) -> bool {
        let was_closed = matches!(self.state, State::Closed { .. });
        if was_closed {
            self.open(now, severity, chance);
        }
        was_closed
    }

    /// Asks for the probe.
    ///
    /// # Errors
    ///
    /// - Not yet: the time still to wait. `Duration::MAX` if the breaker is closed or another probe is under way.
    pub(crate) fn try_probe(&mut self, now: Instant) -> Result<Probe, Duration> {
        match self.state {
            State::Open { retry_at } => {
                let wait = retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
                if !wait.is_zero() {
                    return Err(wait);
                }
                self.state = State::HalfOpen;
                Ok(Probe { began: now })
            }
            State::Closed { .. } | State::HalfOpen => Err(Duration::MAX),
        }
    }

    /// Makes the next probe due at once.
    pub(crate) fn hurry(&mut self) {
        if let State::Open { retry_at } = &mut self.state {
            *retry_at = None;
        }
    }

    /// The probe was answered.
    pub(crate) fn close(&mut self, probe: Probe, now: Instant) {
        let Probe { began: _ } = probe;
        self.state = State::Closed { since: now };
        self.row = 0;
        self.recent = Window::default();
        self.before = Window::default();
    }

    /// The probe was not answered. The pause counts from its beginning: one that itself took long is followed by the shortest pause.
    pub(crate) fn reopen(&mut self, probe: Probe, now: Instant, severity: Severity, chance: f64) {
        self.open(probe.began, severity, chance);
        if let State::Open { retry_at: Some(at) } = &mut self.state {
            *at = (*at).max(now + self.policy.short.pause(0, chance));
        }
    }

    fn open(&mut self, now: Instant, severity: Severity, chance: f64) {
        if let State::Closed { since } = self.state
            && now.saturating_duration_since(since) >= self.policy.stable
        {
            self.openings = 0;
        }
        let backoff = match severity {
            Severity::Passing => self.policy.short,
            Severity::Lasting => self.policy.long,
        };
        let pause = backoff.pause(self.openings, chance);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open {
            retry_at: Some(now + pause),
        };
    }

    fn roll(&mut self, now: Instant) {
        let began = *self.recent.began.get_or_insert(now);
        if now.saturating_duration_since(began) >= self.policy.window {
            self.before = self.recent;
            self.recent = Window {
                began: Some(now),
                ..Window::default()
            };
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
    fn ratio_is_reached(&self) -> bool {
        let calls = self.recent.calls + self.before.calls;
        let timeouts = self.recent.timeouts + self.before.timeouts;
        calls >= self.policy.min_calls && timeouts as f64 >= calls as f64 * self.policy.ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn closed(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(Policy::default());
        let probe = breaker.try_probe(now).unwrap();
        breaker.close(probe, now);
        breaker
    }

    #[test]
    fn a_new_breaker_admits_one_probe_at_once_and_only_one() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Policy::default());
        let _probe = breaker.try_probe(now).unwrap();
        assert_eq!(breaker.try_probe(now).unwrap_err(), Duration::MAX);
    }

    #[test]
    fn timeouts_in_a_row_open_it() {
        let now = Instant::now();
        let mut breaker = closed(now);
        for _ in 0..4 {
            assert!(!breaker.timed_out(now, 0.5));
        }
        assert!(breaker.timed_out(now, 0.5));
        assert!(!breaker.timed_out(now, 0.5), "opened only once");
    }

    #[test]
    fn an_answer_ends_the_row() {
        let now = Instant::now();
        let mut breaker = closed(now);
        for _ in 0..4 {
            for _ in 0..4 {
                assert!(!breaker.timed_out(now, 0.5));
            }
            breaker.answered(now, 30);
        }
    }

    #[test]
    fn half_the_calls_timing_out_open_it() {
        let now = Instant::now();
        let mut breaker = closed(now);
        let opened = (0..20).find(|_| {
            breaker.answered(now, 1);
            breaker.timed_out(now, 0.5)
        });
        assert_eq!(opened, Some(9), "ten of twenty");
    }

    #[test]
    fn the_ratio_forgets_what_is_long_past() {
        let start = Instant::now();
        let mut breaker = closed(start);
        for _ in 0..9 {
            breaker.answered(start, 1);
            assert!(!breaker.timed_out(start, 0.5));
        }
        for step in 1..=3 {
            breaker.answered(start + Policy::default().window * step, 1);
        }
        assert!(!breaker.timed_out(start + Policy::default().window * 3, 0.5));
    }

    #[test]
    fn only_misses_never_open_it() {
        let now = Instant::now();
        let mut breaker = closed(now);
        breaker.answered(now, 1_000_000);
        assert_eq!(breaker.try_probe(now).unwrap_err(), Duration::MAX);
    }

    #[test]
    fn a_broken_connection_opens_it_at_once() {
        let now = Instant::now();
        let mut breaker = closed(now);
        assert!(breaker.trip(now, Severity::Passing, 0.0));
        assert_eq!(breaker.try_probe(now).unwrap_err(), 25 * MS);
        let probe = breaker.try_probe(now + 25 * MS).unwrap();
        breaker.close(probe, now + 25 * MS);
    }

    #[test]
    fn pauses_double_up_to_the_greatest_and_are_cut_by_chance() {
        let backoff = Policy::default().short;
        assert_eq!(backoff.pause(0, 1.0), 50 * MS);
        assert_eq!(backoff.pause(1, 1.0), 100 * MS);
        assert_eq!(backoff.pause(40, 1.0), 200 * MS);
        assert_eq!(backoff.pause(40, 0.0), 100 * MS);
    }

    #[test]
    fn a_probe_that_took_long_is_soon_followed_by_the_next() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Policy::default());
        for _ in 0..10 {
            let probe = breaker.try_probe(now).unwrap();
            breaker.reopen(probe, now, Severity::Passing, 1.0);
            breaker.hurry();
        }
        let probe = breaker.try_probe(now).unwrap();
        breaker.reopen(probe, now + 1000 * MS, Severity::Passing, 1.0);
        assert_eq!(breaker.try_probe(now + 1000 * MS).unwrap_err(), 50 * MS);
    }

    #[test]
    fn what_only_a_human_can_mend_is_probed_slowly() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Policy::default());
        let probe = breaker.try_probe(now).unwrap();
        breaker.reopen(probe, now, Severity::Lasting, 0.0);
        assert_eq!(breaker.try_probe(now).unwrap_err(), 1000 * MS);
        breaker.hurry();
        assert!(breaker.try_probe(now).is_ok());
    }

    #[test]
    fn pauses_begin_anew_only_after_a_stable_time() {
        let mut now = Instant::now();
        let mut breaker = closed(now);
        let mut pauses = Vec::new();
        for stay in [10_000, 10, 10_000] {
            now += stay * MS;
            assert!(breaker.trip(now, Severity::Passing, 1.0));
            let pause = breaker.try_probe(now).unwrap_err();
            pauses.push(pause.as_millis());
            now += pause;
            let probe = breaker.try_probe(now).unwrap();
            breaker.close(probe, now);
        }
        assert_eq!(pauses, [50, 100, 50]);
    }
}
