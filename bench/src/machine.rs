//! What the kernel says of this process and its machine.

use std::{
    env, fs,
    hint::black_box,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::{SysconfVar, sysconf},
};

use crate::Outcome;

/// What figures have to be read with.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Processors that this process may use.
    pub(crate) cores: usize,
    /// How many processes wanted to run in the minute before, on average.
    pub(crate) load: String,
    /// What the processor calls itself.
    pub(crate) processor: String,
    /// The nanoseconds of an atomic addition that nobody contends for: a yardstick, since refusing a call consists of little else.
    pub(crate) atomic_nanos: f64,
    /// The compiler at hand, which cargo has just built this with.
    pub(crate) rustc: String,
    /// The server.
    pub(crate) server: String,
    /// When this was asked, in universal time.
    pub(crate) date: String,
}

impl Machine {
    /// Asks the kernel and the programs.
    ///
    /// # Errors
    ///
    /// - The kernel does not tell about the machine.
    pub(crate) fn examine(server: &Path) -> Outcome<Self> {
        let rustc = env::var("RUSTC").unwrap_or_else(|_absent| "rustc".to_owned());
        Ok(Self {
            cores: cores(),
            load: load()?,
            processor: processor(),
            atomic_nanos: atomic_nanos(),
            rustc: version(rustc.as_ref()),
            server: version(server),
            date: chrono::Utc::now().format("%Y-%m-%d %H:%M").to_string(),
        })
    }
}

/// Returns how many processors this process may use.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns how many processes wanted to run in the last minute, on average.
fn load() -> Outcome<String> {
    let loads = fs::read_to_string("/proc/loadavg")?;
    Ok(loads.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Returns what the processor calls itself.
fn processor() -> String {
    let known = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = known
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.trim().to_owned())
}

/// Returns what a program says that it is.
fn version(program: &Path) -> String {
    let told = Command::new(program).arg("--version").output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    told.unwrap_or_else(|_absent| format!("{} of unknown version", program.display()))
}

/// Measures an atomic addition.
fn atomic_nanos() -> f64 {
    const ADDITIONS: u32 = 1_000_000;
    let counter = AtomicU64::new(0);
    let took = (0..5).map(|_| {
        let began = Instant::now();
        for _ in 0..ADDITIONS {
            black_box(&counter).fetch_add(1, Relaxed);
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(ADDITIONS)
    });
    took.fold(f64::INFINITY, f64::min)
}

/// Returns the processor time of all threads of this process so far, user and system.
pub(crate) fn cpu_time() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec())
        .iter()
        .sum::<i64>();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// Returns the resident memory of this process in bytes.
pub(crate) fn resident_bytes() -> Outcome<i64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: i64 = statm.split_whitespace().nth(1).ok_or("statm is too short")?.parse()?;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.ok_or("the page size is unknown")?;
    Ok(pages * page)
}
