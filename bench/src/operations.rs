//! The suite `operations`: what single operations of the honest face cost.

mod batch;
mod calls;
mod deletion;
mod duel;
mod sizes;

use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    suite::{self, CONDITIONS, Part},
};

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 8] = [
    ("hget", calls::hget),
    ("hgetall", calls::hgetall),
    ("lrange", calls::lrange),
    ("zrange", calls::zrange),
    ("pipeline", calls::pipeline),
    ("get_many", batch::get_many_vs_gets),
    ("delete_pattern", deletion::delete_pattern),
    ("sizes", sizes::sizes),
];

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or nothing answers where something has to.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    suite::run(arguments, machine, CONDITIONS, &PARTS)
}
