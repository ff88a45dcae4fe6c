//! The suite `near`: how fast the near cache answers, and how soon, and whether always, it follows what others write.

mod freshness;
mod gaps;
mod hits;
mod ledger;
mod watch;

use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    peers::{Near, Peer},
    report,
    server::RedisServer,
    suite::{self, Part, runtime},
};

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 7] = [
    ("hit", hits::hit),
    ("throughput", hits::throughput),
    ("staleness", freshness::staleness),
    ("kill", gaps::kill),
    ("flush", gaps::flush),
    ("hang", gaps::hang),
    ("burst", gaps::burst),
];

/// How the near cache is set up.
const CONDITIONS: &str = "values of 64 bytes, a near cache of 64 MB, RESP3, 1 connection and that for invalidations\n\
    stale: a value that had been replaced, as the writer knew, more than a second before it was asked for\n\
    a remark says how many of the reads the near cache answered: without any, no figure here means anything";

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - This build of the library has no near cache, or it answers nothing.
/// - A server cannot be started, or nothing answers where something has to.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let is_at_work = runtime()?.block_on(async {
        let mut near = Near::connect(server.port()).await?;
        Outcome::Ok(near.is_at_work().await)
    })?;
    if !is_at_work {
        return Err("the near cache answers nothing: build with --features near".into());
    }
    suite::run(arguments, machine, CONDITIONS, &PARTS)
}

/// Says how many of so many reads the near cache answered.
fn share(near: &Near, before: u64, reads: u64) -> String {
    let hits = near.hits().unwrap_or_default() - before;
    if hits == 0 {
        report::remark("the near cache answered nothing at all");
    }
    format!("of {reads} reads, {hits} by the near cache")
}
