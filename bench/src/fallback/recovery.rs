//! How soon the manager finds out that the server is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_manager::RedisManager;
use tokio::time::{sleep, timeout};

use super::KEY;
use crate::{
    Outcome,
    arguments::Arguments,
    report::{self, Goal, Sample, millis},
    server::{self, RedisServer},
    suite::{VALUE, runtime},
};

/// Tasks that go on calling all the time.
const CALLERS: usize = 8;

/// How long the server is away.
const OUTAGE: Duration = Duration::from_secs(3);

/// Kills the server under load, several times, and starts it again.
pub(super) fn recovery(arguments: &Arguments) -> Outcome {
    let mut server = RedisServer::start(arguments)?;
    let redis = Arc::new(server.manager()?);
    let took: Sample = runtime()?.block_on(async {
        let is_over = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| tokio::spawn(call(Arc::clone(&redis), Arc::clone(&is_over))))
            .collect();
        let mut took = Vec::new();
        for _ in 0..arguments.either(7, 2) {
            took.push(millis(one_outage(&mut server, &redis).await?));
        }
        is_over.store(true, Relaxed);
        for caller in callers {
            caller.await?;
        }
        Outcome::Ok(took.into_iter().collect())
    })?;
    took.print_median("recovery_ms", Goal::AtMost(1000.0));
    report::print("recovery_max_ms", took.max(), Goal::Any);
    Ok(())
}

/// Kills the server, starts it again, and returns the time from its first answer to anybody to the manager's first success.
async fn one_outage(server: &mut RedisServer, redis: &RedisManager) -> Outcome<Duration> {
    timeout(Duration::from_secs(10), first_success(redis)).await?;
    sleep(Duration::from_millis(300)).await;
    server.kill()?;
    sleep(OUTAGE).await;
    let port = server.port();
    let answer = tokio::task::spawn_blocking(move || server::first_answer(port));
    server.spawn()?;
    let succeeded = timeout(Duration::from_secs(20), first_success(redis)).await?;
    let answered = answer.await??;
    Ok(succeeded.saturating_duration_since(answered))
}

/// Sets until that succeeds, and returns when it did.
async fn first_success(redis: &RedisManager) -> Instant {
    while !redis.set(KEY, VALUE).await {
        sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

/// Gets until it is over, with a pause after a call without an answer.
async fn call(redis: Arc<RedisManager>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Relaxed) {
        if redis.get(KEY).await.is_none() {
            sleep(Duration::from_millis(1)).await;
        }
    }
}
