//! Figures, and how they are printed.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{arguments::Arguments, machine::Machine, progress};

/// Every figure that was printed, for whoever writes or draws them in the end.
static FIGURES: Mutex<Vec<Figure>> = Mutex::new(Vec::new());

/// A figure as it was printed.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// What it is called.
    pub(crate) name: String,
    /// The median of the rounds, or what was measured once.
    pub(crate) median: f64,
    /// The least of the rounds.
    pub(crate) min: f64,
    /// The most of the rounds.
    pub(crate) max: f64,
    /// What it should be.
    pub(crate) goal: Goal,
    /// What else there is to say.
    pub(crate) remark: String,
}

/// What was measured, several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// In ascending order.
    values: Vec<f64>,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// Anything: the figure explains others.
    Any,
}

impl Sample {
    /// Returns the middle value, or 0 if nothing was measured.
    pub(crate) fn median(&self) -> f64 {
        match (
            self.values.get((self.values.len().max(1) - 1) / 2),
            self.values.get(self.values.len() / 2),
        ) {
            (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
            _ => 0.0,
        }
    }

    /// Returns the value that so many percent of all do not exceed (nearest rank), or 0 if nothing was measured.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.values.len() * percent).div_ceil(100).max(1);
        self.values.get(rank - 1).copied().unwrap_or_default()
    }

    /// Returns the largest value, or 0 if nothing was measured.
    pub(crate) fn max(&self) -> f64 {
        self.percentile(100)
    }

    /// Returns how many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Prints the median, with the spread behind it.
    pub(crate) fn print_median(&self, name: &str, goal: Goal) {
        self.print_median_with(name, goal, "");
    }

    /// Prints the median, with the spread and a remark behind it.
    pub(crate) fn print_median_with(&self, name: &str, goal: Goal, remark: &str) {
        let spread = format!("{}..{}", shown(self.percentile(0)), shown(self.max()));
        let figure = Figure {
            name: name.to_owned(),
            median: self.median(),
            min: self.percentile(0),
            max: self.max(),
            goal,
            remark: remark.to_owned(),
        };
        figure.publish(&spread);
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { values }
    }
}

impl Goal {
    /// Returns how the goal is written: a sign and a bound.
    pub(crate) fn bound(self) -> Option<(&'static str, f64)> {
        match self {
            Self::AtMost(bound) => Some(("<=", bound)),
            Self::AtLeast(bound) => Some((">=", bound)),
            Self::Any => None,
        }
    }

    /// Says whether a value reaches the goal, if there is one.
    pub(crate) fn is_reached(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(bound) => Some(value <= bound),
            Self::AtLeast(bound) => Some(value >= bound),
            Self::Any => None,
        }
    }

    /// Says what the goal is and whether a value reaches it.
    fn verdict(self, value: f64) -> Option<String> {
        let ((sign, bound), is_reached) = self.bound().zip(self.is_reached(value))?;
        let verdict = if is_reached { "ok" } else { "MISSED" };
        Some(format!("goal {sign} {}: {verdict}", shown(bound)))
    }
}

impl Figure {
    /// Prints it, with the spread, the remark and the goal's verdict, and keeps it.
    fn publish(self, spread: &str) {
        let verdict = self.goal.verdict(self.median);
        let remarks: Vec<&str> = [spread, &self.remark]
            .into_iter()
            .filter(|remark| !remark.is_empty())
            .chain(verdict.as_deref())
            .collect();
        let comment = remarks.join(", ");
        let (name, value) = (&self.name, shown(self.median));
        if comment.is_empty() {
            progress::print(&format!("{name} {value}"));
        } else {
            progress::print(&format!("{name} {value} # {comment}"));
        }
        FIGURES.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }
}

/// Returns every figure that was printed since the last time.
pub(crate) fn take_figures() -> Vec<Figure> {
    mem::take(&mut FIGURES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Prints the comment that stands before the figures of a suite.
pub(crate) fn print_preface(arguments: &Arguments, machine: &Machine, conditions: &str) {
    let (suite, length) = (arguments.suite.name(), arguments.either("full", "quick"));
    let Machine { cores, load, .. } = machine;
    let atomic = shown(machine.atomic_nanos);
    remark(&format!(
        "{suite}, {length} run: {cores} cores, load {load} before, an atomic addition takes {atomic} ns"
    ));
    remark(&format!("{}, {}, {}", machine.processor, machine.rustc, machine.server));
    conditions.lines().for_each(remark);
    remark("name, median of the rounds # min..max, goal");
}

/// Prints a line that is no figure.
pub(crate) fn remark(text: &str) {
    progress::print(&format!("# {text}"));
}

/// Prints a figure that was measured once.
pub(crate) fn print(name: &str, value: f64, goal: Goal) {
    print_with(name, value, goal, "");
}

/// Prints a figure with a remark behind it.
pub(crate) fn print_with(name: &str, value: f64, goal: Goal, remark: &str) {
    let figure = Figure {
        name: name.to_owned(),
        median: value,
        min: value,
        max: value,
        goal,
        remark: remark.to_owned(),
    };
    figure.publish("");
}

/// Prints how large a future is: so much is written and read for each call, and lies in every task that calls.
pub(crate) fn print_future<F: Future + ?Sized>(name: &str, future: &F) {
    print(name, per_call(size_of_val(future) as u64, 1), Goal::Any);
}

/// Returns milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns how much there is of something for each call; 0 if there were none.
#[expect(clippy::cast_precision_loss, reason = "no count here reaches 2^53")]
pub(crate) fn per_call(amount: u64, calls: u64) -> f64 {
    if calls == 0 { 0.0 } else { amount as f64 / calls as f64 }
}

/// Writes a value with as many digits as mean something.
fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 1000.0 => 0,
        middle if middle >= 10.0 => 1,
        0.0 => 0,
        small if small >= 0.001 => 3,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        short if text.contains('.') => short.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_percentiles_are_those_of_the_textbook() {
        let sample: Sample = (1..=100).rev().map(f64::from).collect();
        assert!((sample.median() - 50.5).abs() < f64::EPSILON);
        assert!((sample.percentile(99) - 99.0).abs() < f64::EPSILON);
        assert!((sample.percentile(0) - 1.0).abs() < f64::EPSILON);
        assert!((sample.max() - 100.0).abs() < f64::EPSILON);
        assert!(Sample::default().median().abs() < f64::EPSILON);
    }

    #[test]
    fn values_are_short_and_keep_what_matters() {
        let cases = [
            (0.0, "0"),
            (30.0, "30"),
            (0.951_23, "0.951"),
            (123_456.7, "123457"),
            (100.0, "100"),
            (0.000_02, "0.00002"),
        ];
        for (value, text) in cases {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn a_goal_is_told_with_its_verdict() {
        assert_eq!(Goal::AtMost(1.0).verdict(1.0).as_deref(), Some("goal <= 1: ok"));
        assert_eq!(
            Goal::AtLeast(0.95).verdict(0.9).as_deref(),
            Some("goal >= 0.95: MISSED")
        );
        assert_eq!(Goal::Any.verdict(0.9), None);
    }
}
