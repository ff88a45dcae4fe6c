//! A service with a slow database behind a cache: without Redis, with the embedded backend, and with your Redis.
//!
//! **What it shows.** [`best_customer`] is all the code that a cache needs: look in Redis, else ask the database and store the
//! answer for a minute. It runs unchanged with Redis disabled, with the embedded backend, and with whatever `ENABLE_REDIS` and
//! `REDIS_URL` say. The database is a real SQLite file, slow because the query reads a whole table.
//!
//! **How to run it.** It needs no server; with one, it also shows that:
//!
//! ```text
//! cargo run --example quickstart
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example quickstart
//! ```
//!
//! **What you should see.** Every lookup finds the same customer. Without Redis each takes as long as the query; with a cache
//! the second and the third are thousands of times faster. Name a server that is not there: the lookups work all the
//! same, calls to Redis are refused in microseconds, and `health()` says why.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use redis_manager::{Config, HealthState, RedisManager, redis_manager};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KEY: &str = "quickstart:best-customer:north";
const CALLS: u32 = 1_000;

/// The service: it never asks whether there is a Redis.
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

    println!("\n1. Redis is disabled. Every call answers, and the service works.\n");
    let off = RedisManager::disabled("no Redis here");
    look_up(&off, &database).await?;
    neutral_answers(&off).await;

    println!("\n2. The embedded backend, memory://, answers from this process.\n");
    let memory = RedisManager::new(Config::from_url("memory://"))?;
    look_up(&memory, &database).await?;

    println!("\n3. The global redis_manager() does as the environment says.\n");
    let global = redis_manager();
    if global.health().state == HealthState::Disabled {
        println!(
            "   {}; to see it on a server:",
            global.health().reason.unwrap_or_default()
        );
        println!("   ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example quickstart\n");
        return Ok(());
    }
    on_a_server(global, &database).await
}

async fn on_a_server(redis: &RedisManager, database: &SqlitePool) -> Result<()> {
    let began = Instant::now();
    let is_connected = redis.initialize().await;
    println!("   initialize()   {is_connected} after {:.1?}", began.elapsed());
    let health = redis.health();
    println!("   server         {}", health.server);
    println!(
        "   health()       {:?} {}\n",
        health.state,
        health.reason.unwrap_or_default()
    );

    redis.delete(KEY).await; // what an interrupted run may have left
    look_up(redis, database).await?;
    if is_connected {
        println!("\n   keys deleted at the end: {}\n", redis.delete(KEY).await);
    } else {
        println!(
            "\n   a call is refused in {:.1?}, the mean of {CALLS}\n",
            time_of_a_get(redis).await
        );
    }
    redis.disconnect().await;
    Ok(())
}

/// Looks up three times and tells where each answer came from.
async fn look_up(redis: &RedisManager, database: &SqlitePool) -> Result<()> {
    println!(
        "   {:<8} {:<16} {:<8} {:>9} {:>10}",
        "lookup", "best customer", "from", "time", "faster"
    );
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

/// Prints a call as it is written here, its answer, and the mean time of many.
macro_rules! show {
    ($redis:ident: $($call:tt)+) => {
        let began = Instant::now();
        for _ in 1..CALLS {
            $redis.$($call)+.await;
        }
        let answer = $redis.$($call)+.await;
        let time = began.elapsed() / CALLS;
        println!("   {:<32} {:<45} {time:>9.1?}", stringify!($($call)+), format!("{answer:?}"));
    };
}

async fn neutral_answers(off: &RedisManager) {
    println!("\n   {:<32} {:<45} {:>9}", "call", "neutral answer", "time");
    show!(off: get("k"));
    show!(off: get_bytes("k"));
    show!(off: get_many(["a", "b"]));
    show!(off: get_json::<Vec<u32>>("k"));
    show!(off: lookup("k"));
    show!(off: set("k", "v").ex(60));
    show!(off: set_many([("a", 1), ("b", 2)]));
    show!(off: set_json("k", &["v"]));
    show!(off: incr("k").by(5));
    show!(off: delete("k"));
    show!(off: exists("k"));
    show!(off: expire("k", 300));
    show!(off: ttl("k"));
    show!(off: hset("h", "field", "v"));
    show!(off: hget("h", "field"));
}

async fn time_of_a_get(redis: &RedisManager) -> Duration {
    let began = Instant::now();
    for _ in 0..CALLS {
        redis.get(KEY).await;
    }
    began.elapsed() / CALLS
}

async fn open_database(file: std::path::PathBuf) -> Result<SqlitePool> {
    let orders = "CREATE TABLE orders AS
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700000)
        SELECT 'customer ' || (i * 7919 % 1000) AS customer,
               CASE i % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'east' WHEN 2 THEN 'south' ELSE 'west' END AS region,
               i * 104729 % 99991 AS cents
        FROM n";
    let began = Instant::now();
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let database = SqlitePool::connect_with(options).await?;
    let rows = sqlx::query(orders).execute(&database).await?.rows_affected();
    println!(
        "\nA SQLite file with {rows} orders and no index, written in {:.1?}.",
        began.elapsed()
    );
    Ok(database)
}
