//! The supervised way from one tokio runtime to one server: one generation after the other, and a heartbeat.
//!
//! A link lives in the runtime of its callers, because a client in another runtime costs every call two thread switches,
//! and because it ends with its runtime without taking anybody else's calls with it. Only where more runtimes call than
//! connections are permitted, the last connection serves all the others, from the house's runtime.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use tokio::{
    runtime::{Handle, Id},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    connection::{self, Refusal},
    failure::Failure,
    gate::{Gate, STALL, State, moved},
    generation::Generation,
    whereabouts::Whereabouts,
};
use crate::{breaker::Probe, config::Endpoint};

/// One way to one server. Dropping it closes its connections.
#[derive(Debug)]
pub(super) struct Link {
    audience: Audience,
    gate: Arc<Gate>,
    supervisor: AbortHandle,
    _budget: OwnedSemaphorePermit,
}

/// Whose calls a link takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Those of the runtime that it lives in.
    Runtime(Id),
    /// Everybody's. It lives in the house's runtime, and ends with nobody else's.
    Anybody,
}

/// How often a link asks whether the server is there.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// The generation behind an open gate, or why there is none.
type Opened = Result<Arc<Generation>, (Probe, Refusal)>;

/// So often the journal is sent anew because more was noted meanwhile. What is noted in the last of these rounds is left to who noted it.
const ROUNDS: u32 = 16;

/// How long an outage has to last before it is told of.
const MOMENT: Duration = Duration::from_millis(1);

impl Link {
    /// Starts a supervisor in the given runtime; it connects at once. `own` is the right to its connection, `more` where to ask
    /// for a further one.
    pub(super) fn start(
        runtime: &Handle,
        audience: Audience,
        gate: Gate,
        whereabouts: Whereabouts,
        own: OwnedSemaphorePermit,
        more: Arc<Semaphore>,
    ) -> Self {
        let gate = Arc::new(gate);
        // The guard is made here: a runtime that shuts down drops the future before it was ever polled.
        let ended = EndsWithRuntime(Arc::clone(&gate));
        let supervisor = runtime.spawn(supervise(ended, whereabouts, more));
        Self {
            audience,
            gate,
            supervisor: supervisor.abort_handle(),
            _budget: own,
        }
    }

    /// Says whether this link takes the calls of that runtime, as long as it is of use.
    pub(super) fn is_for(&self, runtime: Id) -> bool {
        self.audience == Audience::Runtime(runtime) || self.audience == Audience::Anybody
    }

    /// Says whether this link takes the calls of that runtime, and is still of use.
    pub(super) fn serves(&self, runtime: Id) -> bool {
        self.is_for(runtime) && !self.is_ended()
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(**self.gate.state(), State::Ended)
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.gate.end();
    }
}

/// Closes the gate for good when the supervisor's future is dropped, which is what a runtime does when it shuts down.
struct EndsWithRuntime(Arc<Gate>);

