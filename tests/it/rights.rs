//! The rights that `docs/deployment.md` lists: with them everything works, and every command that the crate names is among them.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use redis_manager::{Cache, CachePolicy, Config, ErrorKind, Load, RedisManager, Script};

use crate::support::{RedisServer, eventually};

/// Words of commands that are no commands: options, codes, and what a server need not have.
const OTHERS: [&str; 44] = [
    "AFTER",
    "AGGREGATE",
    "BEFORE",
    "BYLEX",
    "BYSCORE",
    "CH",
    "COUNT",
    "FIELDS",
    "GT",
    "INCR",
    "LEFT",
    "LIMIT",
    "LT",
    "MATCH",
    "MAX",
    "MAXLEN",
    "MIN",
    "NOSCRIPT",
    "NX",
    "PX",
    "PXAT",
    "RANK",
    "REPLACE",
    "REV",
    "RIGHT",
    "WEIGHTS",
    "WITHSCORE",
    "WITHSCORES",
    "XX",
    "HPERSIST",
    "HPEXPIRE",
    "HPTTL",
    "MSETEX",
    "ON",
    "OFF",
    "REDIRECT",
    "BCAST",
    "PREFIX",
    "KEYS",
    "ARGV",
    "KEEPTTL",
    "GET-MASTER-ADDR-BY-NAME",
    "MASTER",
    "OK",
];

/// The rules under a heading of the document, or all.
fn rules(headings: &[&str]) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deployment.md");
    let text = fs::read_to_string(file).unwrap();
    let (_, block) = text.split_once("```text\n# every service").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut rules = Vec::new();
    let mut heading = "every service".to_owned();
    for line in block.lines() {
        match line.strip_prefix("# ") {
            Some(next) => next.clone_into(&mut heading),
            None if headings.is_empty() || headings.iter().any(|wanted| heading.starts_with(wanted)) => {
                rules.extend(line.split(' ').filter(|rule| !rule.is_empty()).map(str::to_owned));
            }
            None => {}
        }
    }
    rules
}

/// A manager whose account has these rights, and only for keys with a prefix.
fn manager(server: &RedisServer, headings: &[&str], change: impl FnOnce(&mut Config)) -> RedisManager {
    let rules = rules(headings);
    assert!(!rules.is_empty());
    let mut words = vec![
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">sesame",
        "~app:*",
        "-@all",
        "resetchannels",
    ];
    words.extend(rules.iter().map(String::as_str));
    assert_eq!(server.command(&words), "+OK");
    let mut config = Config::from_url(server.url().replace("redis://", "redis://app:sesame@"));
    config.key_prefix = "app:".to_owned();
    change(&mut config);
    RedisManager::new(config).unwrap()
}

const FORGIVING: [&str; 3] = ["every service", "what a server is asked", "the forgiving face"];

#[tokio::test]
async fn the_forgiving_face_needs_no_more_than_its_list() {
    let server = RedisServer::start();
    let redis = manager(&server, &FORGIVING, |config| config.db = 2);
    assert!(redis.initialize().await, "{:?}", redis.health());
    assert!(redis.set("k", 1).await);
    assert!(redis.set("k", 2).ex(60).await);
    assert_eq!(redis.get("k").await.as_deref(), Some("2"));
    assert_eq!(redis.incr("k").by(3).await, Some(5));
    assert!(redis.set_many([("a", "1"), ("b", "2")]).await);
    assert!(redis.set_many([("a", "1"), ("b", "2")]).ex(60).await);
    assert_eq!(redis.get_many(["a", "b"]).await, [Some("1".into()), Some("2".into())]);
    assert!(redis.exists("k").await && redis.expire("k", 5).await && redis.ttl("k").await > 0);
    assert_eq!(redis.hset("h", "f", "v").await, 1);
    assert_eq!(redis.hget("h", "f").await.as_deref(), Some("v"));
    assert!(redis.set_json("j", &[1]).await);
    assert_eq!(redis.delete(["k", "a", "b", "h", "j"]).await, 5);
    let refused = redis.service().list().rpush("l", ["v"]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Auth, "what is not listed is refused");
}

