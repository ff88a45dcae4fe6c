use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s", negative = "10s")]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
