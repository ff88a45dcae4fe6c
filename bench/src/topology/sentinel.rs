//! Faults of a master that Sentinels watch, one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, RedisManager};
use tokio::time::sleep;

use super::episode::{self, Story, Watch};
use crate::{
    Outcome,
    arguments::Arguments,
    deployment::{Reply, Sentinels},
    progress, report,
};

/// What is called.
const KEY: &str = "user:1:profile";

/// What happens to the master.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It is killed.
    Killed,
    /// It hangs.
    Stopped,
    /// It is killed after a Sentinel was lost, and another has come in its place that no configuration names.
    KilledBehindAnotherSentinel,
}

/// Hurts a master in every way, several times, each in a new deployment.
pub(super) async fn faults(arguments: &Arguments) -> Outcome {
    let mut stories = [
        (Fault::Killed, Story::new("master_killed")),
        (Fault::Stopped, Story::new("master_stopped")),
        (Fault::KilledBehindAnotherSentinel, Story::new("sentinel_replaced")),
    ];
    let rounds = arguments.either(5, 1);
    progress::expect(rounds);
    for _ in 0..rounds {
        for (fault, story) in &mut stories {
            progress::announce(&format!("Sentinel: {fault:?}"));
            if !pass(*fault, story).await? {
                return Ok(());
            }
        }
        progress::advance();
    }
    for (_, story) in &stories {
        story.print();
    }
    let stories = stories.each_ref().map(|(_, story)| story);
    episode::print_worst("recovery_worst_ms_sentinel", &stories);
    Ok(())
}

/// Lets callers live through a fault. Says whether this build of the library can be asked for that.
async fn pass(fault: Fault, story: &mut Story) -> Outcome<bool> {
    let mut sentinels = Sentinels::start().await;
    let redis = match RedisManager::new(Config::from_url(sentinels.url())) {
        Ok(redis) => Arc::new(redis),
        Err(error) => {
            report::remark(&format!("Sentinel is not measured: {error}"));
            return Ok(false);
        }
    };
    let watch = Watch::begin(&redis, KEY).await?;
    let mut alive = vec![0, 1, 2];
    if fault == Fault::KilledBehindAnotherSentinel {
        sentinels.kill_sentinel(0);
        alive = vec![1, 2, sentinels.add_sentinel().await];
    }
    let former = sentinels.master_port().ok_or("the Sentinels name no master")?;
    let began = Instant::now();
    match fault {
        Fault::Stopped => sentinels.stop_master(),
        Fault::Killed | Fault::KilledBehindAnotherSentinel => sentinels.kill_master(),
    };
    let switched = first_to_name_another(&sentinels, &alive, former).await;
    story.add(watch.end(began, switched).await?);
    Ok(true)
}

/// Asks the Sentinels by raw connections, and returns when the first of them names another master.
async fn first_to_name_another(sentinels: &Sentinels, alive: &[usize], former: u16) -> Instant {
    let former = former.to_string();
    let names_another = |sentinel: &usize| {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
        match sentinels.ask_sentinel(*sentinel, &question) {
            Reply::List(address) => address.get(1).is_some_and(|port| port.text() != former),
            _ => false,
        }
    };
    while !alive.iter().any(names_another) {
        sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}
