use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn user(id: u64) -> impl std::fmt::Display {
    id
}

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn write(id: u64) -> std::fmt::Result {
    drop(id);
    Ok(())
}

fn main() {}
