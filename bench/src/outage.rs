//! The suite `outage`: what callers feel when the server is absent at first, hangs, or is killed. All contenders live through the same
//! faults of the same server at the same time.

mod fault;
mod seat;
mod stage;
mod standing;

use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use self::seat::Seat;
pub(crate) use self::{
    fault::Fault,
    stage::{Hall, PATIENCE},
    standing::Standing,
};
use crate::{
    Outcome,
    arguments::Arguments,
    machine::Machine,
    peers::{
        Bb8, Cached, CachedManaged, Deadpool, Hitbox, Hurried, Lazy, Managed, MultiTier, Multiplexed, Ours, Patient,
        Peer, Production, Rustis, Scribe, Visitor,
    },
    progress,
    server::RedisServer,
    suite::{self, Part, runtime},
};

/// The parts in the order of the report, under the names that `--only` takes.
const PARTS: [(&str, Part); 3] = [("absent", absent), ("hung", hung), ("killed", killed)];

/// How long all are watched before the fault.
const BEFORE: Duration = Duration::from_millis(500);

/// Measures the suite, or the part of it that is asked for.
///
/// # Errors
///
/// - A server cannot be started, or the fault cannot be caused.
pub(crate) fn run(arguments: &Arguments, machine: &Machine) -> Outcome {
    let mut scribe = Scribe::default();
    runtime()?.block_on(introduce(&mut scribe));
    let conditions = format!(
        "{} tasks of each contender read one key all the time, all contenders at once, with a pause of 5 ms after an answer and 1 ms \
         after none\n\
         worst call: from the fault until everybody has healed; building a client in an outage counts as a call\n\
         waited: how much of the fault a task spent in calls\n\
         healed: from the server's first answer to a raw PING to the first right answer; never is printed as {} s\n\
         unreturned: calls that had no end after {} s and were given up\n\
         ranks: a tie is what is within a fifth, a millisecond between calls, or 6 ms between times to heal; the worst call is ranked \
         among those that healed\n\
         {}",
        seat::TASKS,
        watch(arguments).as_secs(),
        PATIENCE.as_secs(),
        scribe.lines(),
    );
    suite::run(arguments, machine, &conditions, &PARTS)
}

/// There is no server while the clients are built.
fn absent(arguments: &Arguments) -> Outcome {
    measure(arguments, Fault::absent(arguments))
}

/// The server is stopped under load, and goes on.
fn hung(arguments: &Arguments) -> Outcome {
    measure(arguments, Fault::hung(arguments))
}

/// The server is killed under load, and another one comes.
fn killed(arguments: &Arguments) -> Outcome {
    measure(arguments, Fault::killed(arguments))
}

/// Returns how long everybody may take to heal.
fn watch(arguments: &Arguments) -> Duration {
    Duration::from_secs(arguments.either(60, 4))
}

/// Lets everybody live through a fault, and prints what they felt.
fn measure(arguments: &Arguments, fault: Fault) -> Outcome {
    let introduce = async |hall: &mut Hall| {
        introduce(hall).await;
        Ok(())
    };
    live_through(arguments, fault, introduce)?;
    Ok(())
}

/// Lets those that are introduced live through a fault, prints what they felt, and returns it. The first is ours.
///
/// # Errors
///
/// - A server cannot be started, or the fault cannot be caused.
pub(crate) fn live_through(
    arguments: &Arguments,
    fault: Fault,
    introduce: impl AsyncFn(&mut Hall) -> Outcome,
) -> Outcome<Vec<Standing>> {
    let mut server = RedisServer::start(arguments)?;
    let runtime = runtime()?;
    let mut hall = Hall::new(server.port());
    runtime.block_on(introduce(&mut hall))?;
    hall.wait_for_all();
    let keys = fault::read_all(server.port())?;
    if let Fault::Absent(_) = fault {
        // Those have only stored what is to be found later.
        hall.end();
        server.kill()?;
        hall = Hall::new(server.port());
        // From now on nobody is to store anything first.
        hall.stage.begin();
        runtime.block_on(introduce(&mut hall))?;
    } else {
        sleep(BEFORE);
    }
    progress::announce(&format!("{}, of {} contenders", fault.name(), hall.seats.len()));
    hall.stage.begin();
    fault.pass(&mut server, &hall.stage, &keys)?;
    let back = Instant::now();
    while back.elapsed() < watch(arguments) && !hall.have_all_healed() {
        sleep(Duration::from_millis(5));
    }
    let standings: Vec<Standing> = hall
        .seats
        .iter()
        .map(|seat| seat.judge(&hall.stage, watch(arguments)))
        .collect();
    hall.end();
    // Some calls would never return.
    runtime.shutdown_background();
    standing::print(fault.name(), &standings);
    Ok(standings)
}

/// Introduces everybody, each with the settings for services if there are some. The first is ours.
async fn introduce(visitor: &mut impl Visitor) {
    visitor.meet::<Ours>().await;
    visitor.meet::<Patient>().await;
    visitor.meet::<Hurried>().await;
    visitor.meet::<Multiplexed>().await;
    visitor.meet::<Managed>().await;
    visitor.meet::<Lazy>().await;
    visitor.meet::<Rustis>().await;
    visitor.meet::<Deadpool>().await;
    visitor.meet::<Bb8>().await;
    visitor.meet::<Cached>().await;
    visitor.meet::<CachedManaged>().await;
    visitor.meet::<MultiTier>().await;
    visitor.meet::<Hitbox>().await;
    visitor.meet::<Production>().await;
}

impl Visitor for Hall {
    async fn meet<P: Peer>(&mut self) {
        let seat = Arc::new(Seat::new(P::NAME));
        tokio::spawn(seat::live::<P>(self.port, Arc::clone(&seat), Arc::clone(&self.stage)));
        self.seats.push(seat);
    }
}
