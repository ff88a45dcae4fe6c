//! What is known of the server that a connection leads to.
//!
//! A server repeats the arguments of a command that it does not know, as far as they go, and fred drops a connection on which an error is no UTF-8.
//! So commands that not every server has are sent only if the server is known to have them. A survey finds that out in the background; until it has, or
//! where it may not, the server is asked about the one command, once for each connection's life.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    failure::Failure,
    survey::{self, Found},
};
use crate::{
    capabilities::{Capabilities, Support},
    command::{Call, Command, Guard},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// What is known of a server, as long as a connection to it lives.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// What the survey has found out.
    surveyed: OnceLock<Capabilities>,
    /// Which of the doubtful commands the server has, as far as it was asked.
    has: Mutex<HashMap<&'static str, bool>>,
}

/// Commands that not every server has: those of RedisJSON, and those for fields that expire.
pub(super) const DOUBTFUL: [&str; 20] = [
    "JSON.SET",
    "JSON.GET",
    "JSON.MGET",
    "JSON.DEL",
    "JSON.TYPE",
    "JSON.NUMINCRBY",
    "JSON.STRAPPEND",
    "JSON.ARRAPPEND",
    "JSON.ARRINSERT",
    "JSON.ARRLEN",
    "JSON.ARRPOP",
    "JSON.OBJKEYS",
    "JSON.OBJLEN",
    "JSON.TOGGLE",
    "JSON.MERGE",
    "HEXPIRE",
    "HPEXPIRE",
    "HPERSIST",
    "HTTL",
    "HPTTL",
];

/// Says whether not every server has a command. Faster than a look into the list.
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
    /// Says whether the server has one of the doubtful commands.
    pub(super) fn of(&self, name: &str) -> Option<bool> {
        self.has().get(name).copied()
    }

    /// Learns from the answer to the question. A server that does not answer it is taken at its word later.
    pub(super) fn learn(&self, name: &'static str, answer: &Reply) -> bool {
        let is_known = !matches!(answer, Reply::Array(found) if found.first().is_none_or(|found| *found == Reply::Nil));
        self.has().insert(name, is_known);
        is_known
    }

    /// Learns from a survey.
    pub(super) fn learn_all(&self, found: &Found) {
        if let Some(commands) = &found.commands {
            self.has()
                .extend(survey::names().map(|name| (name, commands.contains(name))));
        }
        self.surveyed.get_or_init(|| found.capabilities.clone());
    }

    /// Says whether many keys can be set with an expiry by one command.
    pub(super) fn has_msetex(&self) -> bool {
        self.surveyed.get().is_some_and(|known| known.msetex.is_yes())
    }

    /// Says whether the server is known to run no scripts for this user.
    pub(super) fn refuses_scripts(&self) -> bool {
        self.surveyed.get().is_some_and(|known| known.scripts == Support::No)
    }

    /// Puts a command that is a script elsewhere into the words of a server that has it as a command.
    pub(super) fn reworded(&self, command: Command) -> Command {
        match command {
            Command::SetMany { pairs, ttl: Some(ttl) } if self.has_msetex() => {
                let call = Call::new("MSETEX").number(pairs.len()).pairs(pairs);
                call.arg("PX").number(ttl.as_millis()).into()
            }
            Command::Call(
                call @ Call {
                    name: "ZRANK" | "ZREVRANK",
                    guard: Guard::Scripted(_),
                    ..
                },
            ) if self.surveyed.get().is_some_and(|known| known.zrank_with_score.is_yes()) => {
                // A list of two that begins with a number.
                call.guarded(Guard::Needless).into()
            }
            command => command,
        }
    }

    fn has(&self) -> MutexGuard<'_, HashMap<&'static str, bool>> {
        self.has.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ttl::Ttl;

    fn surveyed(capabilities: Capabilities, commands: &[&'static str]) -> Knowledge {
        let knowledge = Knowledge::default();
        knowledge.learn_all(&Found {
            capabilities,
            commands: Some(HashSet::from_iter(commands.iter().copied())),
            refusals: survey::Refusals::default(),
        });
        knowledge
    }

    fn set_many() -> Command {
        Command::SetMany {
            pairs: vec![("a".into(), "1".into())],
            ttl: Some(Ttl::from_millis(50).unwrap()),
        }
    }

    #[test]
    fn only_nothing_in_its_place_means_that_a_command_is_unknown() {
        let knowledge = Knowledge::default();
        assert_eq!(knowledge.of("HTTL"), None);
        assert!(!knowledge.learn("HTTL", &Reply::Array(vec![Reply::Nil])));
        assert_eq!(knowledge.of("HTTL"), Some(false));
        assert!(knowledge.learn("JSON.GET", &Reply::Array(vec![Reply::Array(Vec::new())])));
        assert!(!is_doubtful("GET") && is_doubtful("JSON.SET"));
        assert!(DOUBTFUL.into_iter().all(is_doubtful));
    }

    #[test]
    fn after_a_survey_nothing_need_be_asked() {
        let knowledge = surveyed(Capabilities::default(), &["HTTL"]);
        assert_eq!(knowledge.of("HTTL"), Some(true));
        assert!(
            DOUBTFUL
                .into_iter()
                .all(|name| knowledge.of(name) == Some(name == "HTTL"))
        );
    }

    #[test]
    fn scripts_become_commands_where_the_server_has_them() {
        let rank = || Command::from(Call::new("ZRANK").guarded(Guard::Scripted("a script")));
        let unknowing = Knowledge::default();
        assert_eq!(unknowing.reworded(set_many()), set_many());
        assert_eq!(unknowing.reworded(rank()), rank());
        let newest = surveyed(
            Capabilities {
                msetex: Support::Yes,
                zrank_with_score: Support::Yes,
                ..Capabilities::default()
            },
            &[],
        );
        let pair = ("a".into(), "1".into());
        let expected = Call::new("MSETEX").number(1).pairs([pair]).arg("PX").number(50);
        assert_eq!(newest.reworded(set_many()), expected.into());
        assert_eq!(newest.reworded(rank()), Call::new("ZRANK").into());
    }
}
