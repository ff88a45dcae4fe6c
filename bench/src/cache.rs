//! The suite `cache`: what the read-through cache does in a stampede, under steady load and in an outage, and what it costs, against every
//! other one.

mod hit;
mod hot;
mod many;
mod relay;
mod rivals;
mod rush;
mod stampede;
mod through;
mod worker;

pub(crate) use self::worker::{WORKER, serve};
use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    readers::{self, Distributed, Ours, Scribe, Visitor},
    report::per_call,
    suite::{self, Part, runtime},
};

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 6] = [
    ("stampede", stampede::in_a_process),
    ("processes", stampede::in_processes),
    ("hot", hot::hot),
    ("hit", hit::hit),
    ("many", many::many),
    ("rivals", rivals::rivals),
];

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A server or a process cannot be started, or nothing answers where something has to.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    let mut scribe = Scribe::default();
    runtime()?.block_on(introduce_all(&mut scribe))?;
    let conditions = format!(
        "{}\n\
         a stampede: so many callers at one moment, one cold key, a source that takes {} ms; slowest: from that moment to the last \
         answer, as a multiple of it; unanswered: callers that got no value\n\
         processes: {} of them, each with an equal share of the callers and a cache of its own\n\
         hot: an entry that lives {} ms, asked for {} times a second, whoever waits; waited: requests that got what had to be loaded for them\n\
         hits: no source is asked, nothing in this process answers, unless the name says so\n\
         round trips: how often the client wrote after having been answered, as a relay before the server counts it; heartbeats apart\n\
         outage: as the suite of that name, but reading through, with a source that takes {} ms; healed: the first answer that was cached before the call; \
         failed: calls that got no value\n\
         {}",
        suite::CONDITIONS,
        rush::TAKES.as_millis(),
        stampede::PROCESSES,
        hot::TTL.as_millis(),
        per_call(1000, hot::TICK.as_millis().try_into()?),
        through::TAKES.as_millis(),
        scribe.lines(),
    );
    suite::run(arguments, machine, &conditions, &PARTS)
}

/// Introduces everybody who takes part anywhere.
async fn introduce_all(visitor: &mut impl Visitor) -> Outcome {
    visitor.meet::<Ours>().await?;
    visitor.meet::<Distributed>().await?;
    readers::introduce_hardened(visitor).await?;
    readers::introduce_tiered(visitor).await
}
