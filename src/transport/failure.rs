//! What came of a command that was not answered well, told from fred's errors and the server's.

use fred::error::{Error as FredError, ErrorKind as FredErrorKind};

use crate::error::{Error, ErrorKind};

/// What came of a command that was not answered well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The deadline passed.
    Timeout,
    /// The connection is of no use any more.
    Broken(String),
    /// The server is there but does not serve: it is loading its data, or busy with a script.
    NotServing(String),
    /// The server answered with an error, or with something unexpected.
    Replied(Error),
}

impl Failure {
    pub(super) fn lost() -> Self {
        Self::Broken(LOST.to_owned())
    }

    /// Says it in this crate's words.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Replied(error) => error,
            Self::Timeout => Error::new(ErrorKind::Timeout, "no answer before the deadline"),
            Self::Broken(reason) => Error::new(ErrorKind::Unavailable, reason),
            Self::NotServing(reason) => Error::new(ErrorKind::Unavailable, reason).unsent(),
        }
    }
}

const LOST: &str = "the connection was lost";

/// Says that a command may have been executed, but its answer will not come.
pub(super) fn lost_connection() -> Error {
    Error::new(ErrorKind::Unavailable, LOST)
}

/// fred gives one kind to many causes, so that a server's reply is known by its code: the first word, in capitals.
pub(super) fn classify(error: FredError) -> Failure {
    if *error.kind() == FredErrorKind::Timeout {
        return Failure::Timeout;
    }
    let details = error.details();
    match reply_code(details) {
        Some("LOADING" | "BUSY") => Failure::NotServing(details.to_owned()),
        Some("NOAUTH") => Failure::Broken(details.to_owned()),
        Some(_) => Failure::Replied(replied(details)),
        None => match error.kind() {
            FredErrorKind::Parse | FredErrorKind::NotFound | FredErrorKind::InvalidArgument => {
                Failure::Replied(Error::new(ErrorKind::Decode, "the reply has an unexpected shape"))
            }
            _ => Failure::Broken(readable(details).to_owned()),
        },
    }
}

/// Reads a server's error.
pub(super) fn replied(details: &str) -> Error {
    let kind = reply_code(details).map_or(ErrorKind::Server, |code| kind_of(code, details));
    let error = Error::new(kind, without_arguments(details).to_owned());
    if kind == ErrorKind::Unavailable {
        error.unsent()
    } else {
        error
    }
}

/// fred keeps an I/O error in its `Debug` form, with the message for people inside.
fn readable(details: &str) -> &str {
    let message = details
        .split_once("message: \"")
        .and_then(|(_, rest)| rest.split_once('"'));
    message.map_or(details, |(message, _)| message)
}

/// Returns the code that a server's error begins with.
pub(super) fn reply_code(details: &str) -> Option<&str> {
    let code = details.split_whitespace().next()?;
    (code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
}

fn kind_of(code: &str, details: &str) -> ErrorKind {
    match code {
        "ERR" if details.starts_with("ERR unknown command") || details.starts_with("ERR unknown subcommand") => {
            ErrorKind::Unsupported
        }
        "WRONGTYPE" => ErrorKind::WrongType,
        "OOM" => ErrorKind::OutOfMemory,
        "READONLY" => ErrorKind::ReadOnly,
        "WRONGPASS" | "NOPERM" => ErrorKind::Auth,
        // The server is there, and says that this key cannot be had now.
        "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => ErrorKind::Unavailable,
        _ => ErrorKind::Server,
    }
}

/// `ERR unknown command` repeats the command's arguments, and they may be secret.
fn without_arguments(details: &str) -> &str {
    details.split(", with args").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(details: &'static str) -> Error {
        match classify(FredError::new(FredErrorKind::Unknown, details)) {
            Failure::Replied(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_servers_reply_is_told_from_a_broken_connection() {
        assert_eq!(
            told("OOM command not allowed when used memory > 'maxmemory'.").kind(),
            ErrorKind::OutOfMemory
        );
        assert_eq!(
            told("READONLY You can't write against a read only replica.").kind(),
            ErrorKind::ReadOnly
        );
        assert_eq!(
            told("ERR value is not an integer or out of range").kind(),
            ErrorKind::Server
        );
        for broken in [
            "Connection closed unexpectedly.",
            "channel closed",
            "Failed to send command to router.",
        ] {
            let failure = classify(FredError::new(FredErrorKind::Canceled, broken));
            assert!(matches!(failure, Failure::Broken(_)), "{failure:?}");
        }
        let failure = classify(FredError::new(FredErrorKind::Unknown, "LOADING Redis is loading"));
        assert!(matches!(failure, Failure::NotServing(_)), "{failure:?}");
    }

    #[test]
    fn an_io_error_is_shown_as_people_read_it() {
        let details = r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#;
        assert_eq!(readable(details), "Connection refused");
        assert_eq!(readable("Connection closed"), "Connection closed");
    }

    #[test]
    fn arguments_that_a_server_repeats_are_cut_off() {
        let error = told("ERR unknown command 'GET', with args beginning with: 'sesame' ");
        assert_eq!(error.message(), "ERR unknown command 'GET'");
    }
}
