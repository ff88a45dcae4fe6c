//! What users may rely on without reading: names, bounds, and that no type of the client library is among them.

use std::{fmt::Display, fs, future::Future, path::Path, time::Duration};

use redis_manager::{
    Answer, Batching, Capabilities, Config, Error, ErrorKind, Event, Gap, Health, HealthState, IncrRequest, IntoKeys,
    IntoTtl, Key, Lookup, Message, Metrics, RedisManager, Result, Secret, SetManyRequest, SetRequest, Subscription,
    Ttl, Value, redis_manager,
};

fn is_shared<T: Send + Sync + 'static>() {}

fn is_error<T: std::error::Error + Send + Sync + Clone + 'static>() {}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn a_manager_is_shared_between_threads() {
    is_shared::<RedisManager>();
}

#[test]
fn an_error_goes_wherever_errors_go() {
    is_error::<Error>();
    let error = Config::from_vars([("REDIS_PORT".to_owned(), "x".to_owned())]).unwrap_err();
    let _boxed: Box<dyn std::error::Error + Send + Sync> = error.into();
}

#[test]
fn plain_data_is_shared_between_threads() {
    is_shared::<Capabilities>();
    is_shared::<Config>();
    #[cfg(feature = "encryption")]
    is_shared::<redis_manager::EncryptionKeys>();
    is_shared::<ErrorKind>();
    is_shared::<Health>();
    is_shared::<Event>();
    is_shared::<Gap>();
    is_shared::<Key>();
    is_shared::<Message>();
    is_shared::<Subscription>();
    is_shared::<Lookup<String>>();
    is_shared::<Metrics>();
    is_shared::<Secret>();
    is_shared::<Ttl>();
    is_shared::<Value>();
}

#[test]
fn the_names_that_users_write_exist() {
    fn set(redis: &RedisManager) -> SetRequest<'_> {
        redis.set("k", "v")
    }
    fn set_many(redis: &RedisManager) -> SetManyRequest<'_> {
        redis.set_many([("k", "v")])
    }
    fn incr(redis: &RedisManager) -> IncrRequest<'_> {
        redis.incr("k")
    }
    fn answer(redis: &RedisManager) -> Answer<'_, bool> {
        set(redis).into_future()
    }
    fn keys(keys: impl IntoKeys) -> Vec<Key> {
        keys.into_keys()
    }
    fn ttl(ttl: impl IntoTtl) -> Result<Ttl> {
        ttl.into_ttl()
    }
    fn is_config(error: &Error) -> bool {
        error.kind() == ErrorKind::Config
    }
    let off = RedisManager::disabled("names");
    drop((set(&off), set_many(&off), incr(&off), answer(&off)));
    assert_eq!(keys("k"), [Key::from("k")]);
    assert_eq!(ttl(Duration::from_millis(5)).unwrap(), Ttl::from_millis(5).unwrap());
    assert!(is_config(&RedisManager::new(Config::from_url("nowhere")).unwrap_err()));
    assert_eq!(Config::default().batching, Batching::On);
    assert_eq!(off.health().state, HealthState::Disabled);
    assert_eq!(off.capabilities(), off.service().capabilities());
}

