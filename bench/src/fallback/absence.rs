//! How long the very first call takes when nobody listens.

use std::time::Instant;

use super::KEY;
use crate::{
    Outcome,
    arguments::Arguments,
    report::{self, Goal, Sample, millis},
    server::RedisServer,
    suite::runtime,
};

/// Measures the first call of managers that are new in runtimes that are new but run already.
pub(super) fn absent_at_start(arguments: &Arguments) -> Outcome {
    let rounds = arguments.either(51, 9);
    let first: Sample = (0..rounds).map(|_| first_call(arguments)).collect::<Outcome<_>>()?;
    first.print_median("absent_at_start_first_call_ms", Goal::AtMost(1.0));
    report::print("absent_at_start_first_call_max_ms", first.max(), Goal::Any);
    Ok(())
}

/// Returns the milliseconds of one first call.
fn first_call(arguments: &Arguments) -> Outcome<f64> {
    let redis = RedisServer::absent(&arguments.server)?.manager()?;
    let took = runtime()?.block_on(async move {
        // Its threads and its timer run now.
        tokio::spawn(tokio::time::sleep(std::time::Duration::from_millis(5))).await?;
        tokio::spawn(async move {
            let began = Instant::now();
            redis.get(KEY).await;
            began.elapsed()
        })
        .await
    })?;
    Ok(millis(took))
}
