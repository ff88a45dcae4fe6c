//! What is known of the server that a connection leads to.
//!
//! A server repeats the arguments of a command that it does not know, as far as they go, and fred drops a connection on which an error is no UTF-8.
//! So commands that not every server has are sent only if the server is known to have them. A survey finds that out in the background; until it has, or
//! where it may not, the server is asked about the one command, once for each connection's life.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::failure::Failure;
use crate::{
    capabilities::Capabilities,
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

/// Commands that some servers lack, beside the doubtful ones.
const NEWER: [&str; 6] = ["GETEX", "SINTERCARD", "EVAL_RO", "FCALL", "SSUBSCRIBE", "MSETEX"];

/// Commands that not every server has: those of RedisJSON, those for fields that expire, and sharded messages.
const DOUBTFUL: [&str; 21] = [
    "SPUBLISH",
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

/// Returns the names of all commands of which it is of interest whether a server has them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NEWER.into_iter().chain(DOUBTFUL)
}

/// Says whether not every server has a command. Faster than a look into the list.
pub(super) fn is_doubtful(name: &str) -> bool {
    name.starts_with("JSON.")
        || matches!(
            name,
            "HEXPIRE" | "HPEXPIRE" | "HPERSIST" | "HTTL" | "HPTTL" | "SPUBLISH"
        )
}

/// Makes the question, which any answer but one answers with yes. (`COMMAND INFO` answers with maps in sets, which fred cannot read.)
pub(super) fn question(name: &'static str) -> Command {
    Call::new("COMMAND GETKEYS")
        .arg(name.to_ascii_lowercase())
        .arg("k")
        .into()
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

    /// Learns from the answer to the question, and says whether the server may be sent the command. One that does not answer is taken at its word later.
    ///
    /// # Errors
    ///
    /// - There was no answer.
    pub(super) fn learn(&self, name: &'static str, answer: Result<Reply, Failure>) -> Result<bool, Failure> {
        let is_known = match answer {
            Ok(_keys) => true,
            Err(Failure::Replied(error)) => match error.message() {
                message if message.contains("Invalid command") => false,
                message if message.contains("Invalid number of arg") || message.contains("no key arg") => true,
                _not_permitted_to_ask => return Ok(true),
            },
            Err(failure) => return Err(failure),
        };
        self.has().insert(name, is_known);
        Ok(is_known)
    }

    /// Learns from a survey.
    pub(super) fn learn_all(&self, capabilities: &Capabilities, commands: Option<&HashSet<&'static str>>) {
        if let Some(commands) = commands {
            self.has().extend(names().map(|name| (name, commands.contains(name))));
        }
        self.surveyed.get_or_init(|| capabilities.clone());
    }

    /// Says whether many keys can be set with an expiry by one command.
    pub(super) fn has_msetex(&self) -> bool {
        self.surveyed.get().is_some_and(|known| known.msetex.is_yes())
    }

    /// Says whether the server is known to run scripts for this user.
    pub(super) fn runs_scripts(&self) -> bool {
        self.surveyed.get().is_some_and(|known| known.scripts.is_yes())
    }

    /// Says whether the server is known to run no scripts for this user.
    pub(super) fn refuses_scripts(&self) -> bool {
        self.surveyed.get().is_some_and(|known| known.scripts.is_no())
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
    use super::*;
    use crate::{capabilities::Support, ttl::Ttl};

    fn surveyed(capabilities: Capabilities, commands: &[&'static str]) -> Knowledge {
        let knowledge = Knowledge::default();
        knowledge.learn_all(&capabilities, Some(&commands.iter().copied().collect()));
        knowledge
    }

    fn set_many() -> Command {
        Command::SetMany {
            pairs: vec![("a".into(), "1".into())],
            ttl: Some(Ttl::from_millis(50).unwrap()),
        }
    }

    #[test]
    fn one_answer_only_means_that_a_command_is_unknown() {
        let refused = |message| Err(Failure::Replied(Error::new(ErrorKind::Server, message)));
        let knowledge = Knowledge::default();
        assert_eq!(knowledge.of("HTTL"), None);
        assert!(
            knowledge
                .learn("HTTL", refused("NOPERM not the 'command|getkeys' command"))
                .unwrap()
        );
        assert_eq!(knowledge.of("HTTL"), None);
        assert!(
            !knowledge
                .learn("HTTL", refused("ERR Invalid command specified"))
                .unwrap()
        );
        assert_eq!(knowledge.of("HTTL"), Some(false));
        let few = "ERR Invalid number of arguments specified for command";
        assert!(knowledge.learn("JSON.SET", refused(few)).unwrap());
        assert!(knowledge.learn("JSON.GET", Ok(Reply::Array(Vec::new()))).unwrap());
        assert_eq!(
            (knowledge.of("JSON.SET"), knowledge.of("JSON.GET")),
            (Some(true), Some(true))
        );
        assert!(knowledge.learn("HPTTL", Err(Failure::Timeout)).is_err());
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
