//! What was found out of a server, kept when the connection has ended, and what was told of it.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use super::survey::Found;
use crate::{
    capabilities::{Capabilities, Support},
    error::{Error, ErrorKind},
};

/// What was found out of one server, by all its links together.
#[derive(Debug, Default)]
pub(super) struct Findings {
    latest: Mutex<Capabilities>,
    told: Mutex<HashSet<Topic>>,
    /// How many surveys in a row have begun and were not answered.
    unanswered: AtomicU32,
}

/// What is told once, until it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Topic {
    Info,
    Command,
    Scripts,
}

/// How long a survey waits: whoever has waited for the connection asks first.
const SOON: Duration = Duration::from_millis(1);

/// How long it waits at most, if it seems to be what ends the connection.
const LATE: Duration = Duration::from_secs(3600);

impl Findings {
    pub(super) fn latest(&self) -> Capabilities {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how long the next survey is to wait, and counts it. A server that closes the connection when it is asked, as some proxies do with a command
    /// that they do not know, is asked ever more rarely.
    pub(super) fn begin_survey(&self) -> Duration {
        let unanswered = self.unanswered.fetch_add(1, Relaxed);
        let times = 8_u32.saturating_pow(unanswered);
        SOON.saturating_mul(times).min(LATE)
    }

    /// Notes what a survey has found, and tells of what will not work, unless that was told.
    pub(super) fn note(&self, server: &str, found: &Found) {
        self.unanswered.store(0, Relaxed);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = found.capabilities.clone();
        let Capabilities { flavour, version, .. } = &found.capabilities;
        let version = version.map(|version| version.to_string());
        tracing::debug!(server, %flavour, version, "the server was asked what it can");
        // What an older server cannot say is not hidden.
        let hidden = |refusal: &Option<Error>| refusal.clone().filter(|error| error.kind() != ErrorKind::Server);
        for (topic, refusal) in [
            (Topic::Info, hidden(&found.refusals.info)),
            (Topic::Command, hidden(&found.refusals.command)),
            (Topic::Scripts, found.refusals.eval.clone()),
        ] {
            match &refusal {
                Some(refusal) if self.told().insert(topic) => tell(server, topic, refusal, &found.capabilities),
                Some(_) => {}
                None => drop(self.told().remove(&topic)),
            }
        }
    }

    /// Never held while something is logged: a subscriber may ask the manager something.
    fn told(&self) -> MutexGuard<'_, HashSet<Topic>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(server: &str, topic: Topic, refusal: &Error, capabilities: &Capabilities) {
    let reason = refusal.message();
    match topic {
        Topic::Info => tracing::info!(server, reason, "the server does not tell of itself (INFO)"),
        Topic::Command => tracing::info!(
            server,
            reason,
            "the server does not tell which commands it has (COMMAND): that is found out by trying"
        ),
        Topic::Scripts => {
            let writes = match capabilities.msetex {
                Support::Yes => "as one MSETEX where all live equally long, otherwise one by one",
                Support::No | Support::Unknown => "one by one",
            };
            tracing::warn!(
                server,
                reason,
                "the server runs no scripts: batched writes that expire go {writes}, some lists as transactions, and what has to be a script fails"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_that_is_not_answered_waits_longer_the_next_time() {
        let findings = Findings::default();
        let waits: Vec<_> = (0..6).map(|_| findings.begin_survey().as_millis()).collect();
        assert_eq!(waits, [1, 8, 64, 512, 4_096, 32_768]);
        for _ in 0..20 {
            findings.begin_survey();
        }
        assert_eq!(findings.begin_survey(), LATE);
    }
}
