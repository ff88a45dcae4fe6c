use redis_manager::cached;

#[cached(cache = "users", key = "user", ttl = "60s")]
struct User;

trait Users {
    #[cached(cache = "users", key = "user:{id}", ttl = "60s")]
    async fn user(&self, id: u64) -> u64;
}

fn main() {}
