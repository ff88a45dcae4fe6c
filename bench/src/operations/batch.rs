//! What many keys cost at once, and one by one.

use std::time::Instant;

use redis_manager::RedisService;

use crate::{
    Outcome,
    arguments::Arguments,
    report::{Goal, Sample, millis},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// How many keys.
const KEYS: usize = 1000;

/// Reads the same keys one after the other and in one call.
pub(super) fn get_many_vs_gets(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let rounds = arguments.either(25, 5);
    let times = runtime()?.block_on(async {
        let manager = server.manager()?;
        let keys: Vec<String> = (0..KEYS).map(|number| format!("page:{number}:body")).collect();
        let service = manager.service().clone();
        service.string().set_many(keys.iter().map(|key| (key, VALUE))).await?;
        tokio::spawn(async move {
            round(&service, &keys).await?;
            let mut times = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                times.push(round(&service, &keys).await?);
            }
            Outcome::Ok(times)
        })
        .await?
    })?;
    let ratio: Sample = times.iter().map(|(gets, get_many)| gets / get_many).collect();
    ratio.print_median("get_many_1000_vs_gets", Goal::AtLeast(20.0));
    let gets: Sample = times.iter().map(|(gets, _)| *gets).collect();
    gets.print_median("gets_1000_ms", Goal::Any);
    let get_many: Sample = times.iter().map(|(_, get_many)| *get_many).collect();
    get_many.print_median("get_many_1000_ms", Goal::Any);
    Ok(())
}

/// Returns the milliseconds of the single calls and of the one for all.
async fn round(service: &RedisService, keys: &[String]) -> Outcome<(f64, f64)> {
    let began = Instant::now();
    let mut found = 0;
    for key in keys {
        found += usize::from(service.string().get::<String>(key).await?.is_some());
    }
    let gets = millis(began.elapsed());
    let began = Instant::now();
    let values = service.string().get_many::<String>(keys).await?;
    let get_many = millis(began.elapsed());
    if (found, values.iter().flatten().count()) != (KEYS, KEYS) {
        return Err("not every key has its value".into());
    }
    Ok((gets, get_many))
}
