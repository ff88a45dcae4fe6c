//! What came of a command that was not answered well, told from fred's errors and the server's.

use std::borrow::Cow;

use fred::error::{Error as FredError, ErrorKind as FredErrorKind};

use crate::error::{Error, ErrorKind};

/// What came of a command that was not answered well.
#[derive(Debug, Clone)]
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

    /// Says whether the server refused to change anything because it follows another.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Replied(error) if error.kind() == ErrorKind::ReadOnly)
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
    let details = coded(details);
    let kind = reply_code(&details).map_or(ErrorKind::Server, |code| kind_of(code, &details));
    let message = without_arguments(&details);
    let error = Error::new(
        kind,
        match missing_module(message) {
            Some(module) if kind == ErrorKind::Unsupported => format!("{message}: the server lacks {module}"),
            _ => message.to_owned(),
        },
    );
    // What a script raises is not what the server says of the command.
    if kind == ErrorKind::Unavailable && !details.contains(", on @user_script:") {
        error.unsent()
    } else {
        error
    }
}

/// Gives the code `ERR` to a server's error that has none, as modules reply them: `Existing key has wrong Redis type`. Otherwise it would
/// be taken for an error of the connection.
pub(super) fn coded(details: &str) -> Cow<'_, str> {
    match reply_code(details) {
        Some(_) => details.into(),
        None if details == WRONG_TYPE_OF_MODULE => format!("WRONGTYPE {details}").into(),
        None => format!("ERR {details}").into(),
    }
}

/// What modules written in Rust reply where the server itself says `WRONGTYPE`.
const WRONG_TYPE_OF_MODULE: &str = "Existing key has wrong Redis type";

/// Returns the module that a server without a command would need for it.
fn missing_module(unknown_command: &str) -> Option<String> {
    let (_, rest) = unknown_command.split_once("JSON.")?;
    let name = rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next()?;
    Some(format!("the RedisJSON module (JSON.{name})"))
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
    fn an_error_without_a_code_is_still_the_servers() {
        for (details, kind) in [
            ("Existing key has wrong Redis type", ErrorKind::WrongType),
            ("Err wrong static path", ErrorKind::Server),
            ("expected value at line 1 column 1", ErrorKind::Server),
            ("", ErrorKind::Server),
            ("OOM command not allowed", ErrorKind::OutOfMemory),
        ] {
            let coded = coded(details).into_owned();
            match classify(FredError::new(FredErrorKind::Unknown, coded)) {
                Failure::Replied(error) => assert_eq!(error.kind(), kind, "{details}"),
                other => panic!("{details}: {other:?}"),
            }
        }
        assert_eq!(told("ERR Path '$.a' does not exist").kind(), ErrorKind::Server);
    }

    #[test]
    fn a_missing_module_is_named() {
        let error = told("ERR unknown command 'JSON.SET', with args beginning with: 'sesame' ");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.message(),
            "ERR unknown command 'JSON.SET': the server lacks the RedisJSON module (JSON.SET)"
        );
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
