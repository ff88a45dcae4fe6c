//! How soon the near cache follows what others write.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use redis::Commands;
use tokio::{
    task::{spawn_blocking, yield_now},
    time::sleep,
};

use super::share;
use crate::{
    Outcome,
    arguments::Arguments,
    peers::{Near, Peer},
    progress,
    report::{self, Goal, per_call},
    rival::blocking,
    server::RedisServer,
    suite::runtime,
};

/// What is written.
const KEY: &str = "page:1:version";

/// A write that is not seen after so long is never seen.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets somebody else write a key that is held, again and again, and measures how long the old value is still answered.
pub(super) fn staleness(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let writes = arguments.either(5000, 200);
    runtime()?.block_on(async {
        let near = Near::connect(server.port()).await?;
        let mut writer = blocking(server.port())?;
        let before = near.hits().unwrap_or_default();
        let mut micros = Histogram::<u64>::new(3)?;
        let mut reads = 0;
        progress::expect(1);
        for version in 1..=writes {
            // The call before this one stored it at the earliest.
            for _ in 0..3 {
                near.manager().get(KEY).await;
                sleep(Duration::from_micros(200)).await;
            }
            let text = version.to_string();
            let (returned, began) = spawn_blocking(move || {
                let began = Instant::now();
                let written: Result<(), redis::RedisError> = writer.set(KEY, version);
                written.map(|()| (writer, began))
            })
            .await??;
            writer = returned;
            while near.manager().get(KEY).await.as_deref() != Some(&text) {
                reads += 1;
                if began.elapsed() > PATIENCE {
                    return Err(format!("version {version} is not seen after {PATIENCE:?}").into());
                }
                yield_now().await;
            }
            micros.record(u64::try_from(began.elapsed().as_micros())?)?;
        }
        progress::advance();
        let millis = |quantile| per_call(micros.value_at_quantile(quantile), 1000);
        let remark = format!(
            "99.9 % of {writes} writes; {}",
            share(&near, before, reads + 4 * writes)
        );
        report::print_with("near_staleness_ms", millis(0.999), Goal::AtMost(20.0), &remark);
        report::print("near_staleness_p50_ms", millis(0.5), Goal::Any);
        report::print("near_staleness_max_ms", millis(1.0), Goal::Any);
        Ok(())
    })
}
