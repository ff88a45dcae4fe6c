//! Calls that leave together: the server gets few commands, and no caller can tell.

mod bounds;
mod cancellation;
mod company;
mod failure;
mod model;
mod order;
mod permissions;
mod reads;
mod runtimes;
mod writes;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis_manager::{Config, RedisManager};
use tokio::task::JoinSet;

use crate::support::RedisServer;

/// As many callers as fill some batches.
const CALLERS: usize = 64;

/// A manager whose calls have time, however busy the machine is.
fn patient(url: &str) -> Arc<RedisManager> {
    configured(url, |_| {})
}

fn configured(url: &str, configure: impl FnOnce(&mut Config)) -> Arc<RedisManager> {
    let mut config = Config::from_url(url);
    config.socket_timeout = Duration::from_secs(10);
    configure(&mut config);
    Arc::new(RedisManager::new(config).unwrap())
}

/// Runs as many tasks at once, and returns what they answer, in their order.
async fn at_once<F>(count: usize, task: impl Fn(usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(task(number))).collect();
    let mut answers = Vec::with_capacity(count);
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// How often the server has executed which command. What belongs to connections, and what tests ask, is not counted.
fn executed(server: &RedisServer) -> BTreeMap<String, u64> {
    const OTHERS: [&str; 9] = [
        "hello", "client|", "ping", "info", "select", "auth", "config|", "acl|", "command",
    ];
    let statistics = server.command(&["INFO", "commandstats"]);
    let commands = statistics.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    commands
        .filter(|line| !OTHERS.iter().any(|other| line.starts_with(other)))
        .map(|line| {
            let (name, figures) = line.split_once(':').unwrap();
            (name.to_owned(), figure(figures, "calls="))
        })
        .filter(|(_, calls)| *calls > 0)
        .collect()
}

/// How often the server has executed a command.
fn calls(server: &RedisServer, command: &str) -> u64 {
    executed(server).get(command).copied().unwrap_or_default()
}

/// How often the server has refused a command before it was executed.
fn refusals(server: &RedisServer, command: &str) -> u64 {
    let statistics = server.command(&["INFO", "commandstats"]);
    let of_the_command = format!("cmdstat_{command}:");
    let figures = statistics.lines().find_map(|line| line.strip_prefix(&of_the_command));
    figures.map_or(0, |figures| figure(figures, "rejected_calls="))
}

/// A number from the statistics of the server.
fn statistic(server: &RedisServer, name: &str) -> u64 {
    let statistics = server.command(&["INFO", "all"]);
    let line = statistics.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap().split_once(':').unwrap().1.trim().parse().unwrap()
}

fn figure(figures: &str, name: &str) -> u64 {
    let figure = figures.split(',').find_map(|figure| figure.strip_prefix(name));
    figure.unwrap().trim().parse().unwrap()
}

fn forget_statistics(server: &RedisServer) {
    server.forget_executed();
}

/// Tasks that keep a manager busy with calls of every kind, on keys of their own, and panic at an answer that is not theirs.
struct Load {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn on(redis: &Arc<RedisManager>, tasks: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = JoinSet::new();
        for task in 0..tasks {
            let (redis, stop) = (Arc::clone(redis), Arc::clone(&stop));
            load.spawn(async move {
                for round in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    one_round(&redis, task, round).await;
                }
            });
        }
        Self { tasks: load, stop }
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task.expect("a task of the load got what was not its own");
        }
    }
}

async fn one_round(redis: &RedisManager, task: usize, round: u64) {
    let strings = redis.service().string();
    let (key, other) = (format!("load:{task}"), format!("load:{task}:other"));
    let value = format!("{task} in {round}");
    match round % 3 {
        0 => assert!(strings.set(&key, &*value).await.unwrap()),
        1 => assert!(strings.set(&key, &*value).ex(3_600).await.unwrap()),
        _ => assert!(strings.set(&key, &*value).px(1_000_000 + round).await.unwrap()),
    }
    assert_eq!(strings.get::<String>(&key).await.unwrap().as_deref(), Some(&*value));
    let found = strings.get_many::<String>([&other, &key]).await.unwrap();
    assert_eq!(found, [None, Some(value)]);
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn of(seed: usize) -> Self {
        Self(seed as u64 + 1)
    }

    /// A number below a bound.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}
