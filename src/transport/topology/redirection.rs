//! What a node of a cluster replies where another one has to be asked.

use crate::{config::Endpoint, error::Error};

/// Where a command has to go instead, or when. It certainly was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Redirection {
    /// The slot belongs to that node from now on.
    Moved { slot: u16, to: Endpoint },
    /// This command only: the slot is being moved to that node, and its key is there already, or nowhere.
    Ask { to: Endpoint },
    /// Some of its keys are there already and some are not.
    TryAgain,
}

/// What a node says of several keys, some of which were moved already.
const TRY_AGAIN: &str = "TRYAGAIN Multiple keys request during rehashing of slot";

impl Redirection {
    /// Reads a server's error. It counts only in the very words of a node: a script that raises such an error has more of them, and one that
    /// replies it is wrapped, so that no user can send a command anywhere.
    ///
    /// `asked` is where it comes from: a node that does not know its own host's name leaves it out.
    pub(in super::super) fn of(error: &Error, asked: &Endpoint) -> Option<Self> {
        let message = error.message();
        if message == TRY_AGAIN {
            return Some(Self::TryAgain);
        }
        let mut words = message.split(' ');
        let (code, slot, address) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !matches!(code, "MOVED" | "ASK") {
            return None;
        }
        let slot = slot.parse().ok().filter(|slot| *slot < super::slot::SLOTS)?;
        let to = endpoint(address, asked)?;
        Some(match code {
            "MOVED" => Self::Moved { slot, to },
            _ => Self::Ask { to },
        })
    }
}

/// Reads `host:port`, where the host may be an address of IPv6, or missing.
pub(super) fn endpoint(address: &str, asked: &Endpoint) -> Option<Endpoint> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = match (host, asked) {
        ("" | "?", Endpoint::Tcp { host, .. }) => host.clone(),
        ("" | "?", Endpoint::Unix(_)) => return None,
        (host, _) => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
    };
    Some(Endpoint::Tcp { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn read(message: &'static str) -> Option<Redirection> {
        let asked = Endpoint::Tcp {
            host: "asked".into(),
            port: 1,
        };
        Redirection::of(&Error::new(ErrorKind::Server, message), &asked)
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: host.into(),
            port,
        }
    }

    #[test]
    fn the_words_of_a_node_are_understood() {
        let moved = |to| Some(Redirection::Moved { slot: 3999, to });
        assert_eq!(read("MOVED 3999 10.0.0.1:6381"), moved(at("10.0.0.1", 6381)));
        assert_eq!(read("MOVED 3999 :6381"), moved(at("asked", 6381)));
        assert_eq!(read("MOVED 3999 ?:6381"), moved(at("asked", 6381)));
        assert_eq!(read("MOVED 3999 ::1:6381"), moved(at("::1", 6381)));
        assert_eq!(
            read("ASK 0 node.example:7"),
            Some(Redirection::Ask {
                to: at("node.example", 7)
            })
        );
        assert_eq!(read(TRY_AGAIN), Some(Redirection::TryAgain));
    }

    #[test]
    fn what_only_looks_like_them_is_not() {
        for message in [
            "MOVED 1 h:1 script: 6fdb2578, on @user_script:1.",
            "MOVED 16384 h:1",
            "MOVED -1 h:1",
            "MOVED 1 h",
            "MOVED 1 h:0",
            "MOVED 1 h:99999",
            "MOVED 1",
            "MOVED",
            "ASKING 1 h:1",
            "ERR MOVED 1 h:1",
            "TRYAGAIN script: 6fdb2578, on @user_script:1.",
        ] {
            assert_eq!(read(message), None, "{message}");
        }
    }
}
