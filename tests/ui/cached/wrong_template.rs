use redis_manager::cached;

#[cached(cache = "users", key = "user:{id", ttl = "60s", tags = ["{id}-{region}", "{id:02}", "all}"])]
async fn user(id: u64, region: &str) -> String {
    format!("{id}{region}")
}

fn main() {}
