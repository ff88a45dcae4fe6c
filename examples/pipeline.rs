//! Several operations together: in one round trip, in one step, only if nobody was faster, and in a script.
//!
//! **What it shows.** A pipeline with a typed answer for each operation, and with an error for each; fifty in a pipeline against fifty that are awaited
//! one by one; a transaction; an update that watches what it has read; and a script.
//!
//! **How to run it.** It needs no server, and then uses the embedded backend, which runs no scripts; with one, it leaves no key behind:
//!
//! ```text
//! cargo run --example pipeline
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example pipeline
//! ```
//!
//! **What you should see.** What each did and how long it took. On a server the pipeline is several times faster than the awaited calls, the more so the
//! further away it is; in memory there is no way to save. Six buyers at once get the four tins there are, never five.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::time::{Duration, Instant};

use redis_manager::{Config, ErrorKind, RedisManager, RedisService, Result, Script};

/// How many operations the long pipeline has.
const OPERATIONS: u32 = 50;

/// How often it is measured; the fastest counts.
const ROUNDS: u32 = 20;

#[tokio::main]
async fn main() -> Result<()> {
    let redis = manager()?;
    let service = redis.service();
    service.keys().flush_prefix().await?; // an interrupted run may have left some
    println!("\n   {:<44} {:>9}   outcome", "what", "time");
    typed(service).await?;
    each(service).await?;
    transaction(service).await?;
    buyers(service).await?;
    script(service).await?;
    fifty(service).await?;
    let deleted = service.keys().flush_prefix().await?;
    println!("\n{deleted} keys are deleted.");
    redis.disconnect().await;
    Ok(())
}

/// A manager as the environment says, or an embedded one if that says nothing of a server. Its keys have a prefix of their own.
fn manager() -> Result<RedisManager> {
    let mut config = Config::from_env()?;
    if !config.enabled {
        config = Config::from_url("memory://");
    }
    config.key_prefix.push_str("example-pipeline:");
    let redis = RedisManager::new(config)?;
    match redis.health().server.as_str() {
        "memory" => println!("On the embedded backend, memory://."),
        server => println!("On {server}."),
    }
    Ok(redis)
}

fn tell(what: &str, time: Duration, outcome: &str) {
    println!("   {what:<44} {time:>9.1?}   {outcome}");
}

/// Three operations of three groups, and three types of answer.
async fn typed(service: &RedisService) -> Result<()> {
    let (strings, list, zset) = (service.string(), service.list(), service.zset());
    strings.set("name", "Ada").await?;
    let began = Instant::now();
    let (name, orders, score): (Option<String>, u64, f64) = service
        .pipeline((
            strings.get("name"),
            list.rpush("orders", ["1001", "1002"]),
            zset.zincr_by("best", "Ada", 40),
        ))
        .await?;
    let outcome = format!("{name:?}, {orders} orders, a score of {score}");
    tell("pipeline of three types", began.elapsed(), &outcome);
    Ok(())
}

/// One operation that fails stops no other: `each` has the answers one by one.
async fn each(service: &RedisService) -> Result<()> {
    let strings = service.string();
    let began = Instant::now();
    let operations = (strings.incr("name"), strings.incr("visits"), strings.incr("orders"));
    let (text, visits, list) = service.pipeline(operations).each().await;
    let codes = [text, list].map(|failed| failed.map_or_else(|error| error.code(), |_| "no error"));
    let outcome = format!("{visits:?}, and the errors {codes:?}");
    tell("pipeline of which two fail", began.elapsed(), &outcome);
    Ok(())
}

/// In one step: nobody sees half of it.
async fn transaction(service: &RedisService) -> Result<()> {
    let (strings, list) = (service.string(), service.list());
    strings.set_many([("store", 20), ("shop", 0)]).await?;
    let began = Instant::now();
    let moved = (
        strings.decr_by("store", 4),
        strings.incr_by("shop", 4),
        list.rpush("moves", ["4 tins"]),
    );
    let (store, shop, _moves) = service.transaction(moved).await?;
    let outcome = format!("{store} in the store, {shop} in the shop");
    tell("transaction", began.elapsed(), &outcome);
    Ok(())
}

/// Buys one, as long as there are some. What was read is still true when it is committed, or nothing is.
async fn buy(service: &RedisService) -> Result<bool> {
    let strings = service.string();
    let mut watch = service.watch("shop").await?;
    loop {
        let tins: Option<u32> = watch.read(strings.get("shop")).await?;
        if tins.unwrap_or(0) == 0 {
            return Ok(false);
        }
        if watch.commit((strings.decr("shop"),)).await?.is_some() {
            return Ok(true);
        }
        watch.again().await?; // somebody else was faster
    }
}

async fn buyers(service: &RedisService) -> Result<()> {
    let began = Instant::now();
    let one = || buy(service);
    let (a, b, c, d, e, f) = tokio::try_join!(one(), one(), one(), one(), one(), one())?;
    let sold = [a, b, c, d, e, f].into_iter().filter(|sold| *sold).count();
    let left: i64 = service.string().get("shop").await?.unwrap_or_default();
    let outcome = format!("{sold} tins sold, {left} left");
    tell("six buyers, watching what they read", began.elapsed(), &outcome);
    Ok(())
}

/// What needs a decision at the server: a script, in one step and one round trip.
async fn script(service: &RedisService) -> Result<()> {
    let take = Script::new(
        "local stock = tonumber(redis.call('GET', KEYS[1]) or 0)
         local taken = math.min(stock, tonumber(ARGV[1]))
         return {taken, redis.call('DECRBY', KEYS[1], taken)}",
    );
    let scripts = service.scripts();
    for what in ["script, loaded first", "script, by its digest"] {
        let began = Instant::now();
        match scripts.run::<(u32, u32)>(&take, "store", [10]).await {
            Ok((taken, left)) => {
                let outcome = format!("10 wanted, {taken} taken, {left} left");
                tell(what, began.elapsed(), &outcome);
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tell("script", began.elapsed(), &format!("{error}: scripts need a server"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn fifty(service: &RedisService) -> Result<()> {
    let strings = service.string();
    let (mut awaited, mut together) = (Duration::MAX, Duration::MAX);
    for _round in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..OPERATIONS {
            strings.incr("awaited").await?;
        }
        awaited = awaited.min(began.elapsed());

        let began = Instant::now();
        let operations: Vec<_> = (0..OPERATIONS).map(|_| strings.incr("together")).collect();
        service.pipeline(operations).await?;
        together = together.min(began.elapsed());
    }
    let counts: Vec<Option<u32>> = strings.get_many(["awaited", "together"]).await?;
    let faster = awaited.div_duration_f64(together);
    tell(
        &format!("{OPERATIONS} awaited one by one"),
        awaited,
        &format!("{:?}", counts[0]),
    );
    let outcome = format!("{:?}, {faster:.1}× as fast", counts[1]);
    tell(&format!("{OPERATIONS} in a pipeline"), together, &outcome);
    Ok(())
}
