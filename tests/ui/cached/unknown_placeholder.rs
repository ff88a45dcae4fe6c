use redis_manager::cached;

#[cached(cache = "users", key = "user:{idd}", ttl = "60s", tags = ["tenant:{tenant}"])]
async fn user(id: u64, region: &str) -> String {
    format!("{id}{region}")
}

#[cached(cache = "users", key = "{self.region}", ttl = "60s")]
async fn users() -> u64 {
    7
}

fn main() {}
