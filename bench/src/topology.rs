//! The suite `topology`: a Cluster and a master with Sentinels, real ones that are hurt while they are used.

mod caller;
mod cluster;
mod episode;
mod partial;
mod sentinel;
mod storm;
mod throughput;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    peers::{self, OursCluster, Scribe, Visitor},
    suite::{self, Part, VALUE, runtime},
    support,
};

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 5] = [
    ("throughput", |arguments| play(throughput::throughput(arguments))),
    ("cluster", |arguments| play(cluster::faults(arguments))),
    ("sentinel", |arguments| play(sentinel::faults(arguments))),
    ("storm", |arguments| play(storm::storm(arguments))),
    ("partial", |arguments| play(partial::partial(arguments))),
];

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A deployment cannot be started, or does not do what is to be watched.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    support::start_from(&arguments.server);
    let mut scribe = Scribe::default();
    runtime()?.block_on(async {
        scribe.meet::<OursCluster>().await;
        peers::introduce_clients_of_clusters(&mut scribe).await;
    });
    let conditions = format!(
        "values of {} bytes, or of 1024 where a name ends with _1k; 3 masters, keys in all slots; ratios: ours to fred, round by round\n\
         recovery: from the moment when the deployment has switched (a surviving node serves the key to a raw connection, a Sentinel names another \
         master) until a caller that writes every millisecond is answered; outage: from the fault until then\n\
         storm: each value tells whose it is; wrong is one that is another's, that was refused, or that is older than what was confirmed while no \
         server was lost; overdue is a call that takes 500 ms longer than its deadline\n\
         live keys: those of the nodes that are left of 3 without replicas\n\
         {}",
        VALUE.len(),
        scribe.lines()
    );
    suite::run(arguments, machine, &conditions, &PARTS)
}

/// Plays a part to its end, or until somebody wants this process to end. Whatever it has started ends with it; left to itself, a server would outlive
/// the terminal.
fn play(part: impl Future<Output = Outcome>) -> Outcome {
    let runtime = runtime()?;
    let part = Box::pin(part);
    let played = runtime.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut told = signal(SignalKind::terminate())?;
        let mut hung_up = signal(SignalKind::hangup())?;
        tokio::select! {
            played = part => played,
            _ = interrupted.recv() => Err("interrupted".into()),
            _ = told.recv() => Err("told to end".into()),
            _ = hung_up.recv() => Err("the terminal is gone".into()),
        }
    });
    // Nobody waits for calls that are still under way.
    runtime.shutdown_background();
    played
}
