//! What a server knows.
//!
//! A server repeats the arguments of a command that it does not know, as far as they go, and fred drops a connection on which an error is no UTF-8.
//! So commands that not every server has are sent only after the server was asked about them, once for each connection's life.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::failure::Failure;
use crate::{
    command::{Call, Command},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// Which of the commands that not every server has this one has, as far as it was asked.
#[derive(Debug, Default)]
pub(super) struct Knowledge(Mutex<HashMap<&'static str, bool>>);

/// Says whether not every server has a command: those of RedisJSON, and those for fields that expire.
pub(super) fn is_doubtful(name: &str) -> bool {
    name.starts_with("JSON.") || matches!(name, "HEXPIRE" | "HPEXPIRE" | "HPERSIST" | "HTTL" | "HPTTL")
}

/// Makes the question.
pub(super) fn question(name: &'static str) -> Command {
    Call::new("COMMAND INFO").arg(name.to_ascii_lowercase()).into()
}

/// Says that the server has no such command, as it would.
pub(super) fn unknown(name: &str) -> Failure {
    let missing = if name.starts_with("JSON.") {
        format!("the server lacks the RedisJSON module ({name})")
    } else {
        format!("the server has no {name}: it is of an older version")
    };
    Failure::Replied(Error::new(ErrorKind::Unsupported, missing))
}

impl Knowledge {
    pub(super) fn of(&self, name: &str) -> Option<bool> {
        self.known().get(name).copied()
    }

    /// Learns from the answer to the question. A server that does not answer it is taken at its word later.
    pub(super) fn learn(&self, name: &'static str, answer: &Reply) -> bool {
        let is_known = !matches!(answer, Reply::Array(found) if found.first().is_none_or(|found| *found == Reply::Nil));
        self.known().insert(name, is_known);
        is_known
    }

    fn known(&self) -> MutexGuard<'_, HashMap<&'static str, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_in_its_place_means_that_a_command_is_unknown() {
        let knowledge = Knowledge::default();
        assert_eq!(knowledge.of("HTTL"), None);
        assert!(!knowledge.learn("HTTL", &Reply::Array(vec![Reply::Nil])));
        assert_eq!(knowledge.of("HTTL"), Some(false));
        assert!(knowledge.learn("JSON.GET", &Reply::Array(vec![Reply::Array(Vec::new())])));
        assert!(!is_doubtful("GET") && is_doubtful("JSON.SET"));
    }
}
