//! One load in all processes: each child of a test is this binary again, with the one test that does a child's work.

use std::{
    convert::Infallible,
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis_manager::{CachePolicy, Served};

use crate::support::{RedisServer, SLACK, eventually, free_port, wait_until};

/// The variable that says what a child is to do: an address, and the length of its load and of its lease, in milliseconds.
const WORK: &str = "SHARED_CACHE_TEST_WORK";

/// What a child says begins so.
const MARK: &str = "the child says ";

/// A process with a cache of its own.
struct Process {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Process {
    /// Starts a process that will load for so long when it is told to go.
    fn start(url: &str, load: Duration, lease: Duration) -> Self {
        let work = format!("{url} {} {}", load.as_millis(), lease.as_millis());
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "shared_cache::processes::a_child_does_its_work",
                "--nocapture",
            ])
            .env(WORK, work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, said };
        assert_eq!(process.hear(), "ready");
        process
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// What it says next.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.said.read_line(&mut line).unwrap() > 0,
                "it has ended without a word"
            );
            if let Some((_, said)) = line.split_once(MARK) {
                return said.trim_end().to_owned();
            }
        }
    }

    /// How it got its value, and how long it took.
    fn outcome(&mut self) -> (String, Duration) {
        let said = self.hear();
        let (how, took) = said.split_once(' ').unwrap();
        (how.to_owned(), Duration::from_millis(took.parse().unwrap()))
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::print_stdout, reason = "its parent listens")]
fn say(what: &str) {
    println!("{MARK}{what}");
}

/// Nothing, unless it is a child that runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_child_does_its_work() {
    let Ok(work) = env::var(WORK) else { return };
    let [url, load, lease] = work.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let millis = |text: &str| Duration::from_millis(text.parse().unwrap());
    let (load, lease) = (millis(load), millis(lease));
    let redis = std::sync::Arc::new(redis_manager::RedisManager::new(redis_manager::Config::from_url(url)).unwrap());
    redis.initialize().await;
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let began = Instant::now();
    let counted = std::sync::Arc::clone(&redis);
    let loader = move |_loading| async move {
        counted.incr("loads").await;
        tokio::time::sleep(load).await;
        Ok::<_, Infallible>(redis_manager::Load::new(7_u64))
    };
    let cache = redis.cache("c").with(CachePolicy::new().lease(lease));
    let answer = cache.get_or_load_with("k", loader).await.unwrap();
    assert_eq!(answer.value, Some(7));
    let how = match answer.served {
        Served::Loaded => "loaded",
        Served::Fresh => "fresh",
        Served::Cached { .. } => "cached",
        _ => "otherwise",
    };
    say(&format!("{how} {}", began.elapsed().as_millis()));
    // What was loaded is stored by a task of its own.
    eventually("it is stored", || async {
        let counted = cache.metrics();
        counted.stored + counted.not_stored > 0 || counted.loads == 0 || !redis.is_enabled()
    })
    .await;
}

/// How many loaders have run in all processes.
fn loads(server: &RedisServer) -> String {
    server.command(&["GET", "loads"])
}

/// How many processes listen.
fn waiting(server: &RedisServer) -> usize {
    server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).lines().count()
}

#[test]
fn behaviour_13_of_eight_processes_that_miss_together_one_loads_and_the_others_are_told() {
    let server = RedisServer::start();
    let (load, lease) = (Duration::from_millis(500), Duration::from_secs(25));
    let mut processes: Vec<_> = (0..8).map(|_| Process::start(&server.url(), load, lease)).collect();
    let began = Instant::now();
    processes.iter_mut().for_each(Process::go);
    let outcomes: Vec<_> = processes.iter_mut().map(Process::outcome).collect();
    assert!(began.elapsed() < load + SLACK, "{:?}", began.elapsed());
    assert_eq!(loads(&server), "1", "{outcomes:?}");
    let loaded = outcomes.iter().filter(|(how, _)| how == "loaded");
    assert_eq!(loaded.count(), 1, "{outcomes:?}");
    for (how, took) in &outcomes {
        assert!(how == "loaded" || how == "fresh" || how == "cached", "{outcomes:?}");
        // By a word, and not by the end of the lease.
        assert!(*took < load + SLACK, "{outcomes:?}");
    }
}

