use redis_manager::cached;

const NAME: &str = "users";

#[cached(cache = NAME, key = 7, ttl = "60s")]
async fn no_texts(id: u64) -> u64 {
    id
}

#[cached(cache = "", key = "", ttl = "60s", tags = "all", jitter = 1.5, schema = "2")]
async fn out_of_range(id: u64) -> u64 {
    id
}

fn main() {}
