use redis_manager::cached;

struct Shop {
    region: String,
}

impl Shop {
    #[cached(cache = "prices", key = "{self.regoin}", ttl = "60s")]
    async fn price(&self) -> usize {
        self.region.len()
    }
}

fn main() {}