#[test]
fn behaviour_13_if_the_one_that_loads_is_killed_another_takes_over_when_its_lease_ends() {
    let server = RedisServer::start();
    let (short, lease) = (Duration::from_millis(10), Duration::from_secs(1));
    let mut holder = Process::start(&server.url(), Duration::from_secs(25), lease);
    let mut heirs: Vec<_> = (0..3).map(|_| Process::start(&server.url(), short, lease)).collect();
    holder.go();
    wait_until("it loads", || loads(&server) == "1");
    heirs.iter_mut().for_each(Process::go);
    wait_until("the others wait", || waiting(&server) == 3);
    // It is renewed for as long as its holder lives.
    std::thread::sleep(lease + lease / 2);
    assert_eq!(loads(&server), "1", "nobody else loads meanwhile");
    let killed = Instant::now();
    holder.kill();
    let outcomes: Vec<_> = heirs.iter_mut().map(Process::outcome).collect();
    assert!(killed.elapsed() < lease + short + SLACK, "{:?}", killed.elapsed());
    assert_eq!(loads(&server), "2", "one of the others: {outcomes:?}");
}

#[test]
fn behaviour_13_without_redis_each_process_loads_for_itself() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let (load, lease) = (Duration::from_millis(50), Duration::from_secs(25));
    let mut processes: Vec<_> = (0..3).map(|_| Process::start(&url, load, lease)).collect();
    processes.iter_mut().for_each(Process::go);
    for process in &mut processes {
        let (how, took) = process.outcome();
        assert_eq!(how, "loaded");
        assert!(took < load + SLACK, "{took:?}");
    }
}

#[test]
fn behaviour_13_a_server_that_is_lost_during_the_load_holds_nobody_up() {
    let mut server = RedisServer::start();
    let (load, lease) = (Duration::from_millis(600), Duration::from_secs(25));
    let mut first = Process::start(&server.url(), load, lease);
    let mut second = Process::start(&server.url(), Duration::from_millis(10), lease);
    first.go();
    wait_until("it loads", || loads(&server) == "1");
    second.go();
    wait_until("the other waits", || waiting(&server) == 1);
    let killed = Instant::now();
    server.kill();
    for process in [&mut second, &mut first] {
        let (how, _) = process.outcome();
        assert_eq!(how, "loaded", "each for itself");
        assert!(killed.elapsed() < load + 2 * SLACK, "{:?}", killed.elapsed());
    }
}

#[tokio::test]
async fn behaviour_13_an_entry_that_others_delete_during_a_load_is_not_stored() {
    let server = RedisServer::start();
    let redis = server.manager();
    let cache = redis
        .cache("c")
        .with(CachePolicy::new().lease(Duration::from_millis(150)));
    for words in [&["DEL", "c:k"][..], &["FLUSHALL"], &["SET", "c:k", "no envelope"]] {
        let before = cache.metrics().not_stored;
        let server = &server;
        let (begin, go_on) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let (begin, go_on) = (std::sync::Arc::new(begin), std::sync::Arc::new(go_on));
        let loader = {
            let (begin, go_on) = (std::sync::Arc::clone(&begin), std::sync::Arc::clone(&go_on));
            move || async move {
                begin.notify_one();
                go_on.notified().await;
                Ok::<_, Infallible>(1_u64)
            }
        };
        let interfere = async {
            begin.notified().await;
            assert!(!server.command(words).starts_with('-'));
            // Nor does the renewal of the lease bring it back.
            tokio::time::sleep(Duration::from_millis(200)).await;
            go_on.notify_one();
        };
        let (loaded, ()) = tokio::join!(cache.get_or_load("k", loader), interfere);
        assert_eq!(loaded.unwrap(), 1, "its caller gets it");
        eventually("it is settled", || async { cache.metrics().not_stored > before }).await;
        assert_eq!(cache.get::<u64>("k").await, None, "{words:?}");
        cache.remove("k").await;
        server.command(&["FLUSHALL"]);
    }
}
