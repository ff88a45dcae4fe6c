//! The suite `fallback`: what Redis' absence costs, and what the manager costs while Redis is there.

mod absence;
mod hang;
mod memory;
mod overhead;
mod recovery;
mod refusal;

use tokio::runtime::{Builder, Runtime};

use crate::{Outcome, arguments::Arguments, report};

/// Measures and prints some figures.
type Part = fn(&Arguments) -> Outcome;

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 7] = [
    ("disabled", refusal::disabled),
    ("breaker", refusal::breaker_open),
    ("absent", absence::absent_at_start),
    ("hung", hang::hung_server),
    ("recovery", recovery::recovery),
    ("memory", memory::rss_growth),
    ("overhead", overhead::overhead_vs_fred),
];

/// Threads of every runtime here, as on the smallest machine that a service runs on.
const WORKERS: usize = 2;

/// A key that has a value wherever there is a server.
const KEY: &str = "user:1:profile";

/// As long as what services put into caches: 64 bytes.
const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or nothing answers where something has to.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let conditions = format!(
        "values of {} bytes, RESP3, 1 connection, deadline 500 ms, tokio with {WORKERS} workers, servers on this machine",
        VALUE.len()
    );
    report::print_preface("fallback", arguments, &conditions)?;
    for (name, part) in PARTS {
        if arguments.wants(name) {
            report::progress(name);
            part(arguments)?;
        }
    }
    Ok(())
}

/// Makes a runtime like that of a service.
fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?)
}
