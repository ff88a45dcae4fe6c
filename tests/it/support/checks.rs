//! What a manager does, whatever leads to its server.

use std::time::Duration;

use redis_manager::RedisManager;

/// Reads a key until the near cache answers for it.
#[cfg(feature = "near-cache")]
pub async fn is_near(redis: &RedisManager, key: &str) {
    super::eventually("the key is near", || async {
        let before = redis.metrics().near_hits;
        redis.get(key).await;
        redis.metrics().near_hits > before
    })
    .await;
}

/// Checks that the server refuses the user or the password, and that the reason is told.
pub async fn assert_locked_out(redis: &RedisManager) {
    assert!(!redis.initialize().await);
    let reason = redis.health().reason.unwrap();
    assert!(reason.contains("user or password"), "{reason}");
}

/// Uses what needs connections beside the main one: large values, transactions, lists and waiting.
pub async fn assert_further_connections(redis: &RedisManager) {
    let large = "x".repeat(2 << 20);
    assert!(redis.set("large", &large).await);
    for _ in 0..3 {
        assert_eq!(redis.get("large").await.as_deref(), Some(large.as_str()));
    }
    let service = redis.service();
    let (strings, lists) = (service.string(), service.list());
    let answers: (i64, i64) = service
        .transaction((strings.incr_by("n", 2), strings.incr_by("n", 3)))
        .await
        .unwrap();
    assert_eq!(answers, (2, 5));
    lists.rpush("queue", ["a", "b"]).await.unwrap();
    let all: Vec<String> = lists.lrange("queue", 0, -1).await.unwrap();
    assert_eq!(all, ["a", "b"]);
    let popped = lists.blpop::<String>(["queue"], Duration::from_secs(1)).await.unwrap();
    assert_eq!(popped.unwrap().1, "a");
}
