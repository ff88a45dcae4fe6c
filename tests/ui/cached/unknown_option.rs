use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", tll = "60s")]
async fn misspelt(id: u64) -> u64 {
    id
}

#[cached("users", key = "user:{id}", ttl = "60s")]
async fn unnamed(id: u64) -> u64 {
    id
}

fn main() {}
