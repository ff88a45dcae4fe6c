//! What came of the calls in a storm.

use std::{collections::BTreeMap, time::Duration};

use redis_manager::{Error, ErrorKind};

use super::model::Verdict;
use crate::report::{self, Goal, millis, per_call};

/// So many wrong answers are told in words.
const TOLD: usize = 5;

/// The deadline of a call, as the manager's default is, and what a busy machine may add to it.
const LIMIT: Duration = Duration::from_millis(500 + 500);

/// What came of the calls of one task, or of all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// All calls.
    calls: u64,
    /// Those that failed, by reason.
    failed: BTreeMap<String, u64>,
    /// Answers that were not this call's.
    wrong: u64,
    /// What was wrong at first.
    told: Vec<String>,
    /// What took too long at first.
    late: Vec<String>,
    /// Answers that were older than what the deployment had confirmed.
    lost: u64,
    /// Calls that took longer than they may.
    overdue: u64,
    /// The longest call, and which it was.
    worst: (Duration, &'static str),
    /// Keys that could not be read when all was well again.
    unanswered: u64,
}

impl Tally {
    /// Counts a call that took so long.
    pub(super) fn note(&mut self, call: &'static str, took: Duration) {
        self.calls += 1;
        self.worst = self.worst.max((took, call));
        if took > LIMIT {
            self.overdue += 1;
            keep(&mut self.late, [format!("{call} took {} ms", took.as_millis())]);
        }
    }

    /// Counts what there is to say of an answer.
    pub(super) fn judge(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Right => {}
            Verdict::Lost => self.lost += 1,
            Verdict::Wrong(what) => self.wrong(what),
        }
    }

    /// Counts a failure. One that no fault explains is a wrong answer: it says that the reply, or the key, was of another kind.
    pub(super) fn fail(&mut self, error: &Error) {
        use ErrorKind::{Decode, Encode, InvalidArgument, Unsupported, WrongType};
        let (kind, code) = (error.kind(), error.server_code());
        if matches!(kind, Decode | Encode | InvalidArgument | Unsupported | WrongType) || code == Some("ERR") {
            return self.wrong(error.to_string());
        }
        let reason = code.unwrap_or_else(|| kind.code());
        *self.failed.entry(reason.to_owned()).or_default() += 1;
    }

    /// Counts a key that could not be read when all was well again.
    pub(super) fn miss(&mut self) {
        self.unanswered += 1;
    }

    /// Adds what came of another task's calls.
    pub(super) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        for (reason, count) in other.failed {
            *self.failed.entry(reason).or_default() += count;
        }
        self.wrong += other.wrong;
        keep(&mut self.told, other.told);
        keep(&mut self.late, other.late);
        self.lost += other.lost;
        self.overdue += other.overdue;
        self.worst = self.worst.max(other.worst);
        self.unanswered += other.unanswered;
    }

    /// Prints it, with what the calls lived through.
    pub(super) fn print(&self, weather: &str, panics: u64) {
        let count = |name: &str, count: u64, goal, remark: &str| {
            report::print_with(&format!("storm_{name}"), per_call(count, 1), goal, remark);
        };
        let none = Goal::AtMost(0.0);
        self.told.iter().chain(&self.late).for_each(|what| report::remark(what));
        count("wrong_replies", self.wrong, none, &format!("of {} calls", self.calls));
        let (worst, call) = self.worst;
        let worst = format!("the longest call, {call}, took {:.0} ms", millis(worst));
        count("overdue_calls", self.overdue, none, &worst);
        count("panics", panics, none, "");
        count(
            "unanswered_after",
            self.unanswered,
            none,
            "keys, when all was well again",
        );
        count("lost_writes", self.lost, Goal::Any, "by replicas that were behind");
        let reasons: Vec<_> = self
            .failed
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        count(
            "failed_calls",
            self.failed.values().sum(),
            Goal::Any,
            &reasons.join(", "),
        );
        count("calls", self.calls, Goal::Any, weather);
    }

    /// Counts a wrong answer.
    fn wrong(&mut self, what: String) {
        self.wrong += 1;
        keep(&mut self.told, [what]);
    }
}

/// Keeps what is to be told, unless there is enough of it.
fn keep(told: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    told.extend(more);
    told.truncate(TOLD);
}
