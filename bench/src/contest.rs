//! Two contenders that answer the same call.
//!
//! They take turns in short slices, in one process and against one server, so that whatever else the machine does hits both alike.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    Outcome,
    allocations::{Allocated, Watch},
    arguments::Arguments,
    machine, progress,
    report::{self, Goal, Sample, per_call},
};

/// Somebody who answers a call.
pub(crate) trait Contender: Clone + Send + Sync + 'static {
    /// Asks about a key, and says whether the right answer came.
    fn ask(&self, key: &str) -> impl Future<Output = bool> + Send;
}

/// What is compared, and under which names.
#[derive(Debug, Clone)]
pub(crate) struct Title {
    /// The name of the ratio of throughputs.
    pub(crate) ratio: String,
    /// The name of the ratio of processor times.
    pub(crate) cpu_ratio: String,
    /// The call.
    pub(crate) call: &'static str,
    /// Who is to be judged.
    pub(crate) who: &'static str,
    /// What the ratio of throughputs should be.
    pub(crate) goal: Goal,
}

/// What one turn of one contender came to.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// Calls that were answered.
    calls: u64,
    /// Calls without the right answer.
    misses: u64,
    /// How long it took.
    elapsed: Duration,
    /// Processor time of this process meanwhile; the server's is not in it.
    cpu: Duration,
    /// Allocations of this process meanwhile, where they were counted.
    allocated: Option<Allocated>,
}

/// The turns of both, round by round.
#[derive(Debug, Default)]
struct Match {
    /// Those of the one to be judged.
    ours: Vec<Slice>,
    /// Those of the one it is measured against.
    theirs: Vec<Slice>,
}

/// Long enough to warm up and to count allocations.
const SHORT: Duration = Duration::from_millis(200);

/// Compares two with so many tasks that call at the same time, and prints every figure.
///
/// # Errors
///
/// - A task failed, or the kernel does not tell about the process.
pub(crate) async fn contest<A: Contender, B: Contender>(
    arguments: &Arguments,
    title: &Title,
    tasks: usize,
    ours: &A,
    fred: &B,
) -> Outcome {
    progress::announce(&format!("{}, {tasks} tasks", title.ratio));
    compare(arguments, tasks, ours, fred).await?.print(title, tasks);
    title.print_allocations(tasks, title.who, turn(ours, tasks, SHORT, true).await?);
    title.print_allocations(tasks, "fred", turn(fred, tasks, SHORT, true).await?);
    Ok(())
}

/// Compares one with itself, and prints how far from 1 a ratio is by chance.
///
/// # Errors
///
/// - A task failed, or the kernel does not tell about the process.
pub(crate) async fn control<C: Contender>(arguments: &Arguments, tasks: usize, contender: &C) -> Outcome {
    progress::announce("control");
    let turns = compare(arguments, tasks, contender, contender).await?;
    turns
        .ratio(Slice::per_second)
        .print_median(&format!("control_fred_vs_fred_{tasks}"), Goal::Any);
    Ok(())
}

/// Returns the key of a task: each asks for one of its own.
pub(crate) fn key(task: usize) -> String {
    format!("user:{task}:profile")
}

/// Lets both take turns; who begins changes from round to round.
async fn compare<A: Contender, B: Contender>(
    arguments: &Arguments,
    tasks: usize,
    ours: &A,
    theirs: &B,
) -> Outcome<Match> {
    let (rounds, length) = (
        arguments.either(25, 5),
        Duration::from_millis(arguments.either(300, 100)),
    );
    turn(ours, tasks, SHORT, false).await?;
    turn(theirs, tasks, SHORT, false).await?;
    let mut turns = Match::default();
    for round in 0..rounds {
        if round % 2 == 0 {
            turns.ours.push(turn(ours, tasks, length, false).await?);
            turns.theirs.push(turn(theirs, tasks, length, false).await?);
        } else {
            turns.theirs.push(turn(theirs, tasks, length, false).await?);
            turns.ours.push(turn(ours, tasks, length, false).await?);
        }
    }
    Ok(turns)
}

