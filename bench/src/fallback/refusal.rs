//! What a call costs that is refused at once.

use std::{hint::black_box, time::Instant};

use redis_manager::{HealthState, RedisManager};

use super::KEY;
use crate::{
    Outcome, allocations,
    arguments::Arguments,
    report::{self, Goal, Sample, per_call},
    server::RedisServer,
    suite::runtime,
};

/// How often and how long to measure.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// How many times.
    rounds: usize,
    /// Calls in each round.
    calls: u64,
}

/// What refused calls cost.
#[derive(Debug)]
struct Cost {
    /// Nanoseconds for each call, by rounds.
    nanos: Sample,
    /// Allocations for each call, of all rounds.
    allocations: f64,
}

/// Measures calls to a manager that is switched off.
pub(super) fn disabled(arguments: &Arguments) -> Outcome {
    let plan = Plan {
        rounds: arguments.either(21, 5),
        calls: 1_000_000,
    };
    let cost = runtime()?.block_on(async move {
        let redis = RedisManager::disabled("measured");
        tokio::spawn(async move { refused_calls(&redis, plan).await }).await
    })?;
    cost.print("disabled_get", 30.0);
    Ok(())
}

/// Measures calls while the server is known to be absent.
pub(super) fn breaker_open(arguments: &Arguments) -> Outcome {
    let plan = Plan {
        rounds: arguments.either(21, 5),
        calls: 1_000_000,
    };
    let redis = RedisServer::absent(&arguments.server)?.manager()?;
    let cost = runtime()?.block_on(async move {
        tokio::spawn(async move {
            redis.get(KEY).await;
            let state = redis.health().state;
            (state, refused_calls(&redis, plan).await)
        })
        .await
    })?;
    if cost.0 != HealthState::Unavailable {
        return Err(format!("the breaker is not open but {:?}", cost.0).into());
    }
    cost.1.print("breaker_open_get", 150.0);
    Ok(())
}

/// Calls in a loop that never waits, so that all of it happens on one thread.
async fn refused_calls(redis: &RedisManager, plan: Plan) -> Cost {
    let mut nanos = Vec::with_capacity(plan.rounds);
    let mut allocated = 0;
    for _ in 0..plan.rounds {
        let allocated_before = allocations::of_this_thread();
        let began = Instant::now();
        for _ in 0..plan.calls {
            black_box(redis.get(black_box(KEY)).await);
        }
        nanos.push(began.elapsed().as_secs_f64() * 1e9 / per_call(plan.calls, 1));
        allocated += allocations::of_this_thread() - allocated_before;
        tokio::task::yield_now().await;
    }
    Cost {
        allocations: per_call(allocated, plan.calls * nanos.len() as u64),
        nanos: nanos.into_iter().collect(),
    }
}

impl Cost {
    /// Prints both figures.
    fn print(&self, name: &str, goal: f64) {
        self.nanos.print_median(&format!("{name}_ns"), Goal::AtMost(goal));
        report::print(&format!("{name}_allocations"), self.allocations, Goal::AtMost(0.0));
    }
}
