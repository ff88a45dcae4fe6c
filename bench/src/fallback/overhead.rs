//! What the manager costs while the server is there: against a plain pool of the client library that it is built on.
//!
//! Both take turns in short slices, in one process and against one server, so that whatever else the machine does hits both alike.
//! How far from 1 a ratio is by chance, the control tells: the plain pool against itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fred::{
    clients::Pool,
    interfaces::{ClientLike, KeysInterface},
    types::{
        Builder, RespVersion,
        config::{Config, Server, ServerConfig, TcpConfig},
    },
};
use redis_manager::RedisManager;
use tokio::time::sleep;

use super::{VALUE, runtime};
use crate::{
    Outcome,
    allocations::{Allocated, Watch},
    arguments::Arguments,
    machine,
    report::{self, Goal, Sample, per_call, progress},
    server::RedisServer,
};

/// How many tasks ask at the same time.
const TASKS: [usize; 3] = [1, 64, MANY];

/// The most of them.
const MANY: usize = 512;

/// Somebody who answers a `GET`.
trait Contender: Clone + Send + Sync + 'static {
    /// Returns the text at `key`.
    fn get(&self, key: &str) -> impl Future<Output = Option<String>> + Send;
}

impl Contender for Arc<RedisManager> {
    async fn get(&self, key: &str) -> Option<String> {
        RedisManager::get(self, key).await
    }
}

impl Contender for Pool {
    async fn get(&self, key: &str) -> Option<String> {
        self.next().get::<Option<String>, _>(key).await.ok().flatten()
    }
}

/// What one turn of one contender came to.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// `GET`s that were answered.
    gets: u64,
    /// `GET`s without the value.
    misses: u64,
    /// How long it took.
    elapsed: Duration,
    /// Processor time of this process meanwhile; the server's is not in it.
    cpu: Duration,
    /// Allocations of this process meanwhile, where they were counted.
    allocated: Option<Allocated>,
}

/// The turns of both, round by round.
#[derive(Debug, Default)]
struct Match {
    /// Those of the one to be judged.
    ours: Vec<Slice>,
    /// Those of the one it is measured against.
    theirs: Vec<Slice>,
}

/// Measures both with one, some and many tasks.
pub(super) fn overhead_vs_fred(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let ours = Arc::new(server.manager()?);
        let fred = plain_pool(&server)?;
        fred.init().await?;
        for task in 0..MANY {
            if !ours.set(key(task), VALUE).await {
                return Err("the server does not store".into());
            }
        }
        for tasks in TASKS {
            progress(&format!("overhead, {tasks} tasks"));
            compare(arguments, tasks, &ours, &fred).await?.print(tasks);
            print_allocations(tasks, "manager", turn(&ours, tasks, SHORT, true).await?);
            print_allocations(tasks, "fred", turn(&fred, tasks, SHORT, true).await?);
        }
        progress(&format!("the manager counted {:?}", ours.metrics()));
        progress("overhead, control");
        let control = compare(arguments, MANY, &fred, &fred).await?;
        control
            .ratio(Slice::per_second)
            .print_median(&format!("control_fred_vs_fred_{MANY}"), Goal::Any);
        print_future("manager", &RedisManager::get(&ours, "key"));
        print_future("fred", &KeysInterface::get::<Option<String>, _>(fred.next(), "key"));
        fred.quit().await?;
        Ok(())
    })
}

/// Long enough to warm up and to count allocations.
const SHORT: Duration = Duration::from_millis(200);

/// Makes a pool as its own documentation does, with a deadline like the manager's, and as many connections.
fn plain_pool(server: &RedisServer) -> Outcome<Pool> {
    let config = Config {
        server: ServerConfig::Centralized {
            server: Server::new("127.0.0.1", server.port()),
        },
        version: RespVersion::RESP3,
        ..Config::default()
    };
    let pool = Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .with_performance_config(|performance| performance.default_command_timeout = Duration::from_millis(500))
        .build_pool(1)?;
    Ok(pool)
}

/// Lets both take turns; who begins changes from round to round.
async fn compare<A: Contender, B: Contender>(
    arguments: &Arguments,
    tasks: usize,
    ours: &A,
    theirs: &B,
) -> Outcome<Match> {
    let (rounds, length) = (arguments.either(25, 5), Duration::from_millis(300));
    turn(ours, tasks, SHORT, false).await?;
    turn(theirs, tasks, SHORT, false).await?;
    let mut turns = Match::default();
    for round in 0..rounds {
        if round % 2 == 0 {
            turns.ours.push(turn(ours, tasks, length, false).await?);
            turns.theirs.push(turn(theirs, tasks, length, false).await?);
        } else {
            turns.theirs.push(turn(theirs, tasks, length, false).await?);
            turns.ours.push(turn(ours, tasks, length, false).await?);
        }
    }
    Ok(turns)
}

