use redis_manager::redis_key;

redis_key! { UserProfile => "user:{idd}:profile" { id: u64 } }

fn main() {}
