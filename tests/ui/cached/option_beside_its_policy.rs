use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s", policy = redis_manager::CachePolicy::new())]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
