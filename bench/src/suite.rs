//! What the suites share: parts with names, the runtime, the value.

use tokio::runtime::{Builder, Runtime};

use crate::{Outcome, arguments::Arguments, report};

/// Measures and prints some figures.
pub(crate) type Part = fn(&Arguments) -> Outcome;

/// Threads of every runtime here, as on the smallest machine that a service runs on.
const WORKERS: usize = 2;

/// As long as what services put into caches: 64 bytes.
pub(crate) const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Measures the parts, or the one among them that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or nothing answers where something has to.
/// - No part has the name that is asked for.
pub(crate) fn run(suite: &str, parts: &[(&str, Part)], arguments: &Arguments) -> Outcome {
    let conditions = format!(
        "values of {} bytes, RESP3, 1 connection, deadline 500 ms, tokio with {WORKERS} workers, servers on this machine",
        VALUE.len()
    );
    let mut wanted = parts.iter().filter(|(name, _)| arguments.wants(name)).peekable();
    if wanted.peek().is_none() {
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        return Err(format!("the parts of {suite} are {}", names.join(", ")).into());
    }
    report::print_preface(suite, arguments, &conditions)?;
    for (name, part) in wanted {
        report::progress(name);
        part(arguments)?;
    }
    Ok(())
}

/// Makes a runtime like that of a service.
///
/// # Errors
///
/// - The system gives no thread.
pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?)
}