#[test]
fn errors_and_kinds_say_what_they_are() {
    fn is_shown<T: Display>(shown: &T) -> String {
        shown.to_string()
    }
    let error = RedisManager::new(Config::from_url("nowhere")).unwrap_err();
    assert!(!is_shown(&error).is_empty());
    assert_eq!(error.code(), error.kind().code());
    assert!(!error.is_unavailable() && !error.is_timeout());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_can_be_spawned() {
    let set = tokio::spawn(async { redis_manager().set("k", "v").ex(60).nx().await });
    let get = tokio::spawn(async { redis_manager().get("k").await });
    let incr = tokio::spawn(async { redis_manager().incr("k").by(5).await });
    let many = tokio::spawn(async { redis_manager().set_many([("a", 1)]).px(5).await });
    // The global manager may be anything here; only that these compile and end is shown.
    tokio::join!(set, get, incr, many).0.unwrap();
}

#[tokio::test]
async fn the_future_of_every_call_is_send() {
    let redis = &RedisManager::disabled("an example");
    is_send(redis.initialize()).await;
    is_send(redis.get("k")).await;
    is_send(redis.get_bytes("k")).await;
    is_send(redis.get_json::<Vec<String>>("k")).await;
    is_send(redis.get_many(["k"])).await;
    is_send(redis.lookup("k")).await;
    is_send(redis.set("k", "v").into_future()).await;
    is_send(redis.set_json("k", "v").into_future()).await;
    is_send(redis.set_many([("k", "v")]).into_future()).await;
    is_send(redis.delete(["k"])).await;
    is_send(redis.exists("k")).await;
    is_send(redis.expire("k", 60)).await;
    is_send(redis.ttl("k")).await;
    is_send(redis.incr("k").into_future()).await;
    is_send(redis.decr("k").into_future()).await;
    is_send(redis.hset("h", "f", "v")).await;
    is_send(redis.hset_many("h", [("f", "v")])).await;
    is_send(redis.hget("h", "f")).await;
    is_send(redis.publish("c", "m")).await;
    drop(is_send(redis.service().pubsub().subscribe("c")).await);
    is_send(redis.disconnect()).await;
}

/// Options read like keyword arguments: a request is built in a function and awaited elsewhere.
#[tokio::test]
async fn a_request_can_be_handed_around_before_it_is_awaited() {
    fn for_a_minute<'a>(request: SetRequest<'a>) -> impl Future<Output = bool> + Send + 'a {
        request.ex(60).into_future()
    }
    let redis = RedisManager::new(Config::from_url("memory://")).unwrap();
    assert!(for_a_minute(redis.set("k", "v")).await);
    assert!(redis.ttl("k").await > 0);
}

#[test]
fn no_type_of_the_client_library_is_public_but_through_the_hatches() {
    let mut found = Vec::new();
    for (path, source) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let names = names_of_fred(&source);
        for signature in public_signatures(&source) {
            let words = signature.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.clone().any(|word| names.iter().any(|name| name == word)) {
                found.push(format!("{path}: {signature}"));
            }
        }
    }
    assert_eq!(
        found,
        [
            "manager.rs: pub fn client(&self) -> Option<fred::clients::Client>",
            "service.rs: pub fn from_client(client: &fred::clients::Client) -> Result<Self>"
        ],
        "the two documented hatches: a client out, and a client in"
    );
}

/// All source files below a folder, by their path from there.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let within = sources(&path);
            found.extend(
                within
                    .into_iter()
                    .map(|(path, source)| (format!("{name}/{path}"), source)),
            );
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// `fred`, and whatever a file imports from it.
fn names_of_fred(source: &str) -> Vec<String> {
    let imports = source.split("use fred::").skip(1);
    let imports = imports.filter_map(|rest| rest.split(';').next());
    let words = imports.flat_map(|import| import.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let types = words.filter(|word| word.starts_with(char::is_uppercase));
    types.map(str::to_owned).chain(["fred".to_owned()]).collect()
}

/// What stands after an unrestricted `pub`, or makes up an `impl`, up to its body; on one line.
fn public_signatures(source: &str) -> Vec<String> {
    let code: Vec<_> = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .collect();
    let begins = |line: &&str| line.starts_with("pub ") || line.starts_with("impl");
    let starts = code.iter().enumerate().filter(|(_, line)| begins(line));
    let signature = |(start, _): (usize, &&str)| {
        let rest = code[start..].join(" ");
        let end = rest.find(['{', ';', '=']).unwrap_or(rest.len());
        // An import names what it re-exports within its braces.
        let end = if rest.starts_with("pub use") {
            rest.find(';').unwrap_or(end)
        } else {
            end
        };
        rest[..end].trim().to_owned()
    };
    starts.map(signature).collect()
}
