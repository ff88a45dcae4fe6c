use crate::support::{RedisServer, eventually};

#[tokio::test]
async fn a_server_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut server = RedisServer::absent(&[]);
    let redis = server.manager();
    assert!(!redis.set("k", "v").await);
    server.restart();
    eventually("the cache is back", || async { redis.set("k", "v").await }).await;
}
