//! What a hung server costs: it is stopped under load, and the kernel goes on accepting what is sent to it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_manager::RedisManager;
use tokio::time::sleep;

use super::KEY;
use crate::{
    Outcome,
    arguments::Arguments,
    report::{self, Goal, Sample, millis, per_call},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// Tasks that call at the same time.
const CALLERS: usize = 64;

/// A call that took longer was not refused at once.
const SLOW: Duration = Duration::from_millis(1);

/// From so long after the stop on, no call may be slow.
const LATE: Duration = Duration::from_secs(1);

/// How long to wait for the end of the outage.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happens to the server, and when.
#[derive(Debug, Default)]
struct Stage {
    /// The server was stopped.
    stopped: OnceLock<Instant>,
    /// The server was resumed.
    resumed: OnceLock<Instant>,
    /// The first call after that was answered.
    answered_again: OnceLock<Instant>,
    /// The callers may go.
    is_over: AtomicBool,
}

/// What one caller saw, or all together, between stop and resumption.
#[derive(Debug, Default)]
struct Tally {
    /// Calls that ended.
    calls: u64,
    /// The milliseconds of the slow ones among them.
    slow: Vec<f64>,
    /// Calls that began late.
    late: u64,
    /// The slow ones among them.
    late_slow: u64,
}

/// Stops the server under load for a while.
pub(super) fn hung_server(arguments: &Arguments) -> Outcome {
    let outage = Duration::from_secs(arguments.either(10, 2));
    let server = RedisServer::start(arguments)?;
    let redis = Arc::new(server.manager()?);
    let (stage, tally) = runtime()?.block_on(async {
        if !redis.set(KEY, VALUE).await {
            return Err("the server does not store".into());
        }
        let stage = Arc::new(Stage::default());
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| tokio::spawn(call(Arc::clone(&redis), Arc::clone(&stage))))
            .collect();
        act(&server, &stage, outage).await?;
        let mut tally = Tally::default();
        for caller in callers {
            tally.add(caller.await?);
        }
        Outcome::Ok((stage, tally))
    })?;
    tally.print();
    let recovery = stage.answered_again.get().zip(stage.resumed.get());
    let (answered, resumed) = recovery.ok_or("no call was answered after the hang")?;
    report::print("hung_recovery_ms", millis(*answered - *resumed), Goal::Any);
    Ok(())
}

/// Lets the callers run, stops the server, resumes it, and waits for the first answer.
async fn act(server: &RedisServer, stage: &Stage, outage: Duration) -> Outcome {
    sleep(Duration::from_millis(500)).await;
    stage.stopped.get_or_init(Instant::now);
    server.stop()?;
    sleep(outage).await;
    let resumed = *stage.resumed.get_or_init(Instant::now);
    server.resume()?;
    while stage.answered_again.get().is_none() && resumed.elapsed() < PATIENCE {
        sleep(Duration::from_millis(1)).await;
    }
    stage.is_over.store(true, Relaxed);
    Ok(())
}

/// Calls until it is over. The key has a value, so that `None` means a call without an answer; a pause follows it, as work would.
async fn call(redis: Arc<RedisManager>, stage: Arc<Stage>) -> Tally {
    let mut tally = Tally::default();
    while !stage.is_over.load(Relaxed) {
        let began = Instant::now();
        let answer = redis.get(KEY).await;
        tally.note(&stage, began, Instant::now());
        if answer.is_none() {
            sleep(Duration::from_millis(1)).await;
        } else if stage.resumed.get().is_some_and(|resumed| *resumed < began) {
            stage.answered_again.get_or_init(Instant::now);
        }
    }
    tally
}

impl Tally {
    /// Counts a call, if it ended while the server was stopped.
    fn note(&mut self, stage: &Stage, began: Instant, ended: Instant) {
        let Some(stopped) = stage.stopped.get().filter(|stopped| ended > **stopped) else {
            return;
        };
        if stage.resumed.get().is_some() {
            return;
        }
        let is_late = began.saturating_duration_since(*stopped) > LATE;
        let took = ended - began;
        self.calls += 1;
        self.late += u64::from(is_late);
        if took > SLOW {
            self.slow.push(millis(took));
            self.late_slow += u64::from(is_late);
        }
    }

    /// Adds what another caller saw.
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.slow.extend(other.slow);
        self.late += other.late;
        self.late_slow += other.late_slow;
    }

    /// Prints the figures.
    fn print(self) {
        let slow: Sample = self.slow.into_iter().collect();
        let remark = format!("of {} slow calls, median {:.1}", slow.len(), slow.median());
        report::print_with("hung_server_p99_ms", slow.percentile(99), Goal::AtMost(550.0), &remark);
        report::print("hung_server_max_ms", slow.max(), Goal::Any);
        let remark = format!("{} of {} late calls", self.late_slow, self.late);
        let share = per_call(self.late_slow, self.late);
        report::print_with("hung_server_slow_share_after_1s", share, Goal::AtMost(0.0), &remark);
        report::print("hung_server_calls", per_call(self.calls, 1), Goal::Any);
    }
}
