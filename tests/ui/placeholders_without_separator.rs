use redis_manager::redis_key;

redis_key! { UserProfile => "user:{id}-{name}" { id: u64, name: String } }

fn main() {}
