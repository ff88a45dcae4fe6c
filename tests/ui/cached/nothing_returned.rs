use redis_manager::cached;

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn forget(id: u64) {
    drop(id);
}

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn forget_again(id: u64) -> () {
    drop(id);
}

fn main() {}
