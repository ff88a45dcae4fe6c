use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
fn user(id: u64) -> u64 {
    id
}

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
const fn constant(id: u64) -> u64 {
    id
}

fn main() {}
