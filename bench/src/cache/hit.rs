//! What a hit costs: through the whole cache, to a plain read of the same value; and in this process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::through::Hits;
use crate::{
    Outcome,
    arguments::Arguments,
    contest::key,
    peers::{self, Peer},
    progress,
    race::{
        self, Race, Title,
        lane::Entrant,
        load::{Kind, Load},
    },
    readers::{Ours, OursNear, Reader, Source},
    report::{self, Goal, Sample},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// Tasks that read at the same time, each a key of its own.
const TASKS: [usize; 3] = [1, 64, 512];

/// Hits in a row, where each takes less than a microsecond.
const ROW: u32 = 100_000;

/// Far longer than it takes to store a value.
const STORING: Duration = Duration::from_millis(100);

/// Reads and writes a value of the same type, without the cache.
#[derive(Debug, Clone)]
struct Plain(peers::Ours);

/// Measures both.
pub(super) fn hit(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let ours = Entrant(Hits::<Ours>::connect(server.port()).await?);
        let plain = Entrant(Plain::connect(server.port()).await?);
        for tasks in TASKS {
            let goal = Goal::AtLeast(0.9);
            let title = Title::new("cache_hit", tasks, "", goal, Goal::Any);
            progress::announce(&title.case());
            let load = Arc::new(Load::new(Kind::Get, tasks, VALUE)?);
            race::run(&[&ours, &plain], &load, Race::fine(arguments))
                .await?
                .print(&title)?;
        }
        near(arguments, server.port()).await
    })
}

/// Measures hits that the near cache answers, one after the other.
async fn near(arguments: &Arguments, port: u16) -> Outcome {
    let mut reader = OursNear::connect(port).await?;
    if !reader.is_at_work().await {
        report::remark("cache_hit_near_ns: the near cache answers nothing; build with --features near");
        return Ok(());
    }
    progress::announce("cache_hit_near");
    let key = key(0);
    // It is stored in the background.
    reader.is_answered(&key, &Source::taking(Duration::ZERO)).await;
    sleep(STORING).await;
    let rounds = arguments.either(25, 5);
    let nanos = tokio::spawn(async move {
        let mut nanos = Vec::with_capacity(rounds);
        row(&reader, &key, ROW / 10).await?;
        for _ in 0..rounds {
            nanos.push(row(&reader, &key, ROW).await?.as_secs_f64() * 1e9 / f64::from(ROW));
        }
        Outcome::Ok(nanos)
    });
    let nanos: Sample = nanos.await??.into_iter().collect();
    nanos.print_median("cache_hit_near_ns", Goal::AtMost(400.0));
    Ok(())
}

/// Returns how long so many hits take.
async fn row(reader: &OursNear, key: &str, length: u32) -> Outcome<Duration> {
    let began = Instant::now();
    for _ in 0..length {
        if !reader.is_answered(key, &Source::Failing).await {
            return Err("a hit is none".into());
        }
    }
    Ok(began.elapsed())
}

impl Peer for Plain {
    const NAME: &'static str = "get_json";
    const WIRING: &'static str = peers::Ours::WIRING;

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(peers::Ours::connect(port).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value: Option<String> = self.0.manager().get_json(key).await;
        value.map(|text| text.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        self.0.manager().set_json(key, &value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        let expiry = u64::from(peers::EXPIRY_MILLIS);
        self.0.manager().set_json(key, &value).px(expiry).await
    }
}