#[tokio::test]
async fn everything_works_with_all_lists_together() {
    let server = RedisServer::start();
    let redis = manager(&server, &[], |_| {});
    let service = redis.service();
    let strings = service.string();
    assert!(redis.initialize().await, "{:?}", redis.health());
    strings.append("s", "a").await.unwrap();
    strings.incr_by("n", 2).await.unwrap();
    service.list().rpush("l", ["a", "b"]).await.unwrap();
    let list: Vec<String> = service.list().lrange("l", 0, -1).await.unwrap();
    assert_eq!(list, ["a", "b"]);
    let popped = service
        .list()
        .blpop::<String>("l", Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(popped.map(|(_, element)| element).as_deref(), Some("a"));
    service.set().sadd("set", ["m"]).await.unwrap();
    service.zset().zadd("z", [("m", 1.0)]).await.unwrap();
    service.transaction((strings.incr("n"),)).await.unwrap();
    let mut watch = service.watch("n").await.unwrap();
    assert_eq!(watch.commit((strings.incr("n"),)).await.unwrap(), Some((4,)));
    let script = Script::new("return redis.call('GET', KEYS[1])");
    let nothing: [&str; 0] = [];
    assert_eq!(service.scripts().run::<i64>(&script, "n", nothing).await.unwrap(), 4);
    assert_eq!(
        service
            .scripts()
            .run_read_only::<i64>(&script, "n", nothing)
            .await
            .unwrap(),
        4
    );
    assert!(service.keys().flush_prefix().await.unwrap() >= 5);
    assert_eq!(redis.metrics().outages, 0);
}

#[tokio::test]
async fn a_cache_needs_no_more_than_its_list() {
    let server = RedisServer::start();
    let headings = [&FORGIVING[..], &["caches"]].concat();
    let redis = manager(&server, &headings, |_| {});
    let policy = CachePolicy::new().distributed().sliding(Duration::from_millis(80));
    let users = redis.cache("users").with(policy).tagged(["all"]);
    let load = || async { Ok::<_, std::io::Error>(7_u8) };
    let give_tag = |_| async { Ok::<_, std::io::Error>(Load::new(7_u8).tag("odd")) };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<_, std::io::Error>(7_u8)
    };

    assert_eq!(users.get_or_load("a", load).await.unwrap(), 7);
    stored(&users, 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await; // an eighth of its idle time: its life begins anew
    assert_eq!(users.get("a").await, Some(7_u8));
    users.get_or_load_with("b", give_tag).await.unwrap();
    stored(&users, 2).await;
    assert!(users.put("c", &7_u8).await && users.expire("c").await && users.remove("c").await);
    assert_eq!(users.write("c", load).await.unwrap(), 7);
    assert!(users.invalidate_tag("odd").await && users.clear().await);

    // Another process waits for it, and is told.
    let neighbour = manager(&server, &headings, |_| {});
    let other = neighbour.cache("users").with(CachePolicy::new().distributed());
    let (own, others) = tokio::join!(users.get_or_load("d", slow), other.get_or_load("d", slow));
    assert_eq!((own.unwrap(), others.unwrap()), (7, 7));
    let (own, others) = (users.metrics(), other.metrics());
    assert_eq!(own.loads + others.loads, 3, "one of them has loaded");
    assert_eq!(own.not_stored + others.not_stored, 0);

    assert!(
        server
            .command(&["SET", "app:users:e", "of something else"])
            .starts_with("+OK")
    );
    assert_eq!(users.get::<u8>("e").await, None);
    assert_eq!(
        server.command(&["EXISTS", "app:users:e"]),
        ":0",
        "what cannot be read is removed"
    );
    assert_eq!(redis.metrics().outages, 0);
}

/// Waits until a cache has stored so many values: what was loaded is stored in the background.
async fn stored(cache: &Cache, count: u64) {
    eventually("it is stored", || async { cache.metrics().stored >= count }).await;
}

#[cfg(feature = "near-cache")]
#[tokio::test]
async fn the_near_cache_needs_no_more_than_its_list() {
    let server = RedisServer::start();
    let headings = [&FORGIVING[..], &["the near cache"]].concat();
    let redis = manager(&server, &headings, |config| config.near_cache_mb = 1);
    assert!(redis.set("k", "v").await);
    crate::support::checks::is_near(&redis, "k").await;
}

#[test]
fn every_command_that_the_crate_names_is_listed() {
    let listed: BTreeSet<_> = rules(&[])
        .iter()
        .filter_map(|rule| rule.strip_prefix('+'))
        .map(|name| name.replace('|', " ").to_ascii_uppercase())
        .collect();
    let mut missing = BTreeSet::new();
    for folder in ["src/service", "src/transport", "src/command.rs", "src/service.rs"] {
        look_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut |name| {
            let is_known = listed.contains(name) || OTHERS.contains(&name) || name.starts_with("JSON.");
            if !is_known {
                missing.insert(name.to_owned());
            }
        });
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(listed.contains("ZADD") && !listed.contains("KEYS"));
}

/// Shows every word in capitals that stands in the code as a command, tests aside.
fn look_into(path: &Path, show: &mut impl FnMut(&str)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look_into(&entry.unwrap().path(), show);
        }
        return;
    }
    // A file of tests, which are not in one of code.
    if path.ends_with("wire/entries/behaviour.rs") {
        return;
    }
    let source = fs::read_to_string(path).unwrap();
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for marker in [
            "Call::new(\"",
            "one(\"",
            "two(\"",
            "on(self.road, \"",
            "call(\"",
            "many(\"",
        ] {
            for (at, _) in line.match_indices(marker) {
                let name = line[at + marker.len()..].split('"').next().unwrap_or_default();
                let is_name = name.len() > 1
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || b"_. |".contains(&byte));
                if is_name {
                    show(name);
                }
            }
        }
    }
}
