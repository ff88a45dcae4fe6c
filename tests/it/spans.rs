//! One span for each call at DEBUG, named as OpenTelemetry names a database client's.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use redis_manager::{Config, Lookup, RedisManager};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::support::{RedisServer, eventually, logs::Logs};

/// The spans that were made on this thread while it lives, in their order.
struct Spans {
    made: Made,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<Span>>>);

/// Fields by name; `name` is the span's own, unless a field has that name.
type Span = BTreeMap<&'static str, String>;

/// Where among those made a span stands.
struct Place(usize);

struct Fields<'a>(&'a mut Span);

impl Spans {
    fn collect(level: LevelFilter) -> Self {
        let made = Made::default();
        let subscriber = Registry::default().with(made.clone().with_filter(level));
        Self {
            made,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Returns what was made since it was last asked.
    fn take(&self) -> Vec<Span> {
        std::mem::take(&mut self.made.0.lock().unwrap())
    }

    /// Returns the only one made since it was last asked.
    fn one(&self) -> Span {
        let mut made = self.take();
        assert_eq!(made.len(), 1, "one span for one call: {made:?}");
        made.pop().unwrap()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Made {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("redis_manager") {
            return;
        }
        let mut span = Span::from([("name", attributes.metadata().name().to_owned())]);
        attributes.record(&mut Fields(&mut span));
        let mut made = self.0.lock().unwrap();
        context.span(id).unwrap().extensions_mut().insert(Place(made.len()));
        made.push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let extensions = span.extensions();
        let Some(Place(place)) = extensions.get() else { return };
        if let Some(span) = self.0.lock().unwrap().get_mut(*place) {
            values.record(&mut Fields(span));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn assert_fields(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(span.get(name).map(String::as_str), Some(*value), "{name} of {span:?}");
    }
}

/// A manager that is connected, so that spans tell of calls only.
async fn connected(server: &RedisServer) -> RedisManager {
    let redis = server.manager();
    assert!(redis.initialize().await);
    redis
}

/// Every method once, each one call.
async fn ask_everything(redis: &RedisManager) {
    redis.set("the-key", "sesame").ex(60).nx().await;
    redis.set_json("the-key", "sesame").await;
    redis.get("the-key").await;
    redis.get_bytes("the-key").await;
    redis.get_json::<String>("the-key").await;
    redis.lookup("the-key").await;
    redis.get_many(["the-key", "the-key 2"]).await;
    redis.set_many([("the-key", "sesame")]).await;
    redis.set_many([("the-key", "sesame")]).ex(60).await;
    redis.exists("the-key").await;
    redis.expire("the-key", 60).await;
    redis.ttl("the-key").await;
    redis.incr("the-key 3").await;
    redis.decr("the-key 3").await;
    redis.hset("the-key 4", "the-field", "sesame").await;
    redis.hget("the-key 4", "the-field").await;
    redis.delete(["the-key", "the-key 3"]).await;
}

#[tokio::test]
async fn a_call_is_one_span_with_the_names_of_opentelemetry() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("k").await;
    let span = spans.one();
    let port = server.port().to_string();
    assert_fields(
        &span,
        &[
            ("otel.name", "GET"),
            ("otel.kind", "client"),
            ("db.system.name", "redis"),
            ("db.operation.name", "GET"),
            ("db.namespace", "0"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
        ],
    );
}

#[tokio::test]
async fn every_call_is_named_as_redis_names_its_command() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    let spans = Spans::collect(LevelFilter::DEBUG);
    ask_everything(&redis).await;
    let made = spans.take();
    let names: Vec<_> = made.iter().map(|span| span["db.operation.name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "SET", "SET", "GET", "GET", "GET", "GET", "MGET", "MSET", "EVAL", "EXISTS", "PEXPIRE", "PTTL", "INCRBY",
            "INCRBY", "HSET", "HGET", "DEL"
        ]
    );
    assert!(made.iter().all(|span| span["otel.name"] == span["db.operation.name"]));
}

#[tokio::test]
async fn a_call_that_is_answered_well_records_no_error() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    let spans = Spans::collect(LevelFilter::DEBUG);
    ask_everything(&redis).await;
    redis.get("missing").await;
    for span in spans.take() {
        for field in ["error.type", "db.response.status_code", "otel.status_code"] {
            assert!(!span.contains_key(field), "{field} in {span:?}");
        }
    }
}

#[tokio::test]
async fn an_error_that_the_server_replied_is_recorded_with_its_code() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    redis.hset("h", "f", "v").await;
    redis.set("k", "v").await;
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("h").await;
    let wrong_type = [
        ("otel.status_code", "ERROR"),
        ("error.type", "wrong_type"),
        ("db.response.status_code", "WRONGTYPE"),
    ];
    assert_fields(&spans.one(), &wrong_type);
    redis.incr("k").await;
    assert_fields(
        &spans.one(),
        &[("error.type", "server"), ("db.response.status_code", "ERR")],
    );
}

#[tokio::test]
async fn a_call_in_an_outage_is_recorded_as_such() {
    let mut server = RedisServer::start();
    let redis = connected(&server).await;
    server.kill();
    eventually("the outage is noticed", || async { !redis.is_enabled() }).await;
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("k").await;
    let span = spans.one();
    assert_fields(&span, &[("otel.status_code", "ERROR"), ("error.type", "unavailable")]);
    assert!(
        !span.contains_key("db.response.status_code"),
        "nothing was replied: {span:?}"
    );
}

#[tokio::test]
async fn a_call_that_times_out_is_recorded_as_such() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    server.stop();
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("k").await;
    let span = spans.one();
    server.resume();
    assert_fields(&span, &[("otel.status_code", "ERROR"), ("error.type", "timeout")]);
}

#[tokio::test]
async fn the_number_of_the_database_is_the_namespace() {
    let server = RedisServer::start();
    let redis = RedisManager::new(Config::from_url(format!("{}/7", server.url()))).unwrap();
    assert!(redis.initialize().await);
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("k").await;
    assert_fields(&spans.one(), &[("db.namespace", "7")]);
}

#[tokio::test]
async fn a_unix_socket_is_an_address_without_a_port() {
    let server = RedisServer::start();
    let url = format!("unix://{}", server.socket().display());
    let redis = RedisManager::new(Config::from_url(url)).unwrap();
    assert!(redis.initialize().await);
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("k").await;
    let span = spans.one();
    assert_fields(&span, &[("server.address", server.socket().to_str().unwrap())]);
    assert!(!span.contains_key("server.port"), "{span:?}");
}

#[tokio::test]
async fn the_embedded_store_makes_the_same_spans() {
    let redis = RedisManager::new(Config::from_url("memory://")).unwrap();
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.hset("h", "f", "v").await;
    assert_fields(&spans.one(), &[("otel.name", "HSET"), ("db.system.name", "redis")]);
    redis.get("h").await;
    assert_fields(
        &spans.one(),
        &[("error.type", "wrong_type"), ("db.response.status_code", "WRONGTYPE")],
    );
}

#[tokio::test]
async fn a_disabled_manager_makes_no_span() {
    let redis = RedisManager::disabled("an example");
    let spans = Spans::collect(LevelFilter::DEBUG);
    ask_everything(&redis).await;
    assert_eq!(spans.take(), Vec::<Span>::new());
}

#[tokio::test]
async fn a_key_is_known_by_a_short_hash() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    let spans = Spans::collect(LevelFilter::DEBUG);
    redis.get("user:7").await;
    redis.set("user:7", "v").await;
    redis.get("user:8").await;
    let hashes: Vec<_> = spans
        .take()
        .iter()
        .map(|span| span["redis_manager.key_hash"].clone())
        .collect();
    assert_eq!(hashes[0], hashes[1], "the same key");
    assert_ne!(hashes[0], hashes[2], "another key");
    assert!(hashes[0].len() == 8 && hashes[0].bytes().all(|digit| digit.is_ascii_hexdigit()));
}

