//! What callers feel of one fault, and how several are told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::RedisManager;
use tokio::time::sleep;

use super::caller::{Caller, Habit};
use crate::{
    Outcome,
    report::{self, Goal, Sample, millis, per_call},
};

/// Callers that read, beside the one that writes.
const READERS: usize = 4;

/// How long all is well before a fault, and how long all is watched after it.
const CALM: Duration = Duration::from_millis(300);

/// How long to wait until callers are answered again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon callers should be answered, after the deployment has switched.
const SOON: f64 = 2000.0;

/// Callers of one key.
pub(super) struct Watch {
    /// The one by whom it is judged.
    writer: Caller,
    /// The others.
    readers: Vec<Caller>,
}

/// What callers felt of one fault.
#[derive(Debug)]
pub(super) struct Episode {
    /// From the moment when the deployment had switched until the writer was answered.
    recovery: Duration,
    /// From the fault until then.
    outage: Duration,
    /// The longest call.
    worst: Duration,
    /// All calls, and those that failed.
    calls: u64,
    /// Those that failed.
    failed: u64,
    /// Why the first of those failed.
    reason: Option<String>,
}

/// What callers felt of a fault, round by round.
#[derive(Debug)]
pub(super) struct Story {
    /// The fault in the figures.
    name: &'static str,
    /// Each time.
    episodes: Vec<Episode>,
}

impl Watch {
    /// Lets callers call for a while, until all of them have been answered.
    ///
    /// # Errors
    ///
    /// - Some are not.
    pub(super) async fn begin(redis: &Arc<RedisManager>, key: &str) -> Outcome<Self> {
        let watch = Self {
            writer: Caller::begin(redis, key, Habit::Writes),
            readers: (0..READERS).map(|_| Caller::begin(redis, key, Habit::Reads)).collect(),
        };
        sleep(CALM).await;
        watch.wait_until_answered_since(Instant::now()).await?;
        Ok(watch)
    }

    /// Waits until everybody is answered after the deployment has switched, and tells what they felt since the fault.
    ///
    /// # Errors
    ///
    /// - Some are not answered.
    pub(super) async fn end(self, fault: Instant, switched: Instant) -> Outcome<Episode> {
        self.wait_until_answered_since(switched).await?;
        sleep(CALM).await;
        let writer = self.writer.end().await?;
        let answered = writer.answered_since(switched).ok_or("nobody was answered")?;
        let mut episode = Episode {
            recovery: answered - switched,
            outage: answered - fault,
            worst: writer.worst_since(fault),
            calls: writer.calls_since(fault),
            failed: writer.failures_since(fault),
            reason: writer.first_failure_since(fault).map(ToOwned::to_owned),
        };
        for reader in self.readers {
            let record = reader.end().await?;
            episode.worst = episode.worst.max(record.worst_since(fault));
            episode.calls += record.calls_since(fault);
            episode.failed += record.failures_since(fault);
            if episode.reason.is_none() {
                episode.reason = record.first_failure_since(fault).map(ToOwned::to_owned);
            }
        }
        Ok(episode)
    }

    /// Waits until everybody was answered at that moment or later.
    async fn wait_until_answered_since(&self, when: Instant) -> Outcome {
        let callers = || self.readers.iter().chain([&self.writer]);
        while !callers().all(|caller| caller.answered_since(when).is_some()) {
            if when.elapsed() > PATIENCE {
                return Err("callers are not answered any more".into());
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

impl Story {
    /// Begins with nothing.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            episodes: Vec::new(),
        }
    }

    /// Adds one time.
    pub(super) fn add(&mut self, episode: Episode) {
        self.episodes.push(episode);
    }

    /// Prints what was felt of a fault in which servers are lost.
    pub(super) fn print(&self) {
        self.sample(|episode| episode.recovery)
            .print_median(&self.titled("recovery_ms"), Goal::AtMost(SOON));
        self.sample(|episode| episode.outage)
            .print_median(&self.titled("outage_ms"), Goal::Any);
        self.sample(|episode| episode.worst)
            .print_median(&self.titled("worst_call_ms"), Goal::Any);
        self.print_calls(Goal::Any);
    }

    /// Prints what was felt of a change in which nothing is lost, so that no call may fail.
    pub(super) fn print_of_harmless(&self) {
        self.sample(|episode| episode.worst).print_median_with(
            &self.titled("recovery_ms"),
            Goal::AtMost(SOON),
            "the worst call",
        );
        self.print_calls(Goal::AtMost(0.0));
    }

    /// Prints the calls.
    fn print_calls(&self, goal: Goal) {
        let (failed, calls) = self.episodes.iter().fold((0, 0), |(failed, calls), episode| {
            (failed + episode.failed, calls + episode.calls)
        });
        let reason = self.episodes.iter().find_map(|episode| episode.reason.as_deref());
        let reason = reason.map_or_else(String::new, |reason| format!(", the first: {reason}"));
        let remark = format!("of {calls} in {} rounds{reason}", self.episodes.len());
        report::print_with(&self.titled("failed_calls"), per_call(failed, 1), goal, &remark);
    }

    /// Returns the name of a figure.
    fn titled(&self, what: &str) -> String {
        format!("{what}_{}", self.name)
    }

    /// Returns milliseconds, round by round.
    fn sample(&self, of: fn(&Episode) -> Duration) -> Sample {
        self.episodes.iter().map(|episode| millis(of(episode))).collect()
    }
}

/// Prints the longest of all times until callers were answered again.
pub(super) fn print_worst(name: &str, stories: &[&Story]) {
    let all = stories.iter().flat_map(|story| &story.episodes);
    let worst: Sample = all.map(|episode| millis(episode.recovery)).collect();
    let remark = format!("of {} faults", worst.len());
    report::print_with(name, worst.max(), Goal::AtMost(SOON), &remark);
}
