//! A service with a slow database behind a cache: without Redis, with the embedded backend, and with your Redis.
//!
//! **What it shows.** `best_customer` is all the code that a cache needs: look in Redis, else ask the database and store the
//! answer for a minute. It runs unchanged with Redis disabled, with the embedded backend, and with whatever `ENABLE_REDIS` and
//! `REDIS_URL` say. The database is a real SQLite file, slow because the query reads a whole table.
//!
//! **How to run it.** It needs no server; with one, it shows that as well:
//!
//! ```text
//! cargo run --example quickstart
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example quickstart
//! ```
//!
//! **What you should see.** Every lookup finds the same customer. Without Redis each takes as long as the query; with a cache
//! the second and the third are hundreds or thousands of times faster. Name a server that is not there: the lookups work
//! all the same, calls to Redis are refused within microseconds, and `health()` says why.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{error::Error, path::PathBuf, time::Instant};

use redis_manager::{Config, HealthState, RedisManager, redis_manager};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KEY: &str = "quickstart:best-customer:north";

/// The service. It never asks whether there is a Redis.
async fn best_customer(redis: &RedisManager, database: &SqlitePool) -> Result<(String, &'static str)> {
    if let Some(name) = redis.get(KEY).await {
        return Ok((name, "cache"));
    }
    let query = "SELECT customer FROM orders WHERE region = 'north' GROUP BY customer ORDER BY sum(cents) DESC LIMIT 1";
    let name: String = sqlx::query_scalar(query).fetch_one(database).await?;
    redis.set(KEY, &name).ex(60).await;
    Ok((name, "SQLite"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let database = open_database(directory.path().join("shop.sqlite")).await?;

    println!("\n1. Redis is disabled: every call answers, and the service works.\n");
    let off = RedisManager::disabled("no Redis here");
    look_up(&off, &database).await?;
    neutral_answers(&off).await;

    println!("\n2. The embedded backend, memory://, answers from within this process.\n");
    let memory = RedisManager::new(Config::from_url("memory://"))?;
    look_up(&memory, &database).await?;

    println!("\n3. The global redis_manager() does as the environment says.\n");
    let redis = redis_manager();
    if let HealthState::Disabled = redis.health().state {
        let reason = redis.health().reason.unwrap_or_default();
        println!("   {reason}; to see it on a server:");
        println!("   ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example quickstart");
        return Ok(());
    }
    as_configured(redis, &database).await
}

/// Asks the service three times, and tells where each answer came from.
async fn look_up(redis: &RedisManager, database: &SqlitePool) -> Result<()> {
    println!("   lookup   best customer    from          time     faster");
    let mut first = None;
    for lookup in 1..=3 {
        let began = Instant::now();
        let (name, source) = best_customer(redis, database).await?;
        let time = began.elapsed();
        let faster = first.get_or_insert(time).div_duration_f64(time);
        println!("   {lookup:<8} {name:<16} {source:<8} {time:>9.1?} {faster:>9.0}×");
    }
    Ok(())
}

/// Prints calls as they stand here, what each answers, and its mean time of a thousand.
macro_rules! show {
    ($($call:expr),+ $(,)?) => {
        println!("\n   call                             answer                                                     time");
        $(
            let began = Instant::now();
            for _ in 1..1000 {
                $call.await;
            }
            let answer = format!("{:?}", $call.await);
            println!("   {:<32} {answer:<53} {:>9.1?}", stringify!($call), began.elapsed() / 1000);
        )+
    };
}

async fn neutral_answers(off: &RedisManager) {
    show!(
        off.get("k"),
        off.get_many(["a", "b"]),
        off.get_json::<Vec<u32>>("k"),
        off.lookup("k"),
        off.set("k", "v").ex(60),
        off.set_json("k", &["v"]),
        off.incr("k").by(5),
        off.delete("k"),
        off.exists("k"),
        off.expire("k", 300),
        off.ttl("k"),
        off.hset("h", "field", "v"),
        off.hget("h", "field"),
    );
}

async fn as_configured(redis: &RedisManager, database: &SqlitePool) -> Result<()> {
    let began = Instant::now();
    let is_up = redis.initialize().await;
    println!("   initialize()   {is_up}, after {:.1?}", began.elapsed());
    let health = redis.health();
    let reason = health.reason.as_deref().unwrap_or("all is well");
    println!("   health()       {:?} on {}: {reason}\n", health.state, health.server);

    redis.delete(KEY).await; // an interrupted run may have left it
    look_up(redis, database).await?;
    if is_up {
        println!("\n   delete({KEY:?})   {}", redis.delete(KEY).await);
    } else {
        show!(redis.get(KEY), redis.set(KEY, "v").ex(60), redis.lookup(KEY));
    }
    redis.disconnect().await;
    Ok(())
}

async fn open_database(file: PathBuf) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let database = SqlitePool::connect_with(options).await?;
    let orders = "CREATE TABLE orders AS
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
        SELECT 'customer ' || (i * 7919 % 1000) AS customer, i * 104729 % 99991 AS cents,
               CASE i % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'east' WHEN 2 THEN 'south' ELSE 'west' END AS region
        FROM n";
    sqlx::query(orders).execute(&database).await?;
    println!("\nThe data source: 500,000 orders in a SQLite file, without an index.");
    Ok(database)
}