impl Drop for EndsWithRuntime {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn supervise(ended: EndsWithRuntime, whereabouts: Whereabouts, more: Arc<Semaphore>) {
    let gate = &ended.0;
    if !has_timer() {
        gate.stop_waiting("this tokio runtime has no timer: build it with enable_all()");
        std::future::pending::<()>().await;
    }
    loop {
        let probe = gate.probe().await;
        match attempt(gate, probe, &whereabouts, &more).await {
            Ok(generation) => {
                let verdict = tokio::select! {
                    verdict = watch_over(gate, &generation, &whereabouts) => verdict,
                    never = survey(gate, &generation) => match never {},
                };
                gate.close(&generation, &verdict);
                whereabouts.doubt();
                // In a runtime that shuts down connections are lost as well. This moment never ends there, and no outage is told of.
                sleep(MOMENT).await;
                gate.announce();
                generation.buried().await;
            }
            Err((probe, refusal)) => {
                gate.refused(probe, &refusal);
                whereabouts.doubt();
            }
        }
    }
}

/// tokio tells of a runtime without a time driver by a panic only.
fn has_timer() -> bool {
    std::panic::catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

/// Connects, and opens the gate. Calls that wait for the first attempt are let go after the deadline of a call.
async fn attempt(gate: &Gate, probe: Probe, whereabouts: &Whereabouts, more: &Arc<Semaphore>) -> Opened {
    let mut attempt = pin!(connect_and_open(gate, probe, whereabouts, more));
    if let Ok(decided) = timeout(gate.settings().deadline, &mut attempt).await {
        return decided;
    }
    gate.stop_waiting("the first attempt to connect takes longer than a call may");
    attempt.await
}

/// Opens the gate of a new connection once all is sent that could not be sent without one.
async fn connect_and_open(gate: &Gate, mut probe: Probe, whereabouts: &Whereabouts, more: &Arc<Semaphore>) -> Opened {
    let generation = match connect(gate, whereabouts, more).await {
        Ok(generation) => generation,
        Err(refusal) => return Err((probe, refusal)),
    };
    for round in 0.. {
        let replayed = tokio::select! {
            replayed = generation.replay(gate.journal()) => replayed.map_err(Refusal::of),
            endpoint = whereabouts.moved(generation.endpoint()) => Err(Refusal::passing(moved(&endpoint))),
        };
        let mark = match replayed {
            Ok(_) if round >= ROUNDS => gate.journal().mark(),
            Ok(mark) => mark,
            Err(refusal) => return Err((probe, refusal)),
        };
        match gate.open(probe, &generation, mark) {
            Ok(()) => break,
            Err(back) => probe = back,
        }
    }
    Ok(generation)
}

/// Connects to where the server is. If it turns out to be elsewhere meanwhile, that is dropped and begun anew there: a master that hangs
/// would take all its time.
async fn connect(gate: &Gate, whereabouts: &Whereabouts, more: &Arc<Semaphore>) -> Result<Arc<Generation>, Refusal> {
    loop {
        let endpoint = whereabouts.find().await?;
        tokio::select! {
            connected = connect_to(gate, &endpoint, whereabouts.is_of_master(), more) => return connected,
            _ = whereabouts.moved(&endpoint) => {}
        }
    }
}

async fn connect_to(
    gate: &Gate,
    endpoint: &Endpoint,
    must_be_master: bool,
    more: &Arc<Semaphore>,
) -> Result<Arc<Generation>, Refusal> {
    if gate.is_starting() {
        connection::knock(endpoint).await?;
    }
    Generation::open(gate.settings(), endpoint, must_be_master, more).await
}

/// Finds out what the server can. Does not return, so that it may run beside what does.
async fn survey(gate: &Gate, generation: &Generation) -> Infallible {
    let within = gate.settings().connect_timeout;
    loop {
        sleep(gate.next_survey()).await;
        match generation.survey(within).await {
            Ok(found) => gate.surveyed(&found),
            // The generation has ended with its connection.
            Err(Failure::Broken(_)) => {}
            Err(_) => continue,
        }
        return std::future::pending().await;
    }
}

/// Returns, with the reason, when the generation has ended or its heartbeat has failed.
async fn watch_over(gate: &Gate, generation: &Generation, whereabouts: &Whereabouts) -> String {
    let within = gate.settings().deadline.clamp(STALL, 4 * HEARTBEAT);
    // A missed heartbeat is repeated at once; after a call that timed out none may be missed.
    let (mut has_missed, mut pause) = (false, HEARTBEAT);
    loop {
        let mut is_suspicious = has_missed;
        gate.expect_supervisor_within(pause);
        tokio::select! {
            () = generation.ended() => return "the connection was lost".to_owned(),
            endpoint = whereabouts.moved(generation.endpoint()) => return moved(&endpoint),
            () = sleep(pause) => {}
            () = gate.suspicion() => is_suspicious = true,
        }
        gate.supervisor_came();
        gate.expect_supervisor_within(within);
        let heartbeat = generation.heartbeat(within).await;
        gate.supervisor_came();
        match heartbeat {
            Ok(true) => {
                gate.alive();
                (has_missed, pause) = (false, HEARTBEAT);
            }
            Err(Failure::Timeout) if gate.is_stalled() => pause = Duration::ZERO,
            Err(Failure::Timeout) if !is_suspicious => (has_missed, pause) = (true, Duration::ZERO),
            Err(Failure::Timeout) => return "no answer to the heartbeat".to_owned(),
            Ok(false) => return "the connection answers another's question".to_owned(),
            Err(failure) => return Refusal::of(failure).reason,
        }
    }
}
