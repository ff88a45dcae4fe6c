//! Where all contenders are, and what they know of the fault.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use super::seat::Seat;

/// How long a call may take before it counts as one that never returns.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What happens, and when.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// The fault begins.
    began: OnceLock<Instant>,
    /// The server answers again.
    back: OnceLock<Instant>,
    /// The callers may go.
    is_over: AtomicBool,
}

/// All contenders.
pub(crate) struct Hall {
    /// Where the server listens, when it does.
    pub(super) port: u16,
    /// What happens.
    pub(super) stage: Arc<Stage>,
    /// Each contender's place.
    pub(super) seats: Vec<Arc<Seat>>,
}

impl Stage {
    /// Says that the fault begins now.
    pub(super) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// Says that the server answered at that moment.
    pub(super) fn is_back(&self, when: Instant) {
        self.back.get_or_init(|| when);
    }

    /// Returns when the fault began.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began.get().copied()
    }

    /// Returns when the server answered again.
    pub(super) fn back(&self) -> Option<Instant> {
        self.back.get().copied()
    }

    /// Says whether the callers may go.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }
}

impl Hall {
    /// Opens it for contenders of the server on that port.
    pub(super) fn new(port: u16) -> Self {
        Self {
            port,
            stage: Arc::default(),
            seats: Vec::new(),
        }
    }

    /// Waits until each is connected and has had its first answer, or could not be built. Blocks the thread.
    pub(super) fn wait_for_all(&self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE && !self.seats.iter().all(|seat| seat.is_ready()) {
            sleep(Duration::from_millis(5));
        }
    }

    /// Says whether everybody who was built has healed, all their tasks.
    pub(super) fn have_all_healed(&self) -> bool {
        self.seats.iter().all(|seat| seat.has_healed())
    }

    /// Lets the callers go.
    pub(super) fn end(&self) {
        self.stage.is_over.store(true, Relaxed);
    }
}
