//! Keys that are declared once, and tell the type of what they hold.
//!
//! **What it shows.** `redis_key!` declares three families of keys. A misspelt field, or a value of another type, does not compile; a name that
//! a user has chosen cannot reach into another key; `pattern()` and `parse()` list a family again. Values go as JSON, and as MessagePack if the
//! feature `msgpack` is on.
//!
//! **How to run it.** It needs no server, and then uses the embedded backend; with one, it leaves no key behind:
//!
//! ```text
//! cargo run --example typed_keys
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example typed_keys
//! ```
//!
//! **What you should see.** The keys as they stand in Redis, the values as they come back, the families one by one, and in the end
//! how many keys were deleted.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::collections::HashMap;

use redis_manager::{Config, HealthState, RedisManager, RedisService, Result, redis_key};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    languages: Vec<String>,
}

redis_key! {
    /// What a user tells of themselves.
    UserProfile => "typed-keys:user:{id}:profile" { id: u64 } -> Profile;

    /// How often a page was seen on a day. The braces keep all days of a page in one slot of a cluster.
    Visits => "typed-keys:visits:{{{page}}}:{day}" {
        /// As it stands in the address, whatever that is.
        page: String,
        day: u32,
    } -> u64;

    /// Switches of the whole application.
    Switches => "typed-keys:switches" {} -> HashMap<String, bool>
}

#[tokio::main]
async fn main() -> Result<()> {
    let redis = manager()?;
    let service = redis.service();
    profiles(service).await?;
    visits(service).await?;
    switches(service).await?;
    println!("\n{} keys are deleted.", delete_all(service).await?);
    redis.disconnect().await;
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

async fn profiles(service: &RedisService) -> Result<()> {
    let key = UserProfile { id: 7 };
    println!("\n{key:?} is the key {}", key.key());
    let ada = Profile {
        name: "Ada".to_owned(),
        languages: vec!["English".to_owned(), "French".to_owned()],
    };
    service.json().set(&key, &ada).ex(60).await?;
    // Nothing here names the type: the key does.
    if let Some(profile) = service.json().get(&key).await? {
        println!("   speaks {}", profile.languages.join(" and "));
    }
    // A typed key is a key in every other operation, too.
    println!("   as it is stored: {:?}", service.string().get::<String>(&key).await?);
    #[cfg(feature = "msgpack")]
    {
        service.message_pack().set(&key, &ada).ex(60).await?;
        println!("   as MessagePack: {} bytes", service.string().strlen(&key).await?);
    }
    Ok(())
}

async fn visits(service: &RedisService) -> Result<()> {
    for (page, day) in [("home", 1), ("home", 2), ("search:*", 1), ("home}:1", 1)] {
        let key = Visits {
            page: page.to_owned(),
            day,
        };
        service.json().set(&key, &u64::from(day * 100)).ex(60).await?;
    }
    println!("\nAll that match {}:", Visits::pattern());
    let mut keys = service.keys().scan(Visits::pattern());
    let mut found = Vec::new();
    while let Some(key) = keys.next().await {
        found.extend(Visits::parse(key?));
    }
    found.sort_by_key(|visits| visits.key());
    let counts = service.json().get_many(&found).await?;
    for (visits, count) in found.iter().zip(counts) {
        println!("   {:<44} {visits:?}: {count:?}", visits.key().to_string());
    }
    Ok(())
}

async fn switches(service: &RedisService) -> Result<()> {
    let on = HashMap::from([("dark".to_owned(), true)]);
    let before = service.json().getset(&Switches {}, &on).await?;
    let after = service.json().get(&Switches {}).await?;
    println!("\n{} went from {before:?} to {after:?}", Switches {}.key());
    Ok(())
}

async fn delete_all(service: &RedisService) -> Result<u64> {
    let mut deleted = service.keys().delete(Switches {}).await?;
    for pattern in [UserProfile::pattern(), Visits::pattern()] {
        let mut keys = service.keys().scan(pattern);
        while let Some(key) = keys.next().await {
            deleted += service.keys().delete(key?).await?;
        }
    }
    Ok(deleted)
}
