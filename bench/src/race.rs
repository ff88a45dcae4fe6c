//! Contenders that take turns, and what came of it.

pub(crate) mod host;
pub(crate) mod lane;
pub(crate) mod load;
mod zipf;

use std::{sync::Arc, time::Duration};

use hdrhistogram::Histogram;

use self::{
    lane::{Lane, Slice},
    load::Load,
};
use crate::{
    Outcome,
    arguments::Arguments,
    plot::{self, Bar, Panel, Scale},
    progress,
    report::{self, Goal, Sample, per_call},
};

/// How often each has its turn, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Race {
    /// How many turns each has.
    rounds: usize,
    /// How long a turn is.
    length: Duration,
}

/// What was measured, under which name, with which goals.
#[derive(Debug, Clone)]
pub(crate) struct Title {
    /// The call.
    call: &'static str,
    /// How many tasks called.
    tasks: usize,
    /// The end of each name.
    suffix: String,
    /// What ours to the best peer should be, in calls.
    ratio: Goal,
    /// What ours to the best peer should be, in processor time for each call.
    cpu: Goal,
    /// Who is meant instead of the best peer.
    rival: Option<&'static str>,
}

/// The turns of one contender, round by round.
struct Record {
    /// Who.
    name: &'static str,
    /// The turns.
    slices: Vec<Slice>,
}

/// The turns of all. The first is ours.
pub(crate) struct Results(Vec<Record>);

/// Long enough to warm up.
const WARM_UP: Duration = Duration::from_millis(100);

impl Race {
    /// Returns the turns of many contenders.
    pub(crate) fn wide(arguments: &Arguments) -> Self {
        Self {
            rounds: arguments.either(7, 1),
            length: Duration::from_millis(arguments.either(250, 25)),
        }
    }

    /// Returns the turns of two in many cases.
    pub(crate) fn brief(arguments: &Arguments) -> Self {
        Self {
            rounds: arguments.either(15, 1),
            length: Duration::from_millis(arguments.either(150, 25)),
        }
    }

    /// Returns the turns of two whose difference is small.
    pub(crate) fn fine(arguments: &Arguments) -> Self {
        Self {
            rounds: arguments.either(25, 5),
            length: Duration::from_millis(arguments.either(300, 100)),
        }
    }
}

impl Title {
    /// Names it.
    pub(crate) fn new(call: &'static str, tasks: usize, suffix: &str, ratio: Goal, cpu: Goal) -> Self {
        Self {
            call,
            tasks,
            suffix: suffix.to_owned(),
            ratio,
            cpu,
            rival: None,
        }
    }

    /// Measures ours by this one, whoever is best.
    pub(crate) fn against(self, rival: &'static str) -> Self {
        Self {
            rival: Some(rival),
            ..self
        }
    }

    /// Returns what is measured, for people.
    pub(crate) fn case(&self) -> String {
        self.name("", self.call)
    }

    /// Returns the name of a figure: whose, what, and of which case.
    fn name(&self, whose: &str, what: &str) -> String {
        format!("{whose}{what}_{}{}", self.tasks, self.suffix)
    }
}

/// Lets all take turns; who begins changes from round to round.
///
/// # Errors
///
/// - Somebody does not store, or a task failed.
pub(crate) async fn run(lanes: &[&dyn Lane], load: &Arc<Load>, race: Race) -> Outcome<Results> {
    let mut records = Vec::with_capacity(lanes.len());
    for lane in lanes {
        lane.fill(load).await?;
        lane.turn(load, WARM_UP.min(race.length)).await?;
        records.push(Record {
            name: lane.name(),
            slices: Vec::with_capacity(race.rounds),
        });
    }
    progress::expect(race.rounds);
    for round in 0..race.rounds {
        for turn in 0..lanes.len() {
            let next = (round + turn) % lanes.len();
            if let (Some(lane), Some(record)) = (lanes.get(next), records.get_mut(next)) {
                record.slices.push(lane.turn(load, race.length).await?);
            }
        }
        progress::advance();
    }
    Ok(Results(records))
}

