//! Lua scripts: digests, errors, shapes.

use redis_manager::{Config, ErrorKind, RedisManager, Reply, Script};

use crate::support::RedisServer;

#[tokio::test]
async fn a_script_is_loaded_once_and_then_known_by_its_digest() {
    let server = RedisServer::start();
    let redis = server.manager();
    let scripts = redis.service().scripts();
    let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for n in 1..=5_i64 {
        assert_eq!(scripts.run::<i64>(&add, "n", [1]).await.unwrap(), n);
    }
    let stats = server.command(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_evalsha:calls=5"), "{stats}");
    assert!(stats.contains("cmdstat_script|load:calls=1"), "{stats}");
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_again_and_nothing_runs_twice() {
    let server = RedisServer::start();
    let redis = server.manager();
    let scripts = redis.service().scripts();
    let add = Script::new("return redis.call('INCR', KEYS[1])");
    let nothing: [&str; 0] = [];
    assert_eq!(scripts.run::<i64>(&add, "n", nothing).await.unwrap(), 1);
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
    assert_eq!(scripts.run::<i64>(&add.clone(), "n", nothing).await.unwrap(), 2);
}

#[tokio::test]
async fn an_error_tells_the_line_of_the_script() {
    let server = RedisServer::start();
    let redis = server.manager();
    let scripts = redis.service().scripts();
    let nothing: [&str; 0] = [];
    let script = Script::new("local a = 1\nlocal b = nil\nreturn a .. b.c");
    let error = scripts.run::<Reply>(&script, nothing, nothing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(error.message().contains(":3:"), "{error}");
    let script = Script::new("return 1\nreturn return");
    let error = scripts.run::<Reply>(&script, nothing, nothing).await.unwrap_err();
    assert!(error.message().contains("user_script:2:"), "{error}");
    let script = Script::new("#!lua flags=no-writes\n\nreturn redis.call('SET', KEYS[1], 'x')");
    let error = scripts.run::<Reply>(&script, "k", nothing).await.unwrap_err();
    assert!(error.message().contains(":3"), "{error}");
    assert_eq!(redis.incr("n").await, Some(1), "the connection is as it was");
}

#[tokio::test]
async fn whatever_a_script_returns_comes_back() {
    let server = RedisServer::start();
    let redis = server.manager();
    let scripts = redis.service().scripts();
    let nothing: [&str; 0] = [];
    let cases = [
        ("return nil", Reply::Nil),
        ("", Reply::Nil),
        ("return false", Reply::Nil),
        ("return 7", Reply::Integer(7)),
        ("return redis.status_reply('OK')", Reply::Ok),
        ("return {}", Reply::Array(vec![])),
        (
            "return {'message', 'a', 'b'}",
            Reply::Array(["message", "a", "b"].map(|text| Reply::Bytes(text.into())).into()),
        ),
        (
            "return {'pmessage', 'a', 'b', 'c'}",
            Reply::Array(["pmessage", "a", "b", "c"].map(|text| Reply::Bytes(text.into())).into()),
        ),
        (
            "return {{'subscribe', 'a', 1}}",
            Reply::Array(vec![Reply::Array(vec![
                Reply::Bytes("subscribe".into()),
                Reply::Bytes("a".into()),
                Reply::Integer(1),
            ])]),
        ),
        ("return 1, 2", Reply::Integer(1)),
    ];
    for (source, right) in cases {
        let script = Script::new(source);
        assert_eq!(
            scripts.run::<Reply>(&script, nothing, nothing).await.unwrap(),
            right,
            "{source}"
        );
        let evaluated = scripts.eval::<Reply>(&script, nothing, nothing).await.unwrap();
        assert_eq!(evaluated, right, "{source}");
    }
    let script = Script::new("return redis.error_reply('MINE own error')");
    let error = scripts.run::<i64>(&script, nothing, nothing).await.unwrap_err();
    assert_eq!(error.server_code(), Some("MINE"), "{error}");
    assert_eq!(redis.metrics().connects, 1);
}

#[tokio::test]
async fn an_error_that_a_script_replies_never_runs_it_again() {
    let server = RedisServer::start();
    let redis = server.manager();
    let scripts = redis.service().scripts();
    let nothing: [&str; 0] = [];
    for code in ["NOSCRIPT No matching script.", "TRYAGAIN later", "MOVED 1 h:1"] {
        let script = Script::new(format!(
            "redis.call('INCR', KEYS[1]) return redis.error_reply('{code}')"
        ));
        let error = scripts.run::<i64>(&script, code, nothing).await.unwrap_err();
        assert!(error.message().starts_with(code) && !error.is_retryable(), "{error:?}");
        assert_eq!(redis.get(code).await.as_deref(), Some("1"), "{code}");
    }
}

#[tokio::test]
async fn a_read_only_script_reads_and_does_not_write() {
    let server = RedisServer::start();
    let redis = server.manager();
    redis.set("k", "v").await;
    let scripts = redis.service().scripts();
    let nothing: [&str; 0] = [];
    let read = Script::new("return redis.call('GET', KEYS[1])");
    let value: Option<String> = scripts.run_read_only(&read, "k", nothing).await.unwrap();
    assert_eq!(value.as_deref(), Some("v"));
    let write = Script::new("return redis.call('SET', KEYS[1], 'w')");
    let error = scripts.run_read_only::<Reply>(&write, "k", nothing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn keys_get_the_prefix_and_arguments_do_not() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.key_prefix = "app:".to_owned();
    let redis = RedisManager::new(config).unwrap();
    let script = Script::new("return {KEYS[1], KEYS[2], ARGV[1]}");
    let answer: (String, String, String) = redis.service().scripts().run(&script, ["a", "b"], ["c"]).await.unwrap();
    assert_eq!(answer, ("app:a".to_owned(), "app:b".to_owned(), "c".to_owned()));
}

#[tokio::test]
async fn the_embedded_backend_says_that_it_runs_no_scripts() {
    let redis = RedisManager::new(Config::from_url("memory://")).unwrap();
    let nothing: [&str; 0] = [];
    let script = Script::new("return 1");
    let error = redis
        .service()
        .scripts()
        .run::<i64>(&script, nothing, nothing)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
