use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn user(id: u64) -> Result<u64, String> {
    id
}

fn main() {}