impl Record {
    /// Returns a figure of each turn.
    fn sample(&self, of: fn(&Slice) -> f64) -> Sample {
        self.slices.iter().map(of).collect()
    }

    /// Returns, round by round, how it is to another.
    fn to(&self, other: &Self, of: fn(&Slice) -> f64) -> Sample {
        let rounds = self.slices.iter().zip(&other.slices);
        rounds.map(|(ours, theirs)| of(ours) / of(theirs)).collect()
    }

    /// Prints what it reached.
    fn print(&self, title: &Title) -> Outcome {
        let name = |what: &str| title.name(&format!("{}_", self.name), &format!("{}_{what}", title.call));
        self.sample(Slice::per_second).print_median(&name("per_s"), Goal::Any);
        self.sample(Slice::cpu_micros).print_median(&name("cpu_us"), Goal::Any);
        let mut latencies = Histogram::<u64>::new(3)?;
        for nanos in self.slices.iter().flat_map(|slice| &slice.nanos) {
            latencies.record(u64::from(*nanos))?;
        }
        for (what, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            let micros = per_call(latencies.value_at_quantile(quantile), 1000);
            report::print(&name(what), micros, Goal::Any);
        }
        let misses = self.slices.iter().map(|slice| slice.misses).sum();
        if misses > 0 {
            report::print(&name("misses"), per_call(misses, 1), Goal::AtMost(0.0));
        }
        Ok(())
    }
}

impl Results {
    /// Prints what everybody reached, and ours to the best peer's.
    ///
    /// # Errors
    ///
    /// - None is expected.
    pub(crate) fn print(&self, title: &Title) -> Outcome {
        for record in &self.0 {
            record.print(title)?;
        }
        self.print_ratio(title, "_ratio");
        self.print_cpu_ratio(title);
        if title.rival.is_some() {
            let best = Title {
                ratio: Goal::Any,
                rival: None,
                ..title.clone()
            };
            self.print_ratio(&best, "_best_ratio");
        }
        self.draw(title);
        Ok(())
    }

    /// Prints ours to the fastest peer's.
    fn print_ratio(&self, title: &Title, end: &str) {
        let speed = |record: &Record| record.sample(Slice::per_second).median();
        let (ours, peers) = self.sides(title);
        let fastest = peers
            .into_iter()
            .max_by(|one, other| speed(one).total_cmp(&speed(other)));
        if let (Some(ours), Some(best)) = (ours, fastest) {
            let (name, remark) = (title.name(title.call, end), format!("to {}", best.name));
            let ratio = ours.to(best, Slice::per_second);
            ratio.print_median_with(&name, title.ratio, &remark);
        }
    }

    /// Prints ours to the thriftiest peer's.
    fn print_cpu_ratio(&self, title: &Title) {
        let cost = |record: &Record| record.sample(Slice::cpu_micros).median();
        let (ours, peers) = self.sides(title);
        let thriftiest = peers.into_iter().min_by(|one, other| cost(one).total_cmp(&cost(other)));
        if let (Some(ours), Some(best)) = (ours, thriftiest) {
            let (name, remark) = (title.name("cpu_per_", title.call), format!("to {}", best.name));
            let ratio = ours.to(best, Slice::cpu_micros);
            ratio.print_median_with(&name, title.cpu, &remark);
        }
    }

    /// Returns ours, and those that it is measured by.
    fn sides(&self, title: &Title) -> (Option<&Record>, Vec<&Record>) {
        let is_meant = |peer: &&Record| title.rival.is_none_or(|rival| rival == peer.name);
        let mut records = self.0.iter();
        (records.next(), records.filter(is_meant).collect())
    }

    /// Adds a panel to the picture, if it is one of the cases that matter most.
    fn draw(&self, title: &Title) {
        if title.tasks < 64 || !title.suffix.is_empty() {
            return;
        }
        let bars = self.0.iter().map(|record| Bar {
            name: record.name,
            value: record.sample(Slice::per_second).median(),
            label: None,
        });
        plot::add(Panel {
            title: format!("{}, {} tasks", title.call, title.tasks),
            unit: "calls/s",
            scale: Scale::Linear,
            bars: bars.collect(),
        });
    }
}
