//! What happens to the server.

use std::{thread::sleep, time::Duration};

use super::stage::Stage;
use crate::{
    Outcome,
    arguments::Arguments,
    rival::blocking,
    server::{RedisServer, first_answer},
};

/// What happens to the server, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is not there when the clients are built.
    Absent(Duration),
    /// It is stopped; the kernel goes on accepting what is sent to it.
    Hung(Duration),
    /// It is killed, and later another one listens where it did.
    Killed(Duration),
}

/// A key and what it holds, as the server writes it for another one.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

impl Fault {
    /// There is no server while the clients are built.
    pub(crate) fn absent(arguments: &Arguments) -> Self {
        Self::Absent(lasting(arguments, 5))
    }

    /// The server is stopped under load, and goes on.
    pub(crate) fn hung(arguments: &Arguments) -> Self {
        Self::Hung(lasting(arguments, 10))
    }

    /// The server is killed under load, and another one comes.
    pub(crate) fn killed(arguments: &Arguments) -> Self {
        Self::Killed(lasting(arguments, 5))
    }

    /// Returns its name in the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Absent(_) => "absent",
            Self::Hung(_) => "hung",
            Self::Killed(_) => "killed",
        }
    }

    /// Causes it, ends it, puts back what was lost, and tells the stage when the server answered. Blocks the thread.
    ///
    /// # Errors
    ///
    /// - The server cannot be stopped, or does not come back.
    pub(super) fn pass(self, server: &mut RedisServer, stage: &Stage, entries: &[Entry]) -> Outcome {
        match self {
            Self::Absent(length) => {
                sleep(length);
                server.spawn()?;
            }
            Self::Hung(length) => {
                server.stop()?;
                sleep(length);
                server.resume()?;
            }
            Self::Killed(length) => {
                server.kill()?;
                sleep(length);
                server.spawn()?;
            }
        }
        let back = first_answer(server.port())?;
        if !matches!(self, Self::Hung(_)) {
            write_all(server.port(), entries)?;
        }
        stage.is_back(back);
        Ok(())
    }
}

/// Returns how long a fault lasts.
fn lasting(arguments: &Arguments, seconds: u64) -> Duration {
    Duration::from_secs(arguments.either(seconds, 1))
}

/// Returns everything that the server holds.
///
/// # Errors
///
/// - It does not answer.
pub(super) fn read_all(port: u16) -> Outcome<Vec<Entry>> {
    let mut connection = blocking(port)?;
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection)?;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        let value = redis::cmd("DUMP").arg(&key).query(&mut connection)?;
        entries.push((key, value));
    }
    Ok(entries)
}

/// Has the server hold that.
fn write_all(port: u16, entries: &[Entry]) -> Outcome {
    let mut connection = blocking(port)?;
    for (key, value) in entries {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(key).arg(0).arg(value).arg("REPLACE");
        restore.exec(&mut connection)?;
    }
    Ok(())
}
