//! What the loss of one node means for the keys of the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_manager::{Config, RedisManager};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Outcome,
    arguments::Arguments,
    deployment::Cluster,
    progress,
    report::{self, Goal, Sample, per_call},
    suite::VALUE,
};

/// The cluster is of so many masters, without replicas.
const MASTERS: usize = 3;

/// The node that is lost.
const LOST: usize = 0;

/// Tasks that ask for keys of the others without a pause.
const CALLERS: usize = 64;

/// Tasks that ask for keys of the lost one.
const UNLUCKY: usize = 8;

/// Keys of each kind.
const KEYS: usize = 256;

/// The pause after a call that failed, as work would make one.
const PAUSE: Duration = Duration::from_millis(1);

/// How long until all has to be known.
const GRACE: Duration = Duration::from_secs(1);

/// How long the callers have before they are watched.
const WARM_UP: Duration = Duration::from_millis(300);

/// How a node is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It is killed.
    Killed,
    /// It hangs.
    Stopped,
}

/// Which calls are counted together.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Before anything is counted.
    Prologue,
    /// All is well.
    Before,
    /// The node is lost, and nobody need know.
    Grace,
    /// It is lost, and everybody has to know.
    After,
    /// The callers may go.
    Over,
}

/// What is counted.
#[derive(Debug, Default)]
struct Counts {
    /// Calls for keys of the others that were answered rightly.
    answered: AtomicU64,
    /// All others.
    failed: AtomicU64,
}

/// The callers, and what they count.
struct Scene {
    /// The manager.
    redis: RedisManager,
    /// The keys of the others.
    keys: Vec<String>,
    /// Which act it is.
    act: AtomicU8,
    /// What is counted in each.
    counts: [Counts; 4],
}

/// How it is when a node is killed, and when one hangs.
pub(super) async fn partial(arguments: &Arguments) -> Outcome {
    for (name, fault) in [("killed", Fault::Killed), ("stopped", Fault::Stopped)] {
        let rounds = arguments.either(3, 1);
        let (mut failed, mut asked, mut share) = (0, 0, Vec::new());
        for _ in 0..rounds {
            progress::announce(&format!("one node of {MASTERS} is {name}"));
            let (of_before, after) = lose(arguments, fault).await?;
            failed += after.failed.load(Relaxed);
            asked += after.answered.load(Relaxed) + after.failed.load(Relaxed);
            share.push(of_before);
        }
        let remark = format!("of {asked} calls in {rounds} rounds, from 1 s after the fault");
        report::print_with(
            &format!("live_keys_failed_{name}"),
            per_call(failed, 1),
            Goal::AtMost(0.0),
            &remark,
        );
        let share: Sample = share.into_iter().collect();
        share.print_median_with(
            &format!("live_keys_throughput_{name}"),
            Goal::Any,
            "to that before, with 2 servers of 3",
        );
    }
    Ok(())
}

/// Loses a node, and returns how much went through to the others, to what did before, and what was counted.
async fn lose(arguments: &Arguments, fault: Fault) -> Outcome<(f64, Counts)> {
    let mut cluster = Cluster::start_with(MASTERS, 0, &["--cluster-require-full-coverage", "no"]).await;
    let (lost, keys): (Vec<_>, Vec<_>) = (0..2 * KEYS)
        .map(|key| format!("user:{key}:profile"))
        .partition(|key| cluster.node_of(key) == LOST);
    let redis = RedisManager::new(Config::from_url(cluster.url()))?;
    for key in lost.iter().chain(&keys) {
        redis.service().string().set(key.as_str(), VALUE).await?;
    }
    let scene = Arc::new(Scene {
        redis,
        keys,
        act: AtomicU8::new(Act::Prologue as u8),
        counts: Default::default(),
    });
    let mut tasks = JoinSet::new();
    for task in 0..CALLERS {
        tasks.spawn(call(Arc::clone(&scene), task));
    }
    for key in lost.into_iter().take(UNLUCKY) {
        tasks.spawn(call_in_vain(Arc::clone(&scene), key));
    }
    sleep(WARM_UP).await;
    let before = scene
        .play(Act::Before, Duration::from_secs(arguments.either(3, 1)))
        .await;
    match fault {
        Fault::Killed => cluster.kill(LOST),
        Fault::Stopped => cluster.stop(LOST),
    }
    scene.play(Act::Grace, GRACE).await;
    let length = Duration::from_secs(arguments.either(5, 2));
    let after = scene.play(Act::After, length).await;
    scene.enter(Act::Over);
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    let scene = Arc::into_inner(scene).ok_or("a caller has not ended")?;
    let [_, _, _, counts] = scene.counts;
    Ok((after / before, counts))
}

impl Scene {
    /// Lets an act last so long, and returns how many calls were answered in a second.
    async fn play(&self, act: Act, length: Duration) -> f64 {
        self.enter(act);
        let began = Instant::now();
        sleep(length).await;
        let answered = self
            .counts
            .get(act as usize)
            .map_or(0, |counts| counts.answered.load(Relaxed));
        per_call(answered, 1) / began.elapsed().as_secs_f64()
    }

    /// Begins an act.
    fn enter(&self, act: Act) {
        self.act.store(act as u8, Relaxed);
    }

    /// Returns what is counted now, unless all is over.
    fn counts(&self) -> Option<&Counts> {
        self.counts.get(usize::from(self.act.load(Relaxed)))
    }
}

/// Asks for keys of the others.
async fn call(scene: Arc<Scene>, task: usize) {
    for key in scene.keys.iter().cycle().skip(task) {
        // A call belongs to the act in which it was made.
        let Some(counts) = scene.counts() else { break };
        if scene.redis.get(key.as_str()).await.as_deref() == Some(VALUE) {
            counts.answered.fetch_add(1, Relaxed);
        } else {
            counts.failed.fetch_add(1, Relaxed);
            sleep(PAUSE).await;
        }
    }
}

/// Asks for a key of the node that is lost, as others would who do not know.
async fn call_in_vain(scene: Arc<Scene>, key: String) {
    while scene.counts().is_some() {
        scene.redis.get(key.as_str()).await;
        sleep(PAUSE).await;
    }
}
