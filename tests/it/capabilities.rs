//! What a server can: found out in the background, hidden at times, and what follows from that.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    time::Duration,
};

use redis_manager::{Capabilities, Config, ErrorKind, Flavour, RedisManager, ScoreBound, Script, ServerMode, Support};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{
    json_module::server::Shared,
    support::{Proxy, RedisServer, eventually, is_back, is_surveyed, logs::Logs},
};

/// What `INFO` says of the server.
fn told(server: &RedisServer, name: &str) -> Option<String> {
    let info = server.command(&["INFO", "server"]);
    let value = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    value.map(|value| value.trim().to_owned())
}

fn told_version(server: &RedisServer) -> Option<String> {
    told(server, "valkey_version").or_else(|| told(server, "redis_version"))
}

/// How often a command was executed.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let statistics = server.command(&["INFO", "commandstats"]);
    let begin = format!("cmdstat_{command}:calls=");
    let calls = statistics.lines().find_map(|line| line.strip_prefix(&begin));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

/// Ends all connections of managers, and waits until one is back.
async fn reconnect(server: &RedisServer, redis: &RedisManager) {
    let connects = redis.metrics().connects;
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    eventually("it has connected anew", || async {
        redis.metrics().connects > connects
    })
    .await;
    is_back(redis).await;
}

/// A manager that logs in as a user of these rights.
fn with_rights(server: &RedisServer, rights: &[&str]) -> RedisManager {
    allow(server, rights);
    RedisManager::new(Config::from_url(format!(
        "redis://ada:sesame@127.0.0.1:{}",
        server.port()
    )))
    .unwrap()
}

fn allow(server: &RedisServer, rights: &[&str]) {
    let words = [&["ACL", "SETUSER", "ada", "reset", "on", ">sesame", "~*", "&*"], rights].concat();
    assert_eq!(server.command(&words), "+OK");
}

/// What managed offerings hide, and more.
const HIDDEN: [&str; 8] = [
    "+@all", "-info", "-client", "-config", "-command", "-eval", "-evalsha", "-script",
];

#[tokio::test]
async fn a_server_shows_what_it_can() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert_eq!(redis.capabilities(), Capabilities::default(), "nobody was asked yet");
    assert!(redis.initialize().await);
    let can = is_surveyed(&redis).await;
    assert_eq!(can.version.map(|version| version.to_string()), told_version(&server));
    assert_eq!(can.mode, ServerMode::Standalone);
    assert!(
        can.modules
            .as_ref()
            .is_some_and(|modules| !modules.contains(&"ReJSON".to_owned()))
    );
    assert_eq!(
        (can.scripts, can.tracking, can.getex),
        (Support::Yes, Support::Yes, Support::Yes)
    );
    assert_eq!(can.json, Support::No);
    let Some(version) = can.version else { unreachable!() };
    let since = |major, minor| Support::from((version.major, version.minor) >= (major, minor));
    if can.flavour == Flavour::Redis {
        let newer = [can.sintercard, can.functions, can.read_only_scripts, can.sharded_pubsub];
        assert_eq!(newer, [since(7, 0); 4]);
        assert_eq!(
            [can.zrank_with_score, can.field_expiry, can.msetex],
            [since(7, 2), since(7, 4), since(8, 4)]
        );
    } else {
        assert_eq!(can.flavour, Flavour::Valkey);
    }
    assert_eq!(redis.service().capabilities(), can);
    redis.disconnect().await;
    assert_eq!(redis.capabilities(), can, "it is remembered");
}

/// The commands that a server receives from now on, as `MONITOR` shows them.
struct Monitor {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Monitor {
    fn of(server: &RedisServer) -> Self {
        let mut stream = UnixStream::connect(server.socket()).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "+OK");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&seen);
        // It ends with the server.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let command = line.split_once("] ").unwrap().1.to_owned();
                kept.lock().unwrap().push(command);
            }
        });
        Self { seen }
    }

    /// The place of the one command that begins so.
    fn place(&self, begin: &str) -> usize {
        let seen = self.seen.lock().unwrap().clone();
        let places: Vec<_> = (0..seen.len()).filter(|at| seen[*at].starts_with(begin)).collect();
        assert_eq!(places.len(), 1, "{begin} in {seen:?}");
        places[0]
    }

    fn has(&self, begin: &str) -> bool {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .any(|command| command.starts_with(begin))
    }
}

