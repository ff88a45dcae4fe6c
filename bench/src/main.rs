//! Measures `redis-manager` against real servers that it starts itself.
//!
//! ```text
//! cargo run --release -p bench -- fallback|operations [--quick] [--only PART] [--server PATH]
//! ```
//!
//! Standard output has one `name value` line for each figure, the spread and the goal behind a `#`; progress goes to
//! standard error. A figure that misses its goal says `MISSED`; it does not fail the run.

mod allocations;
mod arguments;
mod contest;
mod fallback;
mod machine;
mod operations;
mod report;
mod rival;
mod server;
mod suite;

use std::{error::Error, process::ExitCode};

use arguments::{Arguments, Suite};

/// What a figure comes to, or why it could not be measured.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the suite that the arguments name.
fn main() -> ExitCode {
    let measured = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| match arguments.suite {
        Suite::Fallback => fallback::run(&arguments),
        Suite::Operations => operations::run(&arguments),
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