/// Lets so many tasks ask one contender for a while, each for a key of its own.
async fn turn<C: Contender>(contender: &C, tasks: usize, length: Duration, counts: bool) -> Outcome<Slice> {
    let is_over = Arc::new(AtomicBool::new(false));
    let watch = counts.then(Watch::begin);
    let (began, cpu) = (Instant::now(), machine::cpu_time()?);
    let callers: Vec<_> = (0..tasks)
        .map(|task| tokio::spawn(call(contender.clone(), key(task), Arc::clone(&is_over))))
        .collect();
    sleep(length).await;
    is_over.store(true, Relaxed);
    let (mut gets, mut misses) = (0, 0);
    for caller in callers {
        let (hits, others) = caller.await?;
        gets += hits;
        misses += others;
    }
    Ok(Slice {
        gets,
        misses,
        elapsed: began.elapsed(),
        cpu: machine::cpu_time()? - cpu,
        allocated: watch.map(|watch| watch.allocated()),
    })
}

/// Asks until it is over, and returns how often the value came and how often not. A pause follows a miss, as work would.
async fn call<C: Contender>(contender: C, key: String, is_over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut hits, mut others) = (0, 0);
    while !is_over.load(Relaxed) {
        if contender
            .get(&key)
            .await
            .is_some_and(|value| value.len() == VALUE.len())
        {
            hits += 1;
        } else {
            others += 1;
            sleep(Duration::from_millis(1)).await;
        }
    }
    (hits, others)
}

/// Returns the key of a task.
fn key(task: usize) -> String {
    format!("user:{task}:profile")
}

impl Slice {
    /// Returns `GET`s in a second.
    fn per_second(&self) -> f64 {
        per_call(self.gets, 1) / self.elapsed.as_secs_f64()
    }

    /// Returns the microseconds of processor time for each `GET`.
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / per_call(self.gets.max(1), 1)
    }
}

impl Match {
    /// Returns, round by round, how one is to the other.
    fn ratio(&self, of: fn(&Slice) -> f64) -> Sample {
        let rounds = self.ours.iter().zip(&self.theirs);
        rounds.map(|(ours, theirs)| of(ours) / of(theirs)).collect()
    }

    /// Prints ratio, throughput and processor time.
    fn print(&self, tasks: usize) {
        let print = |name: &str, sample: Sample, goal| sample.print_median(&format!("{name}_{tasks}"), goal);
        let sample = |slices: &[Slice], of: fn(&Slice) -> f64| -> Sample { slices.iter().map(of).collect() };
        let misses = |slices: &[Slice]| per_call(slices.iter().map(|slice| slice.misses).sum(), 1);
        print("overhead_vs_fred", self.ratio(Slice::per_second), Goal::AtLeast(0.95));
        print("manager_get_per_s", sample(&self.ours, Slice::per_second), Goal::Any);
        print("fred_get_per_s", sample(&self.theirs, Slice::per_second), Goal::Any);
        print("manager_get_cpu_us", sample(&self.ours, Slice::cpu_micros), Goal::Any);
        print("fred_get_cpu_us", sample(&self.theirs, Slice::cpu_micros), Goal::Any);
        print("cpu_ratio_vs_fred", self.ratio(Slice::cpu_micros), Goal::Any);
        for (name, slices) in [("manager", &self.ours), ("fred", &self.theirs)] {
            report::print(&format!("{name}_get_misses_{tasks}"), misses(slices), Goal::AtMost(0.0));
        }
    }
}

/// Prints how large a future is: so much is written and read for each call, and lies in every task that calls.
fn print_future<F: Future>(who: &str, future: &F) {
    let bytes = per_call(size_of_val(future) as u64, 1);
    report::print(&format!("{who}_get_future_bytes"), bytes, Goal::Any);
}

/// Prints allocations for each `GET`, all threads together.
fn print_allocations(tasks: usize, who: &str, slice: Slice) {
    if let Some(Allocated { count, bytes }) = slice.allocated {
        report::print(
            &format!("{who}_get_allocations_{tasks}"),
            per_call(count, slice.gets),
            Goal::Any,
        );
        report::print(
            &format!("{who}_get_allocated_bytes_{tasks}"),
            per_call(bytes, slice.gets),
            Goal::Any,
        );
    }
}
