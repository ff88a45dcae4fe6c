use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s", ttl = "5m")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
