//! Many keys at once, most of them there: how many round trips, and how much less time than one by one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use redis_manager::{Cache, CachePolicy, Config, RedisManager};
use tokio::time::sleep;

use super::relay::Relay;
use crate::{
    Outcome,
    arguments::Arguments,
    progress,
    readers::{Failure, LIFE},
    report::{self, Goal, Sample, millis, per_call},
    rival::blocking,
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// How many keys.
const KEYS: usize = 1000;

/// One key of so many is not there.
const ABSENT: usize = 10;

/// Nothing has passed for so long: nothing more is to come of a call.
const QUIET: Duration = Duration::from_millis(20);

/// How often each command ran, by its name.
type Commands = BTreeMap<String, u64>;

/// Measures the round trips through a relay, and the times without it.
pub(super) fn many(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let rounds = arguments.either(15, 3);
    runtime()?.block_on(async {
        progress::announce("get_or_load_many");
        round_trips(server.port(), rounds).await?;
        times(server.port(), rounds).await
    })
}

/// Counts what one call for all sends.
async fn round_trips(port: u16, rounds: usize) -> Outcome {
    let relay = Relay::to(port)?;
    let (manager, cache) = connect(relay.port()).await?;
    let (mut turns, mut commands) = (Vec::with_capacity(rounds), Commands::new());
    for round in 0..rounds {
        let keys = prepare(&cache, &format!("turns:{round}")).await?;
        settled(&relay).await;
        let (before, ran) = (relay.turns(), commandstats(port)?);
        load_all(&cache, keys).await?;
        let after = settled(&relay).await;
        commands = commandstats(port)?;
        commands.retain(|name, count| {
            *count -= ran.get(name).copied().unwrap_or_default();
            *count > 0
        });
        turns.push(per_call(after - before, 1));
    }
    drop(manager);
    let turns: Sample = turns.into_iter().collect();
    turns.print_median_with(
        "cache_many_round_trips",
        Goal::AtMost(2.0),
        "writes after an answer, at a relay",
    );
    let ran: Vec<String> = commands.iter().map(|(name, count)| format!("{name} {count}")).collect();
    report::remark(&format!(
        "commands of the last round, those inside scripts too: {}",
        ran.join(", ")
    ));
    Ok(())
}

/// Compares one call for all with calls at the same time, and one after the other.
async fn times(port: u16, rounds: usize) -> Outcome {
    let (manager, cache) = connect(port).await?;
    let measured = tokio::spawn(async move {
        let mut measured = Vec::with_capacity(rounds);
        for round in 0..=rounds {
            let times = [
                one_call(&cache, prepare(&cache, &format!("many:{round}")).await?).await?,
                at_once(&cache, prepare(&cache, &format!("once:{round}")).await?).await?,
                in_turn(&cache, prepare(&cache, &format!("turn:{round}")).await?).await?,
            ];
            // The first round warms up.
            if round > 0 {
                measured.push(times);
            }
        }
        Outcome::Ok(measured)
    });
    let measured = measured.await??;
    drop(manager);
    let sample = |of: fn(&[f64; 3]) -> f64| -> Sample { measured.iter().map(of).collect() };
    sample(|[many, _, _]| *many).print_median("cache_many_ms", Goal::Any);
    sample(|[_, once, _]| *once).print_median("cache_1000_at_once_ms", Goal::Any);
    sample(|[_, _, turn]| *turn).print_median("cache_1000_in_turn_ms", Goal::Any);
    sample(|[many, once, _]| once / many).print_median("cache_many_vs_at_once", Goal::Any);
    sample(|[many, _, turn]| turn / many).print_median("cache_many_vs_in_turn", Goal::Any);
    Ok(())
}

/// Makes a manager of the server on that port, and a cache.
async fn connect(port: u16) -> Outcome<(RedisManager, Cache)> {
    let manager = RedisManager::new(Config::from_url(format!("redis://127.0.0.1:{port}")))?;
    if !manager.initialize().await {
        return Err("the server does not answer".into());
    }
    let cache = manager.cache("many").with(CachePolicy::new().ttl(LIFE));
    Ok((manager, cache))
}

/// Returns keys that nobody has asked for, with most of them cached.
async fn prepare(cache: &Cache, name: &str) -> Outcome<Vec<String>> {
    let keys: Vec<String> = (0..KEYS).map(|number| format!("{name}:{number}")).collect();
    for key in keys.iter().enumerate().filter(|(number, _)| number % ABSENT > 0) {
        if !cache.put(key.1.as_str(), &VALUE.to_owned()).await {
            return Err("the cache does not store".into());
        }
    }
    Ok(keys)
}

/// Asks for all in one call, and returns how long that took.
async fn one_call(cache: &Cache, keys: Vec<String>) -> Outcome<f64> {
    let began = Instant::now();
    load_all(cache, keys).await?;
    Ok(millis(began.elapsed()))
}

/// Asks for all in one call.
async fn load_all(cache: &Cache, keys: Vec<String>) -> Outcome {
    let load = |absent: Vec<String>| async move {
        let loaded = absent.into_iter().map(|key| (key, VALUE.to_owned()));
        Ok::<Vec<(String, String)>, Failure>(loaded.collect())
    };
    let values: Vec<Option<String>> = cache.get_or_load_many(keys, load).await?;
    check(values.iter().flatten())
}

/// Asks for all by calls at the same time, and returns how long that took.
async fn at_once(cache: &Cache, keys: Vec<String>) -> Outcome<f64> {
    let began = Instant::now();
    let calls: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let cache = cache.clone();
            tokio::spawn(async move { load_one(&cache, &key).await })
        })
        .collect();
    let mut values = Vec::with_capacity(KEYS);
    for call in calls {
        values.push(call.await??);
    }
    let took = millis(began.elapsed());
    check(values.iter())?;
    Ok(took)
}

/// Asks for one after the other, and returns how long that took.
async fn in_turn(cache: &Cache, keys: Vec<String>) -> Outcome<f64> {
    let began = Instant::now();
    let mut values = Vec::with_capacity(KEYS);
    for key in &keys {
        values.push(load_one(cache, key).await?);
    }
    let took = millis(began.elapsed());
    check(values.iter())?;
    Ok(took)
}

/// Asks for one.
async fn load_one(cache: &Cache, key: &str) -> Outcome<String> {
    let load = || async { Ok::<String, Failure>(VALUE.to_owned()) };
    Ok(cache.get_or_load(key, load).await?)
}

/// Fails unless all values are there.
fn check<'a>(values: impl Iterator<Item = &'a String>) -> Outcome {
    if values.filter(|value| *value == VALUE).count() == KEYS {
        Ok(())
    } else {
        Err("not every key has its value".into())
    }
}

/// Waits until nothing passes any more, and returns how many round trips have begun so far.
async fn settled(relay: &Relay) -> u64 {
    loop {
        let turns = relay.turns();
        sleep(QUIET).await;
        if relay.turns() == turns {
            return turns;
        }
    }
}

/// Asks the server how often each command has run, but for what is asked of it here and what connections begin with.
fn commandstats(port: u16) -> Outcome<Commands> {
    let mut connection = blocking(port)?;
    let told: String = redis::cmd("INFO").arg("commandstats").query(&mut connection)?;
    let mut commands = Commands::new();
    for line in told.lines() {
        let Some((name, figures)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(':')) else {
            continue;
        };
        let calls = figures.split(',').find_map(|figure| figure.strip_prefix("calls="));
        if !["info", "ping", "client|setinfo"].contains(&name) {
            commands.insert(name.to_owned(), calls.ok_or("a command has no count")?.parse()?);
        }
    }
    Ok(commands)
}