#[tokio::test]
async fn no_span_shows_a_key_a_field_or_a_value() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    let spans = Spans::collect(LevelFilter::TRACE);
    ask_everything(&redis).await;
    redis.get("the-key 4").await;
    let made = format!("{:?}", spans.take());
    for secret in ["sesame", "the-key", "the-field"] {
        assert!(!made.contains(secret), "{secret} stands in {made}");
    }
}

#[tokio::test]
async fn no_line_of_any_log_shows_a_key_a_field_or_a_value() {
    let logs = Logs::collect(tracing::Level::TRACE);
    let server = RedisServer::start();
    let redis = connected(&server).await;
    ask_everything(&redis).await;
    redis.hset("the-key 4", "the-field", "sesame").await;
    redis.get("the-key 4").await;
    redis.incr("the-key 4").await;
    redis.set("the-key", "sesame").await;
    redis.hset("the-key", "the-field", "sesame").await;
    redis.get_json::<u8>("the-key").await;
    redis.incr("the-key").await;
    assert!(logs.count("WARN") > 0, "the test would see it");
    for secret in ["sesame", "the-key", "the-field"] {
        assert_eq!(logs.count(secret), 0, "{secret} stands in {}", logs.text());
    }
}

#[tokio::test]
async fn what_a_call_answers_does_not_depend_on_the_level() {
    let redis = RedisServer::absent(&[]).manager();
    assert!(!redis.initialize().await);
    let kind = || async {
        match redis.lookup("").await {
            Lookup::Unavailable(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    };
    let without = kind().await;
    let _spans = Spans::collect(LevelFilter::DEBUG);
    assert_eq!(kind().await, without);
}

#[tokio::test]
async fn at_info_no_call_makes_a_span() {
    let server = RedisServer::start();
    let redis = connected(&server).await;
    let spans = Spans::collect(LevelFilter::INFO);
    ask_everything(&redis).await;
    redis.hset("h", "f", "v").await;
    redis.get("h").await;
    assert_eq!(spans.take(), Vec::<Span>::new());
}
