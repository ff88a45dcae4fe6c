use redis_manager::{CachePolicy, cached};

#[cached(cache = "users", key = "user:{id}", ttl = "60s", policy = CachePolicy::new())]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
