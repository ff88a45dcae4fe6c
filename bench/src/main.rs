//! Measures `redis-manager` against real servers that it starts itself.
//!
//! ```text
//! cargo run --release -p bench -- fallback|operations|throughput|near|outage|topology|cache [--quick]
//!     [--only PART] [--json FILE] [--plot FILE.svg] [--server PATH]
//! ```
//!
//! Standard output has one `name value` line for each figure, the spread and the goal behind a `#`; progress goes to
//! standard error. A figure that misses its goal says `MISSED`; it does not fail the run.

mod allocations;
mod arguments;
mod cache;
mod contest;
mod fallback;
mod json;
mod machine;
mod near;
mod operations;
mod outage;
mod peers;
mod plot;
mod progress;
mod race;
mod readers;
mod report;
mod rival;
mod server;
mod suite;
mod support;
mod throughput;
mod topology;

#[expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "it is the tests' own, where a failed expectation is a failed test"
)]
#[cfg_attr(
    not(test),
    expect(clippy::missing_docs_in_private_items, reason = "as those of tests, they need none")
)]
#[path = "../../tests/topology/deployment"]
mod deployment {
    //! Sentinel and Cluster, each with real processes on the loopback interface, which end with it.

    mod cluster;
    mod node;
    mod reply;
    mod sentinels;
    mod slot;

    pub use cluster::Cluster;
    pub use reply::Reply;
    pub use sentinels::Sentinels;
    pub use slot::slot_of;
}

use std::{error::Error, process::ExitCode};

use arguments::{Arguments, Suite};
use machine::Machine;

/// What a figure comes to, or why it could not be measured.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the suite that the arguments name, or works for a process that does.
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let done = if words.next_if(|word| word == cache::WORKER).is_some() {
        cache::serve(words)
    } else {
        Arguments::parse(words).and_then(|arguments| measure(&arguments))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and leaves what is to be left.
fn measure(arguments: &Arguments) -> Outcome {
    let machine = Machine::examine(&arguments.server)?;
    let measured = match arguments.suite {
        Suite::Fallback => fallback::run(arguments, &machine),
        Suite::Operations => operations::run(arguments, &machine),
        Suite::Throughput => throughput::run(arguments, &machine),
        Suite::Near => near::run(arguments, &machine),
        Suite::Outage => outage::run(arguments, &machine),
        Suite::Topology => topology::run(arguments, &machine),
        Suite::Cache => cache::run(arguments, &machine),
    };
    progress::finish();
    measured?;
    if let Some(path) = &arguments.json {
        json::write(path, arguments, &machine, &report::take_figures())?;
    }
    if let Some(path) = &arguments.plot {
        plot::write(path, arguments, &machine)?;
    }
    Ok(())
}
