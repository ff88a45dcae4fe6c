//! What the kernel says of this process and its machine.

use std::{fs, thread, time::Duration};

use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::{SysconfVar, sysconf},
};

use crate::Outcome;

/// Returns how many processors this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
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
