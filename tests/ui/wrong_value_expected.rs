use redis_manager::{RedisService, redis_key};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Profile {
    name: String,
}

redis_key! { UserProfile => "user:{id}:profile" { id: u64 } -> Profile }

async fn load(service: &RedisService) -> Option<String> {
    service.json().get(&UserProfile { id: 7 }).await.unwrap()
}

async fn load_by_name(service: &RedisService) {
    let _ = service.json().get::<String>(&UserProfile { id: 7 }).await;
}

fn main() {}
