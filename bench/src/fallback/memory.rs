//! Whether memory grows in an outage.

use std::{sync::Arc, time::Duration};

use redis_manager::RedisManager;
use tokio::time::sleep;

use super::KEY;
use crate::{
    Outcome,
    arguments::Arguments,
    machine,
    report::{self, Goal},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// Tasks that call at the same time.
const CALLERS: u64 = 64;

/// Calls before the first look, so that what the allocator and the runtime keep for later is not counted.
const WARM_UP: u64 = 100_000;

/// Calls between two pauses of a task, so that the outage lasts for some attempts to connect.
const BURST: u64 = 4;

/// Kills the server under load and compares the resident memory before and after very many calls.
pub(super) fn rss_growth(arguments: &Arguments) -> Outcome {
    let mut server = RedisServer::start(arguments)?;
    let redis = Arc::new(server.manager()?);
    let calls = arguments.either(1_000_000, 100_000);
    let (before, after) = runtime()?.block_on(async {
        if !redis.set(KEY, VALUE).await {
            return Err("the server does not store".into());
        }
        server.kill()?;
        call(&redis, WARM_UP).await?;
        let before = machine::resident_bytes()?;
        call(&redis, calls).await?;
        Outcome::Ok((before, machine::resident_bytes()?))
    })?;
    let remark = format!(
        "{calls} calls by {CALLERS} tasks after {WARM_UP} to warm up, from {} MB",
        before >> 20
    );
    report::print_with("rss_growth_mb", megabytes(after - before), Goal::AtMost(8.0), &remark);
    Ok(())
}

/// Spreads calls over the tasks and waits for all of them.
async fn call(redis: &Arc<RedisManager>, calls: u64) -> Outcome {
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let redis = Arc::clone(redis);
            tokio::spawn(async move {
                for done in 1..=calls / CALLERS {
                    redis.get(KEY).await;
                    if done % BURST == 0 {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    Ok(())
}

/// Returns mebibytes.
#[expect(clippy::cast_precision_loss, reason = "no process here has 2^53 bytes")]
fn megabytes(bytes: i64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
