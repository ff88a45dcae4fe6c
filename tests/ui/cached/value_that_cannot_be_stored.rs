use redis_manager::cached;

#[derive(Clone)]
struct User;

#[cached(cache = "users", key = "user:{id}", ttl = "60s")]
async fn user(id: u64) -> Option<User> {
    (id > 0).then_some(User)
}

fn main() {}
