use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60", stale = "1.5h")]
async fn user(id: u64) -> u64 {
    id
}

#[cached(cache = "users", key = "user:{id}", ttl = 60)]
async fn number(id: u64) -> u64 {
    id
}

#[cached(cache = "users", key = "user:{id}", ttl = u64::MAX)]
async fn expression(id: u64) -> u64 {
    id
}

fn main() {}
