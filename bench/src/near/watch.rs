//! Tasks that read keys all the time, while somebody else writes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redis::Commands;
use tokio::{
    runtime::Handle,
    task::{JoinHandle as Task, yield_now},
};

use super::ledger::Ledger;
use crate::{Outcome, contest::key, peers::Near, rival::blocking};

/// Keys that are written and read all the time.
const BUSY: usize = 1000;

/// Keys that are read all the time, but written only when something happens: no later write covers up that a message was lost.
const QUIET: usize = 1000;

/// All of them.
const KEYS: usize = BUSY + QUIET;

/// Tasks that read.
const READERS: usize = 2;

/// The pause between two writes.
const PAUSE: Duration = Duration::from_millis(1);

/// Readers and a writer.
pub(super) struct Watch {
    /// What was written when.
    ledger: Arc<Ledger>,
    /// Told to end.
    is_over: Arc<AtomicBool>,
    /// Writes all the time.
    writer: JoinHandle<Outcome>,
    /// Read all the time.
    readers: Vec<Task<Reads>>,
}

/// A write of all quiet keys at once.
pub(super) struct Rewrite {
    /// What to send.
    pub(super) command: redis::Cmd,
    /// The keys and what they will hold.
    versions: Vec<(usize, u64)>,
}

/// What readers read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Reads {
    /// Reads that were answered.
    pub(super) answered: u64,
    /// Stale ones among them.
    pub(super) stale: u64,
}

/// The number of the next write. No two writes of this process have the same.
static VERSION: AtomicU64 = AtomicU64::new(1);

impl Watch {
    /// Begins.
    ///
    /// # Errors
    ///
    /// - The server does not answer.
    pub(super) fn begin(runtime: &Handle, near: &Near, port: u16) -> Outcome<Self> {
        let (ledger, is_over) = (Arc::new(Ledger::new(KEYS)), Arc::new(AtomicBool::new(false)));
        let first = Rewrite::new();
        first.command.exec(&mut blocking(port)?)?;
        let (written, told) = (Arc::clone(&ledger), Arc::clone(&is_over));
        let readers = (0..READERS).map(|reader| {
            let (ledger, is_over) = (Arc::clone(&ledger), Arc::clone(&is_over));
            runtime.spawn(read(near.clone(), ledger, reader, is_over))
        });
        let watch = Self {
            readers: readers.collect(),
            writer: thread::spawn(move || write(port, &written, &told)),
            ledger,
            is_over,
        };
        watch.note(&first);
        Ok(watch)
    }

    /// Notes that the quiet keys were written, which the server confirmed just now.
    pub(super) fn note(&self, rewrite: &Rewrite) {
        let now = Instant::now();
        for (key, version) in &rewrite.versions {
            self.ledger.note(*key, *version, now);
        }
    }

    /// Notes that the quiet keys were deleted, which the server confirmed just now.
    pub(super) fn note_deletion(&self) {
        // As if something had been written that nobody will ever read.
        self.note(&Rewrite::new());
    }

    /// Ends, and returns what was read. Blocks the thread.
    pub(super) fn end(self, runtime: &Handle) -> Outcome<Reads> {
        self.is_over.store(true, Relaxed);
        let mut all = Reads::default();
        for reader in self.readers {
            let reads = runtime.block_on(reader)?;
            all.answered += reads.answered;
            all.stale += reads.stale;
        }
        self.writer.join().map_err(|_panic| "the writer panicked")??;
        Ok(all)
    }
}

impl Rewrite {
    /// Prepares it.
    pub(super) fn new() -> Self {
        let versions: Vec<_> = (BUSY..KEYS).map(|key| (key, VERSION.fetch_add(1, Relaxed))).collect();
        let mut command = redis::cmd("MSET");
        for (number, version) in &versions {
            command.arg(key(*number)).arg(*version);
        }
        Self { command, versions }
    }
}

/// Writes one key after the other.
fn write(port: u16, ledger: &Ledger, is_over: &AtomicBool) -> Outcome {
    let mut writer = blocking(port)?;
    for number in (0..BUSY).cycle() {
        if is_over.load(Relaxed) {
            break;
        }
        let version = VERSION.fetch_add(1, Relaxed);
        let written: Result<(), redis::RedisError> = writer.set(key(number), version);
        written?;
        ledger.note(number, version, Instant::now());
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Reads one key after the other, each several times so that the near cache has something to do.
async fn read(near: Near, ledger: Arc<Ledger>, reader: usize, is_over: Arc<AtomicBool>) -> Reads {
    let mut reads = Reads::default();
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    for (number, key) in keys.iter().enumerate().cycle().skip(reader * KEYS / READERS) {
        if is_over.load(Relaxed) {
            break;
        }
        for _ in 0..3 {
            let asked = Instant::now();
            let answer = near.manager().get(key.as_str()).await;
            if let Some(version) = answer.and_then(|text| text.parse().ok()) {
                reads.answered += 1;
                reads.stale += u64::from(ledger.is_stale(number, version, asked));
            }
        }
        // Answers of the near cache never wait, and what invalidates it needs a turn.
        yield_now().await;
    }
    reads
}