/// Lets so many tasks ask one contender for a while, each for a key of its own.
async fn turn<C: Contender>(contender: &C, tasks: usize, length: Duration, counts: bool) -> Outcome<Slice> {
    let is_over = Arc::new(AtomicBool::new(false));
    let watch = counts.then(Watch::begin);
    let (began, cpu) = (Instant::now(), machine::cpu_time()?);
    let callers: Vec<_> = (0..tasks)
        .map(|task| tokio::spawn(call(contender.clone(), key(task), Arc::clone(&is_over))))
        .collect();
    sleep(length).await;
    is_over.store(true, Relaxed);
    let (mut calls, mut misses) = (0, 0);
    for caller in callers {
        let (hits, others) = caller.await?;
        calls += hits;
        misses += others;
    }
    Ok(Slice {
        calls,
        misses,
        elapsed: began.elapsed(),
        cpu: machine::cpu_time()? - cpu,
        allocated: watch.map(|watch| watch.allocated()),
    })
}

/// Asks until it is over, and returns how often the right answer came and how often not. A pause follows a miss, as work would.
async fn call<C: Contender>(contender: C, key: String, is_over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut hits, mut others) = (0, 0);
    while !is_over.load(Relaxed) {
        if contender.ask(&key).await {
            hits += 1;
        } else {
            others += 1;
            sleep(Duration::from_millis(1)).await;
        }
    }
    (hits, others)
}

impl Slice {
    /// Returns calls in a second.
    fn per_second(&self) -> f64 {
        per_call(self.calls, 1) / self.elapsed.as_secs_f64()
    }

    /// Returns the microseconds of processor time for each call.
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / per_call(self.calls.max(1), 1)
    }
}

impl Match {
    /// Returns, round by round, how one is to the other.
    fn ratio(&self, of: fn(&Slice) -> f64) -> Sample {
        let rounds = self.ours.iter().zip(&self.theirs);
        rounds.map(|(ours, theirs)| of(ours) / of(theirs)).collect()
    }

    /// Prints ratio, throughput and processor time.
    fn print(&self, title: &Title, tasks: usize) {
        let Title { call, who, .. } = title;
        let print = |name: &str, sample: Sample, goal| sample.print_median(&format!("{name}_{tasks}"), goal);
        let sample = |slices: &[Slice], of: fn(&Slice) -> f64| -> Sample { slices.iter().map(of).collect() };
        let misses = |slices: &[Slice]| per_call(slices.iter().map(|slice| slice.misses).sum(), 1);
        let sides = [(*who, &self.ours), ("fred", &self.theirs)];
        print(&title.ratio, self.ratio(Slice::per_second), title.goal);
        for (name, slices) in sides {
            print(
                &format!("{name}_{call}_per_s"),
                sample(slices, Slice::per_second),
                Goal::Any,
            );
        }
        for (name, slices) in sides {
            print(
                &format!("{name}_{call}_cpu_us"),
                sample(slices, Slice::cpu_micros),
                Goal::Any,
            );
        }
        print(&title.cpu_ratio, self.ratio(Slice::cpu_micros), Goal::Any);
        for (name, slices) in sides {
            report::print(
                &format!("{name}_{call}_misses_{tasks}"),
                misses(slices),
                Goal::AtMost(0.0),
            );
        }
    }
}

impl Title {
    /// Prints allocations for each call, all threads together.
    fn print_allocations(&self, tasks: usize, who: &str, slice: Slice) {
        let Some(Allocated { count, bytes }) = slice.allocated else {
            return;
        };
        for (what, amount) in [("allocations", count), ("allocated_bytes", bytes)] {
            let name = format!("{who}_{}_{what}_{tasks}", self.call);
            report::print(&name, per_call(amount, slice.calls), Goal::Any);
        }
    }
}
