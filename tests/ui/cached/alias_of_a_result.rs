use redis_manager::cached;

type Answer<T> = Result<T, String>;

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn user(id: u64) -> Answer<u64> {
    Ok(id)
}

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn twice(id: u64) -> Option<Option<u64>> {
    Some(Some(id))
}

fn main() {}
