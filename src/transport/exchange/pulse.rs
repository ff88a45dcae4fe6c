//! When a server has to be asked whether it is there, and when it is not. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::super::gate::STALL;

/// The heartbeat of one connection.
#[derive(Debug)]
pub(super) enum Pulse {
    Resting { until: Instant },
    Waiting { until: Instant, is_sent: bool },
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ask,
    Wait,
    /// The server does not answer.
    Dead,
}

/// How long after an answer it is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// How long nothing may be heard while an answer is awaited.
const PATIENCE: Duration = Duration::from_millis(500);

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self::Resting { until: now + PAUSE }
    }

    /// Returns when to look at it again.
    pub(super) fn due(&self) -> Instant {
        match self {
            Self::Resting { until } | Self::Waiting { until, .. } => *until,
        }
    }

    /// Notes that the server has said something: its answer may stand behind many messages.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Self::Waiting { until, .. } = self {
            *until = now + PATIENCE;
        }
    }

    /// Notes that all was sent: no answer could come before. What is sent later does not count.
    pub(super) fn sent(&mut self, now: Instant) {
        if let Self::Waiting { until, is_sent } = self
            && !std::mem::replace(is_sent, true)
        {
            *until = now + PATIENCE;
        }
    }

    pub(super) fn answered(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    pub(super) fn judge(&mut self, now: Instant) -> Verdict {
        match self {
            Self::Resting { until } if now >= *until => {
                *self = Self::Waiting {
                    until: now + PATIENCE,
                    is_sent: false,
                };
                Verdict::Ask
            }
            // So late it was this process that was stalled, and the answer may be here.
            Self::Waiting { until, .. } if now >= *until + STALL => {
                *until = now + PATIENCE;
                Verdict::Wait
            }
            Self::Waiting { until, .. } if now >= *until => Verdict::Dead,
            Self::Resting { .. } | Self::Waiting { .. } => Verdict::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_dead_within_a_second() {
        let now = Instant::now();
        let mut pulse = Pulse::new(now);
        assert_eq!(pulse.judge(now), Verdict::Wait);
        let asked = pulse.due();
        assert_eq!(pulse.judge(asked), Verdict::Ask);
        assert_eq!(pulse.judge(asked), Verdict::Wait);
        assert_eq!(pulse.judge(pulse.due()), Verdict::Dead);
        assert!(pulse.due() < now + Duration::from_secs(1));
    }

    #[test]
    fn who_talks_is_alive_and_who_has_answered_rests() {
        let now = Instant::now();
        let mut pulse = Pulse::new(now);
        let asked = pulse.due();
        assert_eq!(pulse.judge(asked), Verdict::Ask);
        pulse.heard(asked + PATIENCE / 2);
        assert_eq!(pulse.judge(asked + PATIENCE), Verdict::Wait);
        pulse.answered(asked + PATIENCE);
        assert_eq!(pulse.judge(asked + PATIENCE), Verdict::Wait);
        assert_eq!(pulse.judge(asked + PATIENCE + PAUSE), Verdict::Ask);
    }

    #[test]
    fn the_time_counts_from_when_the_question_was_sent() {
        let mut pulse = Pulse::new(Instant::now());
        let asked = pulse.due();
        assert_eq!(pulse.judge(asked), Verdict::Ask);
        let sent = asked + PATIENCE / 2;
        pulse.sent(sent);
        pulse.sent(sent + PATIENCE / 4);
        assert_eq!(pulse.due(), sent + PATIENCE);
    }

    #[test]
    fn a_stall_of_this_process_is_not_the_servers() {
        let mut pulse = Pulse::new(Instant::now());
        let asked = pulse.due();
        assert_eq!(pulse.judge(asked), Verdict::Ask);
        let late = pulse.due() + STALL;
        assert_eq!(pulse.judge(late), Verdict::Wait);
        assert_eq!(pulse.judge(late + PATIENCE), Verdict::Dead);
    }
}
