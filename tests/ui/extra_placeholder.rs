use redis_manager::redis_key;

redis_key! { UserProfile => "user:{id}:{region}" { id: u64 } }

fn main() {}
