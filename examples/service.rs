//! A shop that has to know what happened: the honest face, group by group, and what to do about an error.
//!
//! **What it shows.** Stock in counters, carts in hashes, orders in lists, customers in sets, the best of them in a sorted set; then the keys, listed
//! and deleted. Each call returns a `Result`. `decide` is the whole of the shop's error handling: it asks the error whether there was no
//! answer, whether the call may have run all the same, and whether it may be made again.
//!
//! **How to run it.** It needs no server, and then uses the embedded backend; with one, it leaves no key behind:
//!
//! ```text
//! cargo run --example service
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example service
//! ```
//!
//! **What you should see.** Each call as it stands in the source, its time and its answer. Then five errors with what the shop does about each,
//! and in the end how many keys were deleted.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use redis_manager::{Config, Error, ErrorKind, RedisManager, RedisService, Result, Side};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Customer {
    name: String,
    city: Option<String>,
}

/// Asks, and prints the call as it stands here, how long it took, and its answer.
macro_rules! ask {
    ($call:expr) => {{
        let began = Instant::now();
        let answer = $call.await?;
        println!("   {:<66} {:>9.1?}   {answer:?}", stringify!($call), began.elapsed());
        answer
    }};
}

#[tokio::main]
async fn main() -> Result<()> {
    let redis = manager()?;
    let service = redis.service();
    service.keys().flush_prefix().await?; // an interrupted run may have left some
    stock(service).await?;
    carts(service).await?;
    orders(service).await?;
    customers(service).await?;
    keys(service).await?;
    errors(service).await;

    let deleted = service.keys().flush_prefix().await?;
    println!("\nThe shop closes: {deleted} keys are deleted, all those with its prefix and none else.");
    redis.disconnect().await;
    Ok(())
}

/// A manager as the environment says, or an embedded one if that says nothing of a server. Its keys have a prefix of their own.
fn manager() -> Result<RedisManager> {
    let mut config = Config::from_env()?;
    if !config.enabled {
        config = Config::from_url("memory://");
    }
    config.key_prefix.push_str("example-service:");
    let redis = RedisManager::new(config)?;
    match redis.health().server.as_str() {
        "memory" => println!("On the embedded backend, memory://."),
        server => println!("On {server}."),
    }
    Ok(redis)
}

fn heading(text: &str) {
    println!("\n{text}");
    println!("   {:<66} {:>9}   answer", "call", "time");
}

async fn stock(service: &RedisService) -> Result<()> {
    heading("The stock: strings and counters");
    let (strings, keys) = (service.string(), service.keys());
    ask!(strings.set_many([("stock:tea", 12), ("stock:tin", 3)]));
    ask!(strings.decr_by("stock:tea", 2));
    ask!(strings.get_many::<u64>(["stock:tea", "stock:tin", "stock:cup"]));
    ask!(strings.set("price:tea", 4.5).ex(3600).nx());
    ask!(strings.set("price:tea", 4.75).xx().keep_ttl().get::<f64>());
    // A window that begins with its first visit: the time to live is set only where this creates the counter.
    ask!(strings.incr_with_ttl("visits", 1, Duration::from_secs(60)));
    ask!(keys.ttl("visits"));
    Ok(())
}

async fn carts(service: &RedisService) -> Result<()> {
    heading("The carts: hashes");
    let hash = service.hash();
    ask!(hash.hset("cart:7", [("tea", 2), ("tin", 1)]));
    ask!(hash.hincr_by("cart:7", "tea", 1));
    ask!(hash.hmget::<u32>("cart:7", ["tea", "cup"]));
    ask!(hash.hgetall::<BTreeMap<String, u32>>("cart:7"));
    let ada = Customer {
        name: "Ada".to_owned(),
        city: None,
    };
    ask!(hash.hset_struct("customer:7", &ada));
    ask!(hash.hgetall_as::<Customer>("customer:7"));
    Ok(())
}

async fn orders(service: &RedisService) -> Result<()> {
    heading("The orders: lists");
    let list = service.list();
    ask!(list.rpush("orders", ["1001", "1002", "1003"]));
    // An order is always in one of the two lists, whoever fails in between.
    ask!(list.lmove::<u32>("orders", "packing", Side::Left, Side::Right));
    ask!(list.lrem("packing", 1, "1001"));
    ask!(list.lrange::<u32>("orders", 0, -1));
    // Waiting for an order that comes while we wait.
    let coming = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        list.rpush("express", ["2001"]).await
    };
    let waiting = async {
        ask!(list.blpop::<u32>(["express", "returns"], Duration::from_secs(2)));
        Ok(())
    };
    tokio::try_join!(waiting, coming)?;
    Ok(())
}

async fn customers(service: &RedisService) -> Result<()> {
    heading("The customers: sets, and a sorted set");
    let (set, zset) = (service.set(), service.zset());
    ask!(set.sadd("bought:tea", ["Ada", "Bob", "Cem"]));
    ask!(set.sadd("bought:tin", ["Cem", "Ada", "Dia"]));
    ask!(set.sinter::<BTreeSet<String>>(["bought:tea", "bought:tin"]));
    ask!(set.smismember("bought:tea", ["Bob", "Dia"]));
    ask!(zset.zadd("best", [("Ada", 40), ("Bob", 25), ("Cem", 60)]));
    ask!(zset.zincr_by("best", "Bob", 30));
    ask!(zset.zrange("best", 0, 1).rev().with_scores::<String>());
    ask!(zset.zrevrank_with_score("best", "Ada"));
    Ok(())
}

async fn keys(service: &RedisService) -> Result<()> {
    heading("The keys: listed, and deleted, without blocking the server");
    let keys = service.keys();
    let began = Instant::now();
    let mut scan = keys.scan("bought:*");
    let mut found = BTreeSet::new();
    while let Some(key) = scan.next().await {
        found.insert(key?.to_string());
    }
    println!(
        "   {:<66} {:>9.1?}   {found:?}",
        "keys.scan(\"bought:*\")",
        began.elapsed()
    );
    ask!(keys.type_of("bought:tea"));
    ask!(keys.delete_pattern("bought:*"));
    Ok(())
}

/// What the shop does about an error. More of it no caller needs.
fn decide(error: &Error) -> &'static str {
    if error.is_retryable() {
        return "try again later: it certainly did not run";
    }
    if error.is_timeout() {
        return "look before trying again: it may have run";
    }
    if error.is_unavailable() {
        return "go on without Redis";
    }
    match error.kind() {
        ErrorKind::WrongType | ErrorKind::Decode => "a mistake in the data: report it",
        ErrorKind::InvalidArgument => "a mistake in the program: nothing was sent",
        ErrorKind::Unsupported => "another server is needed",
        _ => "report it",
    }
}

async fn errors(service: &RedisService) {
    println!("\nWhat goes wrong, and what to do");
    println!("   {:<18} {:<44} error", "code", "decision");
    let tell = |outcome: Result<Option<u32>>| {
        if let Err(error) = outcome {
            println!("   {:<18} {:<44} {error}", error.code(), decide(&error));
        }
    };
    tell(service.hash().hget("stock:tea", "field").await);
    tell(service.string().get("price:tea").await); // 4.75 is no u32
    tell(service.string().get("").await);
    let off = RedisManager::disabled("switched off for the night");
    tell(off.service().string().get("stock:tea").await);
    // Nobody listens on that port.
    if let Ok(nobody) = RedisManager::new(Config::from_url("redis://127.0.0.1:1")) {
        tell(nobody.service().string().get("stock:tea").await);
    }
}
