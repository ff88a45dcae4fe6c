//! One hot key that is loaded anew before it is too old: who waits for that?

use std::time::Duration;

use redis_manager::{Cache, CachePolicy, Load, Served};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Outcome,
    arguments::Arguments,
    progress,
    readers::Source,
    report::{self, Goal, per_call},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// How long the entry lives.
pub(super) const TTL: Duration = Duration::from_millis(500);

/// The time between two requests.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// How long the source takes. With `XFetch` that decides how early an entry is loaded anew: a thousand requests a second do so three times as long before
/// its end (20 ms · ln 20), and so 1.1 times in a life.
const TAKES: Duration = Duration::from_millis(20);

/// What is asked for.
const KEY: &str = "front";

/// How many lives the first requests may take to warm up.
const WARM_UP: u32 = 1;

/// What came of the requests.
struct Requests {
    /// How many there were.
    count: u64,
    /// How many waited for the source.
    waited: u64,
    /// How many got no value.
    failed: u64,
    /// How often the source was asked.
    loads: u64,
}

/// Measures a threshold, and `XFetch`.
pub(super) fn hot(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let manager = server.manager()?;
    let lives = arguments.either(20, 3);
    runtime()?.block_on(async {
        manager.initialize().await;
        let policy = CachePolicy::new().ttl(TTL);
        for (name, policy) in [
            ("threshold", policy.clone().refresh_ahead(0.8)),
            ("xfetch", policy.xfetch(1.0)),
        ] {
            progress::announce(&format!("hot, {name}"));
            let cache = manager.cache(format!("hot:{name}")).with(policy);
            let source = Source::taking(TAKES);
            ask(&cache, &source, WARM_UP).await?;
            let requests = ask(&cache, &source, lives).await?;
            requests.print(name, lives);
        }
        Ok(())
    })
}

/// Asks through so many lives of the entry, at each tick, whoever still waits.
async fn ask(cache: &Cache, source: &Source, lives: u32) -> Outcome<Requests> {
    let before = source.runs();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let count = (TTL * lives).as_millis() / TICK.as_millis();
    let mut callers: Vec<JoinHandle<Option<bool>>> = Vec::new();
    for _ in 0..count {
        ticks.tick().await;
        callers.push(tokio::spawn(request(cache.clone(), source.clone())));
    }
    let mut requests = Requests {
        count: count.try_into()?,
        waited: 0,
        failed: 0,
        loads: 0,
    };
    for caller in callers {
        match caller.await? {
            Some(has_waited) => requests.waited += u64::from(has_waited),
            None => requests.failed += 1,
        }
    }
    requests.loads = source.runs() - before;
    Ok(requests)
}

/// Asks once, and says whether that had to wait for the source; `None` if there was no value.
async fn request(cache: Cache, source: Source) -> Option<bool> {
    let load = move |_| async move { source.load().await.map(Load::new) };
    let answer = cache.get_or_load_with(KEY, load).await.ok()?;
    let value: String = answer.value?;
    let has_waited = matches!(answer.served, Served::Loaded | Served::Fresh);
    (value.len() == VALUE.len()).then_some(has_waited)
}

impl Requests {
    /// Prints the figures.
    fn print(&self, name: &str, lives: u32) {
        let remark = format!("of {} requests, {} loads", self.count, self.loads);
        let print = |figure: &str, value: f64, goal: f64| {
            report::print_with(&format!("hot_{name}_{figure}"), value, Goal::AtMost(goal), &remark);
        };
        print("waited", per_call(self.waited, 1), 0.0);
        print("failed", per_call(self.failed, 1), 0.0);
        print("loads_per_ttl", per_call(self.loads, lives.into()), 1.2);
    }
}
