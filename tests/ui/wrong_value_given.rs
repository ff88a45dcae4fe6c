use redis_manager::{RedisService, redis_key};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Profile {
    name: String,
}

redis_key! { UserProfile => "user:{id}:profile" { id: u64 } -> Profile }

async fn save(service: &RedisService) {
    let _ = service.json().set(&UserProfile { id: 7 }, &vec!["Ada"]).await;
}

fn main() {}
