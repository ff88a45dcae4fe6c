//! One contender, and its turns.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::load::{Call, Load};
use crate::{Outcome, machine, peers::Peer, report::per_call};

/// One call in so many is timed, so that reading the clock does not weigh on what is measured.
const TIMED: usize = 16;

/// How many tasks store what is to be read.
const FILLERS: usize = 64;

/// What a lane promises. Boxed for each turn, never for a call.
pub(super) type Promise<'a, T> = Pin<Box<dyn Future<Output = Outcome<T>> + Send + 'a>>;

/// A contender, whatever its type.
pub(crate) trait Lane: Send + Sync {
    /// Returns its name in the figures.
    fn name(&self) -> &'static str;

    /// Stores what is to be read.
    fn fill<'a>(&'a self, load: &'a Arc<Load>) -> Promise<'a, ()>;

    /// Calls for a while.
    fn turn<'a>(&'a self, load: &'a Arc<Load>, length: Duration) -> Promise<'a, Slice>;
}

/// A contender of some type.
#[derive(Debug)]
pub(crate) struct Entrant<P>(pub(crate) P);

/// What one turn came to.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// Calls that were answered rightly.
    pub(super) calls: u64,
    /// All others.
    pub(super) misses: u64,
    /// How long it took.
    elapsed: Duration,
    /// Processor time of this process meanwhile.
    cpu: Duration,
    /// The nanoseconds of the calls that were timed.
    pub(super) nanos: Vec<u32>,
}

/// What one task's turn came to.
#[derive(Debug, Default)]
struct Tally {
    /// Calls that were answered rightly.
    calls: u64,
    /// All others.
    misses: u64,
    /// The nanoseconds of the calls that were timed.
    nanos: Vec<u32>,
}

impl Slice {
    /// Returns calls in a second.
    pub(super) fn per_second(&self) -> f64 {
        per_call(self.calls, 1) / self.elapsed.as_secs_f64()
    }

    /// Returns the microseconds of processor time for each call.
    pub(super) fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / per_call(self.calls.max(1), 1)
    }
}

impl<P: Peer> Lane for Entrant<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn fill<'a>(&'a self, load: &'a Arc<Load>) -> Promise<'a, ()> {
        Box::pin(async move {
            let fillers: Vec<_> = (0..FILLERS)
                .map(|filler| tokio::spawn(fill(self.0.clone(), Arc::clone(load), filler)))
                .collect();
            for filler in fillers {
                filler.await??;
            }
            Ok(())
        })
    }

    fn turn<'a>(&'a self, load: &'a Arc<Load>, length: Duration) -> Promise<'a, Slice> {
        Box::pin(async move {
            let is_over = Arc::new(AtomicBool::new(false));
            let (began, cpu) = (Instant::now(), machine::cpu_time()?);
            let callers: Vec<_> = (0..load.tasks)
                .map(|task| tokio::spawn(call(self.0.clone(), Arc::clone(load), task, Arc::clone(&is_over))))
                .collect();
            sleep(length).await;
            is_over.store(true, Relaxed);
            let mut slice = Slice::default();
            for caller in callers {
                let tally = caller.await?;
                slice.calls += tally.calls;
                slice.misses += tally.misses;
                slice.nanos.extend(tally.nanos);
            }
            slice.elapsed = began.elapsed();
            slice.cpu = machine::cpu_time()? - cpu;
            Ok(slice)
        })
    }
}

/// Stores one task's share of the keys.
async fn fill<P: Peer>(mut peer: P, load: Arc<Load>, filler: usize) -> Outcome {
    for key in load.keys.iter().skip(filler).step_by(FILLERS) {
        if !peer.set(key, load.value).await {
            return Err(format!("{} does not store", P::NAME).into());
        }
    }
    Ok(())
}

/// Calls until it is over. A pause follows a call without the right answer, as work would.
async fn call<P: Peer>(mut peer: P, load: Arc<Load>, task: usize, is_over: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut count = task;
    while !is_over.load(Relaxed) {
        let call = load.call(task, count);
        let began = count.is_multiple_of(TIMED).then(Instant::now);
        let is_right = match call {
            Call::Get(key) => peer.get(key).await == Some(load.value.len()),
            Call::Set(key) => peer.set(key, load.value).await,
            Call::SetPx(key) => peer.set_px(key, load.value).await,
        };
        if let Some(began) = began {
            let nanos = began.elapsed().as_nanos();
            tally.nanos.push(u32::try_from(nanos).unwrap_or(u32::MAX));
        }
        count += 1;
        if is_right {
            tally.calls += 1;
        } else {
            tally.misses += 1;
            sleep(Duration::from_millis(1)).await;
        }
    }
    tally
}
