//! The suite `fallback`: what Redis' absence costs, and what the manager costs while Redis is there.

mod absence;
mod hang;
mod memory;
mod overhead;
mod recovery;
mod refusal;

use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    suite::{self, CONDITIONS, Part},
};

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

/// A key that has a value wherever there is a server.
const KEY: &str = "user:1:profile";

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or nothing answers where something has to.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    suite::run(arguments, machine, CONDITIONS, &PARTS)
}
