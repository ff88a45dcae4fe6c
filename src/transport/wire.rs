//! Commands and replies in fred's words.

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    error::{Error as FredError, ErrorKind as FredErrorKind},
    interfaces::{ClientLike, HashesInterface, KeysInterface},
    types::{CustomCommand, Expiration, Key, Map, SetOptions, Value},
};

use super::guard;
use crate::{
    command::{Command, Condition, Expiry, Get, Reply, Set},
    error::{Error, ErrorKind},
    ttl::Ttl,
};

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

type Sent<T> = Result<T, FredError>;

/// `SET` for each pair, all in one step. `KEYS`: the keys; `ARGV`: the time to live in milliseconds, then the values.
const SET_MANY: &str = "for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1]) end return 1";

/// Longer values stay slices of the read buffer; shorter ones are copied, so that they do not keep it alive.
const COPIED_BELOW: usize = 64 * 1024;

pub(super) async fn send(client: &WithOptions<Client>, command: Command) -> Result<Reply, Failure> {
    exchange(client, command).await.map_err(classify)
}

/// Sends a `GET`, by itself: the future and the stack frame of all commands together are several times as large.
pub(super) async fn get(client: &Client, get: Get) -> Result<Reply, Failure> {
    client.get(Key::from(get.key)).await.map(value).map_err(classify)
}

/// Sends a token that nobody else has sent, and returns what comes back.
pub(super) async fn ping(client: &WithOptions<Client>, token: String) -> Result<String, Failure> {
    client.ping(Some(token)).await.map_err(classify)
}

async fn exchange(client: &WithOptions<Client>, command: Command) -> Sent<Reply> {
    match command {
        Command::Get(Get { key }) => client.get(Key::from(key)).await.map(value),
        Command::GetMany { keys } => get_many(client, keys).await,
        Command::Set(set) => set_one(client, set).await,
        Command::SetMany { pairs, ttl: None } => client.mset(map(pairs)).await.map(|()| Reply::Ok),
        Command::SetMany { pairs, ttl: Some(ttl) } => set_many(client, pairs, ttl).await,
        Command::Delete { keys } => client.del(key_list(keys)).await.map(Reply::Integer),
        Command::Exists { key } => client.exists(Key::from(key)).await.map(Reply::Integer),
        Command::Expire { key, ttl } => client
            .pexpire(Key::from(key), millis(ttl), None)
            .await
            .map(Reply::Integer),
        Command::Ttl { key } => client.ttl(Key::from(key)).await.map(Reply::Integer),
        Command::IncrBy { key, by } => client.incr_by(Key::from(key), by).await.map(Reply::Integer),
        Command::HashSet { key, fields } => client.hset(Key::from(key), map(fields)).await.map(Reply::Integer),
        Command::HashGet { key, field } => client.hget(Key::from(key), Key::from(field)).await.map(value),
    }
}

async fn get_many(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Sent<Reply> {
    let values: Vec<Option<Bytes>> = client.mget(key_list(guard::guarded_keys(keys))).await?;
    let values = guard::unguarded(values).into_iter().map(|value| value.map(detached));
    Ok(Reply::Many(values.collect()))
}

async fn set_one(client: &WithOptions<Client>, set: Set) -> Sent<Reply> {
    let expiry = match set.expiry {
        Expiry::Never => None,
        Expiry::Keep => Some(Expiration::KEEPTTL),
        Expiry::In(ttl) => Some(Expiration::PX(millis(ttl))),
    };
    let condition = set.condition.map(|condition| match condition {
        Condition::IfAbsent => SetOptions::NX,
        Condition::IfPresent => SetOptions::XX,
    });
    let done: Option<Bytes> = client
        .set(Key::from(set.key), Value::Bytes(set.value), expiry, condition, false)
        .await?;
    Ok(done.map_or(Reply::Nil, |_ok| Reply::Ok))
}

async fn set_many(client: &WithOptions<Client>, pairs: Vec<(Bytes, Bytes)>, ttl: Ttl) -> Sent<Reply> {
    let (keys, values): (Vec<Bytes>, Vec<Bytes>) = pairs.into_iter().unzip();
    let mut arguments: Vec<Value> = Vec::with_capacity(keys.len() * 2 + 3);
    arguments.push(Value::from_static_str(SET_MANY));
    arguments.push(Value::Integer(i64::try_from(keys.len()).unwrap_or(i64::MAX)));
    arguments.extend(keys.into_iter().map(Value::Bytes));
    arguments.push(Value::Integer(millis(ttl)));
    arguments.extend(values.into_iter().map(Value::Bytes));
    let eval = CustomCommand::new_static("EVAL", None, false);
    client.custom::<i64, Value>(eval, arguments).await.map(|_one| Reply::Ok)
}

fn value(bytes: Option<Bytes>) -> Reply {
    bytes.map_or(Reply::Nil, |bytes| Reply::Bytes(detached(bytes)))
}

fn detached(bytes: Bytes) -> Bytes {
    if bytes.len() < COPIED_BELOW {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes
    }
}

fn key_list(keys: Vec<Bytes>) -> Vec<Key> {
    keys.into_iter().map(Key::from).collect()
}

fn map(pairs: Vec<(Bytes, Bytes)>) -> Map {
    pairs
        .into_iter()
        .map(|(name, value)| (Key::from(name), Value::Bytes(value)))
        .collect()
}

fn millis(ttl: Ttl) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}

/// Quotes a user or a password for fred, which writes them as they are into an inline `HELLO` command: a space would end them, a
/// line break would begin another command. The server undoes the quotes.
pub(super) fn quoted(credential: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !credential.is_empty() && credential.bytes().all(is_plain) {
        return credential.to_owned();
    }
    let mut quoted = String::from('"');
    for byte in credential.bytes() {
        if is_plain(byte) {
            quoted.push(byte.into());
        } else {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
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
        Some(code) => Failure::Replied(Error::new(kind_of(code), without_arguments(details).to_owned())),
        None => match error.kind() {
            FredErrorKind::Parse | FredErrorKind::NotFound | FredErrorKind::InvalidArgument => {
                Failure::Replied(Error::new(ErrorKind::Decode, "the reply has an unexpected shape"))
            }
            _ => Failure::Broken(readable(details).to_owned()),
        },
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

fn kind_of(code: &str) -> ErrorKind {
    match code {
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

    fn replied(details: &'static str) -> Error {
        match classify(FredError::new(FredErrorKind::Unknown, details)) {
            Failure::Replied(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_servers_reply_is_told_from_a_broken_connection() {
        assert_eq!(
            replied("OOM command not allowed when used memory > 'maxmemory'.").kind(),
            ErrorKind::OutOfMemory
        );
        assert_eq!(
            replied("READONLY You can't write against a read only replica.").kind(),
            ErrorKind::ReadOnly
        );
        assert_eq!(
            replied("ERR value is not an integer or out of range").kind(),
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
    fn credentials_are_quoted_where_they_would_end_or_add_a_command() {
        assert_eq!(quoted("pl@in:#%/?"), "pl@in:#%/?");
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(
            quoted("a \"b'\\\r\nFLUSHALL é"),
            r#""a\x20\x22b\x27\x5c\x0d\x0aFLUSHALL\x20\xc3\xa9""#
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
        let error = replied("ERR unknown command 'GET', with args beginning with: 'sesame' ");
        assert_eq!(error.message(), "ERR unknown command 'GET'");
    }
}
