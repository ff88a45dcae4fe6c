use redis_manager::cached;

#[cached(cache = "users", key = "user:{tags}", ttl = "60s")]
async fn users(tags: Vec<String>) -> u64 {
    tags.len() as u64
}

fn main() {}
