//! How the contenders stand after a fault.

use std::time::Duration;

use super::stage::PATIENCE;
use crate::{
    peers::{Ours, Peer},
    plot::{self, Bar, Panel, Scale},
    report::{self, Goal, millis, per_call},
};

/// What one contender's callers felt.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// Who.
    pub(crate) name: &'static str,
    /// Why its client could not be built.
    pub(crate) failure: Option<String>,
    /// The longest call.
    pub(super) worst: Duration,
    /// Calls that never returned.
    pub(super) unreturned: u64,
    /// All calls.
    pub(crate) calls: u64,
    /// How long a task spent in calls while the server did not answer, on average.
    pub(super) waited: Duration,
    /// How long after the server's return the first right answer came.
    pub(super) healed: Option<Duration>,
    /// How long that was waited for.
    pub(super) watched: Duration,
}

/// A difference of less than so many milliseconds is none, between calls.
const TIE: f64 = 1.0;

/// The same between times to heal: after an answer tasks pause for five.
const TIE_HEALED: f64 = 6.0;

/// Nor is one of less than a fifth.
const TIE_SHARE: f64 = 1.2;

/// Prints all figures of a fault, and how ours, the first, stands among them.
pub(super) fn print(fault: &str, standings: &[Standing]) {
    for standing in standings {
        standing.print(fault);
    }
    let built: Vec<&Standing> = standings.iter().filter(|standing| standing.failure.is_none()).collect();
    // Who refuses for ever is fast, and no use.
    let healed: Vec<&Standing> = standings.iter().filter(|standing| standing.healed.is_some()).collect();
    let all: Vec<&Standing> = standings.iter().collect();
    rank(
        &format!("outage_worst_call_rank_{fault}"),
        &healed,
        TIE,
        Standing::worst_millis,
    );
    rank(&format!("outage_unreturned_rank_{fault}"), &built, 0.0, |standing| {
        per_call(standing.unreturned, 1)
    });
    rank(
        &format!("outage_healed_rank_{fault}"),
        &all,
        TIE_HEALED,
        Standing::healed_millis,
    );
    draw(fault, "worst call", standings.iter().map(Standing::worst_bar).collect());
    draw(
        fault,
        "until healed",
        standings.iter().map(Standing::healed_bar).collect(),
    );
}

/// Prints how many stand before ours, and who is the first of all others.
fn rank(name: &str, standings: &[&Standing], tie: f64, of: impl Fn(&Standing) -> f64) {
    let Some((ours, peers)) = standings.split_first().filter(|(ours, _)| ours.name == Ours::NAME) else {
        report::remark(&format!("{name}: ours does not stand at all"));
        return;
    };
    let ours = of(ours);
    let better = peers.iter().filter(|peer| is_better(of(peer), ours, tie));
    let rank = per_call(1 + better.count() as u64, 1);
    let leader = peers.iter().min_by(|one, other| of(one).total_cmp(&of(other)));
    let remark = leader.map_or_else(String::new, |leader| {
        format!(
            "of {}, ours {ours:.1}, best peer {} {:.1}",
            standings.len(),
            leader.name,
            of(leader)
        )
    });
    report::print_with(name, rank, Goal::AtMost(1.0), &remark);
}

/// Says whether one number is so much less than another that it is no tie.
fn is_better(one: f64, other: f64, tie: f64) -> bool {
    other - one > tie && other > one * TIE_SHARE
}

/// Adds a panel to the picture.
fn draw(fault: &str, what: &str, bars: Vec<Bar>) {
    plot::add(Panel {
        title: format!("{fault}: {what}"),
        unit: "ms",
        scale: Scale::Logarithmic,
        bars,
    });
}

impl Standing {
    /// Prints its figures.
    fn print(&self, fault: &str) {
        let name = |what: &str| format!("{fault}_{}_{what}", self.name);
        let remark = match &self.failure {
            Some(reason) => format!("not built: {}", reason.replace('\n', " ")),
            None if self.worst >= PATIENCE => "given up".to_owned(),
            None => format!("of {} calls", self.calls),
        };
        report::print_with(&name("worst_call_ms"), self.worst_millis(), Goal::Any, &remark);
        report::print(&name("waited_s"), self.waited.as_secs_f64(), Goal::Any);
        report::print(&name("unreturned"), per_call(self.unreturned, 1), Goal::Any);
        let remark = if self.healed.is_none() { "never" } else { "" };
        report::print_with(&name("healed_s"), self.healed_millis() / 1e3, Goal::Any, remark);
    }

    /// Returns the longest call as a bar.
    fn worst_bar(&self) -> Bar {
        let is_built = self.failure.is_none();
        Bar {
            name: self.name,
            value: if is_built { self.worst_millis() } else { 0.0 },
            label: (!is_built).then_some("not built"),
        }
    }

    /// Returns how long it took to heal as a bar.
    fn healed_bar(&self) -> Bar {
        Bar {
            name: self.name,
            value: self.healed_millis(),
            label: self.healed.is_none().then_some("never"),
        }
    }

    /// Returns the longest call.
    fn worst_millis(&self) -> f64 {
        millis(self.worst)
    }

    /// Returns how long it took to heal; if it never did, how long that was waited for.
    fn healed_millis(&self) -> f64 {
        millis(self.healed.unwrap_or(self.watched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_millisecond_or_a_fifth_is_a_tie_and_one_lost_call_is_none() {
        assert!(!is_better(0.1, 1.0, TIE) && !is_better(500.0, 590.0, TIE));
        assert!(is_better(0.1, 1.2, TIE) && is_better(500.0, 601.0, TIE));
        assert!(is_better(0.0, 1.0, 0.0) && !is_better(0.0, 0.0, 0.0));
    }
}
