//! A function that is asked for the same thing again and again, and the one line that puts a cache in front of it.
//!
//! **What it shows.** `#[cached]` on an async function: its body runs in the first call, and not in the second. What has a tag is removed by it. Nothing found is
//! remembered for a while, an error never. Without Redis the body simply runs.
//!
//! **How to run it.** It needs no server, and then uses the embedded backend; with one, it leaves no key behind:
//!
//! ```text
//! cargo run --example cached_macro --features macros
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example cached_macro --features macros
//! ```
//!
//! **What you should see.** Each call with its answer, how long it took, and whether the database was asked.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use redis_manager::{Config, HealthState, RedisManager, Result, cached};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    name: String,
}

/// What a database says that has a bad day. It can be anything: errors are not stored.
#[derive(Debug)]
struct DbError;

/// Something slow.
#[derive(Default)]
struct Db {
    asked: AtomicU32,
}

/// Who wants to know, and from where. The manager is named only because this program makes its own; the global one is asked otherwise.
struct Shop {
    db: Db,
    redis: RedisManager,
}

impl Db {
    async fn find(&self, tenant: u32, id: u64) -> std::result::Result<Option<User>, DbError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        match id {
            13 => Err(DbError),
            100.. => Ok(None),
            _ => Ok(Some(User {
                name: format!("user {id} of tenant {tenant}"),
            })),
        }
    }
}

impl Shop {
    #[cached(
        cache = "cached-macro",
        key = "user:{tenant}:{id}",
        ttl = "60s",
        tags = ["tenant:{tenant}"],
        negative = "10s",
        jitter = 0.1,
        manager = self.redis
    )]
    async fn user(&self, tenant: u32, id: u64) -> std::result::Result<Option<User>, DbError> {
        self.db.find(tenant, id).await
    }

    /// Calls it, and prints what came of it.
    async fn ask(&self, tenant: u32, id: u64) {
        let (before, began) = (self.db.asked.load(Ordering::Relaxed), Instant::now());
        let answer = self.user(tenant, id).await;
        let asked = self.db.asked.load(Ordering::Relaxed) - before;
        let from = if asked > 0 { "the database" } else { "the cache" };
        println!(
            "   user({tenant}, {id}) from {from} in {:.1?}: {answer:?}",
            began.elapsed()
        );
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let shop = Shop {
        db: Db::default(),
        redis: manager()?,
    };
    let cache = shop.redis.cache("cached-macro");

    println!("\nThe first call runs the body, the second does not:");
    shop.ask(7, 1).await;
    shop.ask(7, 1).await;
    shop.ask(8, 1).await;

    println!("\nNothing found is remembered, an error is not:");
    for id in [100, 100, 13, 13] {
        shop.ask(7, id).await;
    }

    println!("\nAll of tenant 7 is removed by its tag, and nothing else:");
    cache.invalidate_tag("tenant:7").await;
    shop.ask(7, 1).await;
    shop.ask(8, 1).await;

    println!("\nWithout Redis, every call runs the body:");
    let alone = Shop {
        db: Db::default(),
        redis: RedisManager::disabled("an example"),
    };
    alone.ask(7, 1).await;
    alone.ask(7, 1).await;

    let deleted = shop.redis.service().keys().delete_pattern("*cached-macro*").await?;
    println!("\n{deleted} keys are deleted.");
    shop.redis.disconnect().await;
    Ok(())
}

/// A manager as the environment says, or an embedded one if that says nothing of a server.
fn manager() -> Result<RedisManager> {
    let redis = RedisManager::from_env()?;
    if redis.health().state == HealthState::Disabled {
        println!("On the embedded backend.");
        return RedisManager::new(Config::from_url("memory://"));
    }
    println!("On {}.", redis.health().server);
    Ok(redis)
}
