//! What the kernel says of this process and its machine.

use std::{
    fs,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::{SysconfVar, sysconf},
};

use crate::Outcome;

/// Returns how many processors this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns how many processes wanted to run in the last minute, on average.
pub(crate) fn load() -> Outcome<String> {
    let loads = fs::read_to_string("/proc/loadavg")?;
    Ok(loads.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Returns the nanoseconds of an atomic addition that nobody contends for: a yardstick, since refusing a call consists of little else.
pub(crate) fn atomic_nanos() -> f64 {
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