#[tokio::test]
async fn callers_ask_first_and_the_server_is_asked_once() {
    let server = RedisServer::start();
    let monitor = Monitor::of(&server);
    let redis = server.manager();
    assert!(redis.set("first", 1).await);
    is_surveyed(&redis).await;
    for _ in 0..20 {
        assert!(redis.set("second", 1).ex(60).await);
        let error = redis.service().json_module().get::<u8>("k", "$").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert!(redis.set("last", 1).await);
    eventually("the server tells of the last", || async {
        monitor.has(r#""SET" "last""#)
    })
    .await;
    let first = monitor.place(r#""SET" "first""#);
    for question in [
        r#""COMMAND" "LIST""#,
        r#""EVAL" "return 1" "0""#,
        r#""CLIENT" "TRACKING" "OFF""#,
    ] {
        assert!(monitor.place(question) > first, "{question}");
    }
    assert!(!monitor.has(r#""JSON"#));
}

#[tokio::test]
async fn it_is_asked_anew_after_every_connection() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.acl");
    let write = |rights: &str| {
        let root = "user default on nopass ~* &* +@all";
        std::fs::write(&users, format!("{root}\nuser ada on >sesame ~* &* +@all {rights}\n")).unwrap();
    };
    write("-eval -info");
    let mut server = RedisServer::start_with(&["--aclfile", users.to_str().unwrap()]);
    let url = format!("redis://ada:sesame@127.0.0.1:{}", server.port());
    let redis = RedisManager::new(Config::from_url(url)).unwrap();
    assert!(redis.initialize().await);
    assert_eq!(is_surveyed(&redis).await.scripts, Support::No);
    assert_eq!(calls(&server, "command|list"), 1);

    let rights = ["ACL", "SETUSER", "ada", "+eval"];
    assert_eq!(server.command(&rights), "+OK");
    reconnect(&server, &redis).await;
    let scripts = |expected| {
        let redis = &redis;
        eventually("it is asked anew", move || async move {
            redis.capabilities().scripts == expected
        })
    };
    scripts(Support::Yes).await;
    assert_eq!(calls(&server, "command|list"), 2);

    server.kill();
    write("-eval");
    server.restart();
    is_back(&redis).await;
    scripts(Support::No).await;
    assert_eq!(calls(&server, "command|list"), 1);
}

/// Everything that needs no script and no secret of the server's.
async fn everything_works(redis: &RedisManager) {
    let service = redis.service();
    let before = redis.metrics();
    assert!(redis.set("k", "v").await);
    assert!(redis.set("e", "v").ex(60).await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(redis.incr("n").await, Some(1));
    assert!(redis.ttl("e").await > 0);
    assert!(redis.set_many([("a", 1), ("b", 2)]).await);
    assert_eq!(redis.hset("h", "f", "v").await, 1);
    let (lists, zset) = (service.list(), service.zset());
    lists.rpush("l", ["message", "x", "y", "z", "last"]).await.unwrap();
    assert_eq!(lists.lrange::<String>("l", 0, 2).await.unwrap(), ["message", "x", "y"]);
    let taken: Vec<String> = lists.lpop_many("l", 4).await.unwrap();
    assert_eq!(taken, ["message", "x", "y", "z"]);
    let error = lists.lpop_many::<String>("k", 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    zset.zadd("z", [("subscribe", 1.0), ("a", 2.0), ("b", 3.0)])
        .await
        .unwrap();
    let (low, high) = (ScoreBound::from(0.0), ScoreBound::from(5.0));
    let range = zset.zrangebyscore::<String>("z", low, high).await.unwrap();
    assert_eq!(range, ["subscribe", "a", "b"]);
    let (all, count): (Vec<String>, u64) = service
        .transaction((service.set().smembers("nobody"), zset.zcard("z")))
        .await
        .unwrap();
    assert_eq!((all.len(), count), (0, 3));
    lists.rpush("l", ["message", "x"]).await.unwrap();
    let (taken, left): (Vec<String>, u64) = service
        .transaction((lists.lpop_many("l", 3), lists.llen("l")))
        .await
        .unwrap();
    assert_eq!(
        (taken, left),
        (vec!["last".to_owned(), "message".to_owned(), "x".to_owned()], 0)
    );
    lists.rpush("l", ["w"]).await.unwrap();
    let popped = lists.blpop::<String>("l", Duration::from_secs(1)).await.unwrap();
    assert_eq!(popped.map(|(_, element)| element).as_deref(), Some("w"));
    // Dropped while it waits: what comes meanwhile is not lost.
    let waiting = lists.blpop::<String>("l", Duration::from_millis(300));
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    lists.rpush("l", ["kept"]).await.unwrap();
    eventually("it is put back", || async {
        lists.lrange::<String>("l", 0, -1).await.unwrap() == ["kept"]
    })
    .await;
    let error = service.json_module().get::<u8>("k", "$").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    redis.delete(["k", "e", "n", "a", "b", "h", "l", "z"]).await;
    assert_eq!(redis.metrics().outages, before.outages, "{:?}", redis.metrics());
}

/// Writes that expire, from so many tasks that they share round trips.
async fn expiring_writes_work(redis: &Arc<RedisManager>) {
    let mut tasks = JoinSet::new();
    for task in 0..64_u64 {
        let redis = Arc::clone(redis);
        tasks.spawn(async move {
            for round in 0..10 {
                let ttl = 60_000 + (task + round) % 3;
                assert!(redis.set(format!("e:{task}"), round).px(ttl).await);
            }
            let ttl = redis.ttl(format!("e:{task}")).await;
            assert!((1..=60).contains(&ttl), "{ttl}");
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn a_user_from_whom_much_is_hidden_is_served() {
    let logs = Logs::collect(tracing::Level::INFO);
    let server = RedisServer::start();
    let redis = Arc::new(with_rights(&server, &HIDDEN));
    assert!(redis.set("k", "v").await);
    let can = is_surveyed(&redis).await;
    assert_eq!(
        (can.scripts, can.tracking, can.json),
        (Support::No, Support::No, Support::Unknown)
    );
    assert_eq!(can.version.map(|version| version.to_string()), told_version(&server));
    assert_ne!((can.flavour, can.getex), (Flavour::Unknown, Support::Unknown));
    for _ in 0..3 {
        everything_works(&redis).await;
        expiring_writes_work(&redis).await;
        reconnect(&server, &redis).await;
    }
    for told in ["(INFO)", "(COMMAND)", "runs no scripts"] {
        assert_eq!(logs.count(told), 1, "{told}: {}", logs.text());
    }
    assert_eq!(logs.count("'eval'"), 1, "with the server's reason: {}", logs.text());
    assert_eq!(calls(&server, "eval"), 0);
    let nothing: [&str; 0] = [];
    let script = Script::new("return 1");
    let error = redis.service().scripts().run::<u8>(&script, nothing, nothing).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Auth);
}

#[tokio::test]
async fn a_server_that_lists_no_commands_is_asked_about_the_one_that_is_needed() {
    let server = RedisServer::start();
    let redis = with_rights(&server, &["+@all", "-command|list"]);
    assert!(redis.initialize().await);
    assert_eq!(is_surveyed(&redis).await.json, Support::Unknown);
    // What is no UTF-8 would come back in the error of an unknown command, and end the connection.
    let text = "\u{e9}".repeat(100);
    for _ in 0..5 {
        let error = redis.service().json_module().set("k", "$", &text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert_eq!(calls(&server, "command|getkeys"), 1);
    assert_eq!(redis.metrics().connects, 1);
}

#[tokio::test]
async fn a_server_whose_commands_have_no_names_any_more_serves() {
    let mut arguments = Vec::new();
    for command in [
        "INFO", "CLIENT", "COMMAND", "CONFIG", "EVAL", "EVALSHA", "SCRIPT", "ACL",
    ] {
        arguments.extend(["--rename-command", command, ""]);
    }
    let server = RedisServer::start_with(&arguments);
    let redis = Arc::new(server.manager());
    assert!(redis.set("k", "v").await);
    let can = is_surveyed(&redis).await;
    assert_eq!((can.scripts, can.tracking), (Support::No, Support::No));
    assert!(can.version.is_some());
    everything_works(&redis).await;
    expiring_writes_work(&redis).await;
    assert_eq!(redis.metrics().connects, 1);
}

/// A relay before a server that notes what clients say, and ends a connection on which they say what it does not like.
struct Relay {
    url: String,
    said: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Relay {
    async fn before(port: u16, disliked: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let heard = Arc::clone(&said);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&heard), disliked));
            }
        });
        Self { url, said, task }
    }

    fn heard(&self, what: &str) -> usize {
        let said = self.said.lock().unwrap();
        said.windows(what.len())
            .filter(|words| *words == what.as_bytes())
            .count()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, heard: Arc<Mutex<Vec<u8>>>, disliked: &'static [u8]) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            Ok(count @ 1..) = client.read(&mut asked) => {
                let asked = &asked[..count];
                if !disliked.is_empty() && asked.windows(disliked.len()).any(|words| words == disliked) {
                    return;
                }
                heard.lock().unwrap().extend_from_slice(asked);
                server.write_all(asked).await.unwrap();
            }
            Ok(count @ 1..) = server.read(&mut answered) => client.write_all(&answered[..count]).await.unwrap(),
            else => return,
        }
    }
}

#[tokio::test]
async fn a_server_that_ends_the_connection_when_it_is_asked_is_used_all_the_same() {
    let server = RedisServer::start();
    let relay = Relay::before(server.port(), b"COMMAND").await;
    let redis = RedisManager::new(Config::from_url(&*relay.url)).unwrap();
    // Asked after 1, 8, 64 and 512 ms, and then not for four seconds.
    eventually("it is asked ever more rarely", || async {
        redis.set("k", "v").await;
        redis.metrics().connects >= 5
    })
    .await;
    for _ in 0..50 {
        assert!(redis.set("k", "v").await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(redis.capabilities(), Capabilities::default());
}

#[tokio::test]
async fn a_stalled_server_is_asked_when_it_answers_again() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    assert!(redis.initialize().await);
    proxy.stall();
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.restore();
    assert_eq!(is_surveyed(&redis).await.scripts, Support::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_expire_leave_as_one_command_where_the_server_has_it() {
    let server = Shared::join();
    let relay = Relay::before(server.port(), b"").await;
    let mut config = Config::from_url(&*relay.url);
    config.key_prefix = "msetex:".to_owned();
    // No busy machine reaches it.
    config.socket_timeout = Duration::from_secs(10);
    let redis = Arc::new(RedisManager::new(config).unwrap());
    assert!(redis.set("k", "v").await);
    let can = is_surveyed(&redis).await;
    assert_eq!((can.msetex, can.json), (Support::Yes, Support::Yes));
    assert_eq!(
        (can.scripts, can.flavour),
        (Support::No, Flavour::Other("fakeredis".to_owned()))
    );

    let strings = redis.service().string();
    assert!(strings.set_many([("a", 1), ("b", 2)]).ex(60).await.unwrap());
    assert_eq!(relay.heard("MSETEX"), 1);
    assert_eq!(strings.get::<u8>("b").await.unwrap(), Some(2));
    assert!((1..=60).contains(&redis.ttl("b").await));

    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let redis = Arc::clone(&redis);
        tasks.spawn(async move {
            let key = format!("batched:{task}");
            for round in 0..5 {
                assert!(redis.set(&key, round).ex(60).await);
                assert_eq!(redis.get(&key).await.as_deref(), Some(&*round.to_string()));
            }
            assert!((1..=60).contains(&redis.ttl(&key).await));
        });
    }
    tasks.join_all().await;
    let (together, singly) = (relay.heard("MSETEX") - 1, relay.heard("$3\r\nSET\r\n"));
    assert!(
        together > 0 && together + singly < 64 * 5,
        "{together} batches, {singly} alone"
    );
    assert_eq!(
        relay.heard("$4\r\nEVAL\r\n"),
        1,
        "the one that asks whether scripts run"
    );
    assert_eq!(redis.metrics().connects, 1);
}
