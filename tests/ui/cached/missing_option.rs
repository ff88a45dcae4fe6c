use redis_manager::cached;

#[cached]
async fn nothing_said(id: u64) -> u64 {
    id
}

#[cached(cache = "users", key = "user:{id}")]
async fn no_ttl(id: u64) -> u64 {
    id
}

fn main() {}
