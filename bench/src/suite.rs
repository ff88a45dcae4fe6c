//! What the suites share: parts with names, the runtime, the value.

use tokio::runtime::{Builder, Runtime};

use crate::{Outcome, arguments::Arguments, machine::Machine, progress, report};

/// Measures and prints some figures.
pub(crate) type Part = fn(&Arguments) -> Outcome;

/// Threads of every runtime here, as on the smallest machine that a service runs on.
const WORKERS: usize = 2;

/// How the suites talk to servers, unless they say otherwise.
pub(crate) const CONDITIONS: &str = "values of 64 bytes, RESP3, 1 connection, deadline 500 ms, servers on this machine";

/// As long as what services put into caches: 64 bytes.
pub(crate) const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Measures the parts, or the one among them that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or nothing answers where something has to.
/// - No part has the name that is asked for.
pub(crate) fn run(arguments: &Arguments, machine: &Machine, conditions: &str, parts: &[(&str, Part)]) -> Outcome {
    let wanted: Vec<_> = parts.iter().filter(|(name, _)| arguments.wants(name)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        return Err(format!("the parts of {} are {}", arguments.suite.name(), names.join(", ")).into());
    }
    report::print_preface(
        arguments,
        machine,
        &format!("tokio with {WORKERS} workers, {conditions}"),
    );
    progress::expect(wanted.len());
    for (name, part) in wanted {
        progress::announce(name);
        part(arguments)?;
        progress::advance();
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
