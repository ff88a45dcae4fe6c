use redis_manager::redis_key;

redis_key! { UserProfile => "user:{tags}" { tags: Vec<String> } }

fn main() {}
