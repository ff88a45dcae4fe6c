//! A service with a slow database and a cache in front of it: without Redis, with the embedded backend, and with yours.
//!
//! **What it shows.** `best_customer` below is all the code that a cache needs. It looks in Redis, asks the database if nothing is
//! there, and stores the answer for a minute. The same function runs three times: with Redis disabled, with the embedded
//! backend, and with whatever `ENABLE_REDIS` and `REDIS_URL` say. The database is a real SQLite file, and its query is
//! slow because it reads a whole table.
//!
//! **How to run it.** No server is needed; with one, see the same on it:
//!
//! ```text
//! cargo run --example quickstart
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example quickstart
//! ```
//!
//! **What you should see.** Every lookup gives the same answer. Without Redis each takes as long as the query; with a cache the second
//! and third take microseconds. Give an address where nobody listens: the lookups still answer, calls to Redis are refused at
//! once, and `health()` says why.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use redis_manager::{Config, HealthState, RedisManager, redis_manager};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const REGION: &str = "north";
const KEY: &str = "quickstart:best-customer:north";
const HOW_TO: &str = "ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example quickstart";

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = SqliteConnectOptions::new().filename(directory.path().join("shop.sqlite"));
    let database = SqlitePool::connect_with(file.create_if_missing(true)).await?;
    fill(&database).await?;

    heading(
        "1",
        "Redis disabled: every call answers, and the service works as it did without a cache",
    );
    let off = RedisManager::disabled("switched off by the quickstart");
    look_up_three_times(&off, &database).await?;
    neutral_answers(&off).await;

    heading("2", "The embedded backend, memory://: the cache lives in this process");
    let memory = RedisManager::new(Config::from_url("memory://"))?;
    look_up_three_times(&memory, &database).await?;

    heading("3", "The global redis_manager(), as the environment says");
    let redis = redis_manager();
    if redis.health().state == HealthState::Disabled {
        println!(
            "   {}. To see it on a server:",
            redis.health().reason.unwrap_or_default()
        );
        println!("   {HOW_TO}");
        return Ok(());
    }
    let connected = redis.initialize().await;
    let health = redis.health();
    println!(
        "   server {}   state {:?}   {}",
        health.server,
        health.state,
        health.reason.unwrap_or_default()
    );
    redis.delete(KEY).await; // of a run that was interrupted
    look_up_three_times(redis, &database).await?;
    if connected {
        println!("\n   keys cleaned up: {}", redis.delete(KEY).await);
    } else {
        println!("\n   a refused call takes {:.1?}", time_of_a_refusal(redis).await);
    }
    redis.disconnect().await;
    Ok(())
}

/// The service: cache-aside. It never asks whether Redis is there.
async fn best_customer(redis: &RedisManager, database: &SqlitePool) -> Result<(String, &'static str)> {
    if let Some(name) = redis.get(KEY).await {
        return Ok((name, "cache"));
    }
    let query = "SELECT customer FROM orders WHERE region = ? GROUP BY customer ORDER BY sum(cents) DESC LIMIT 1";
    let name: String = sqlx::query_scalar(query).bind(REGION).fetch_one(database).await?;
    redis.set(KEY, &name).ex(60).await;
    Ok((name, "SQLite"))
}

async fn look_up_three_times(redis: &RedisManager, database: &SqlitePool) -> Result<()> {
    println!(
        "   {:<8} {:<16} {:<8} {:>10}",
        "lookup", "best customer", "from", "time"
    );
    for lookup in 1..=3 {
        let began = Instant::now();
        let (name, source) = best_customer(redis, database).await?;
        println!("   {lookup:<8} {name:<16} {source:<8} {:>10.1?}", began.elapsed());
    }
    Ok(())
}

/// Prints a call as it is written here, its answer, and how long it took.
macro_rules! show {
    ($redis:ident, $($call:tt)+) => {{
        let began = Instant::now();
        let answer = $redis.$($call)+.await;
        let time = began.elapsed();
        println!("   {:<40} {:<56} {time:>10.1?}", stringify!($($call)+), format!("{answer:?}"));
    }};
}

async fn neutral_answers(off: &RedisManager) {
    println!("\n   {:<40} {:<56} {:>10}", "call", "neutral answer", "time");
    show!(off, get("k"));
    show!(off, get_bytes("k"));
    show!(off, get_many(["a", "b"]));
    show!(off, get_json::<Vec<u32>>("k"));
    show!(off, lookup("k"));
    show!(off, set("k", "v").ex(60));
    show!(off, set_json("k", &[1, 2]));
    show!(off, set_many([("a", 1), ("b", 2)]));
    show!(off, incr("k").by(5));
    show!(off, delete("k"));
    show!(off, exists("k"));
    show!(off, expire("k", 300));
    show!(off, ttl("k"));
    show!(off, hset("h", "field", "v"));
    show!(off, hget("h", "field"));
}

async fn time_of_a_refusal(redis: &RedisManager) -> Duration {
    const CALLS: u32 = 10_000;
    let began = Instant::now();
    for _ in 0..CALLS {
        redis.get(KEY).await;
    }
    began.elapsed() / CALLS
}

/// Orders of 1 000 customers, without an index.
async fn fill(database: &SqlitePool) -> Result<()> {
    let orders = "CREATE TABLE orders AS
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
        SELECT 'customer ' || (i * 7919 % 1000) AS customer,
               CASE i % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'east' WHEN 2 THEN 'south' ELSE 'west' END AS region,
               i * 104729 % 99991 AS cents
        FROM n";
    sqlx::query(orders).execute(database).await?;
    Ok(())
}

fn heading(number: &str, text: &str) {
    println!("\n{number}  {text}\n");
}
