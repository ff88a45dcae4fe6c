//! Commands and replies in fred's words.

mod calls;
mod entries;
mod replies;
mod words;

pub(super) use self::replies::{copied, detached};

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    error::Error as FredError,
    interfaces::{HashesInterface, KeysInterface},
    types::{Expiration, Key, Map, SetOptions, Value},
};

use futures_util::future::join_all;
use tokio::join;

use super::failure::{Failure, classify};
use crate::{
    command::{Command, Condition, Expiry, Set, Versioned},
    error::Error,
    reply::Reply,
    ttl::Ttl,
};

type Sent<T> = Result<T, FredError>;

pub(super) async fn send(client: &WithOptions<Client>, command: Command) -> Result<Reply, Failure> {
    exchange(client, command).await.map_err(classify)
}

/// Asks for a list without a guard, on a connection where that is proven to have done no harm.
pub(super) async fn list(client: &WithOptions<Client>, command: Command) -> Result<Reply, Failure> {
    calls::list(client, command).await.map_err(classify)
}

/// Asks for the values of many keys; `None` for each that has no string. They stay slices of the read buffer.
pub(super) async fn values(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Result<Vec<Option<Bytes>>, Failure> {
    calls::mget(client, keys).await.map_err(classify)
}

/// What was found at a key: a string, nothing, or an error instead.
pub(super) type Found = Result<Option<Bytes>, Error>;

/// The same with keys in several slots of a cluster.
pub(super) async fn values_across(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Result<Vec<Found>, Failure> {
    calls::get_across(client, keys).await.map_err(classify)
}

/// As [`Command::GetWithTtl`], with keys in several slots of a cluster.
pub(super) async fn values_with_ttl_across(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Result<Reply, Failure> {
    calls::get_with_ttl_across(client, keys).await.map_err(classify)
}

/// Sends a `GET`: the future and the stack frame of all commands together are several times as large.
pub(super) async fn get(client: &WithOptions<Client>, key: Bytes) -> Result<Reply, Failure> {
    let value = client.get(Key::from(key)).await;
    value.map(replies::of_optional).map_err(classify)
}

/// Asks for a value and its versions, by itself for the same reason.
pub(super) async fn get_versioned(client: &WithOptions<Client>, versioned: Versioned) -> Result<Reply, Failure> {
    exchange_versioned(client, versioned).await.map_err(classify)
}

/// Sends a `SET`, by itself for the same reason.
pub(super) async fn set(client: &WithOptions<Client>, set: Set) -> Result<Reply, Failure> {
    set_one(client, set).await.map_err(classify)
}

/// Sends commands as one transaction: all are executed in one step, or none. Nothing else may use the connection meanwhile.
///
/// `None` if a watched key was changed. Behind an `ASKING` where its slot is being moved here. A first `PING` keeps the list of replies from beginning with what a user has written.
pub(super) async fn transact(
    client: &WithOptions<Client>,
    commands: Vec<Command>,
    is_asking: bool,
) -> Result<Option<Vec<Result<Reply, Error>>>, Failure> {
    let simple = |name| calls::custom(client, name, Vec::new());
    let queued = commands.into_iter().map(|command| calls::queue(client, command));
    let asking = async {
        if is_asking {
            Box::pin(simple("ASKING")).await.map(drop)
        } else {
            Ok(())
        }
    };
    let (asked, begun, ping, queued, executed) = join!(
        biased;
        asking,
        simple("MULTI"),
        simple("PING"),
        join_all(queued.map(Box::pin)),
        simple("EXEC"),
    );
    asked.and(begun).map_err(classify)?;
    // A command that was refused when it was queued says more than the refusal of all.
    let finishes: Vec<_> = queued.into_iter().collect::<Sent<_>>().map_err(classify)?;
    ping.map_err(classify)?;
    match executed.map_err(classify)? {
        Reply::Nil => Ok(None),
        Reply::Array(replies) => {
            let replies = replies.into_iter().skip(1).zip(finishes);
            let finish = |(reply, finish): (Reply, calls::Finish)| match reply {
                Reply::Error(error) => Err(error),
                reply => Ok(finish.apply(reply)),
            };
            Ok(Some(replies.map(finish).collect()))
        }
        other => Err(Failure::Replied(other.unexpected("the replies of a transaction"))),
    }
}

async fn exchange(client: &WithOptions<Client>, command: Command) -> Sent<Reply> {
    match command {
        Command::Get { key } => client.get(Key::from(key)).await.map(replies::of_optional),
        Command::GetMany { keys } => get_many(client, keys).await,
        Command::GetVersioned(versioned) => exchange_versioned(client, versioned).await,
        Command::Set(set) => set_one(client, set).await,
        Command::SetMany { pairs, ttl: None } => client.mset(map(pairs)).await.map(|()| Reply::Ok),
        Command::Delete { keys } => client.del(key_list(keys)).await.map(Reply::Integer),
        Command::Exists { key } => client.exists(Key::from(key)).await.map(Reply::Integer),
        Command::Expire { key, ttl } => client
            .pexpire(Key::from(key), millis(ttl), None)
            .await
            .map(Reply::Integer),
        Command::IncrBy { key, by, ttl: None } => client.incr_by(Key::from(key), by).await.map(Reply::Integer),
        Command::HashSet { key, fields } => client.hset(Key::from(key), map(fields)).await.map(Reply::Integer),
        Command::HashGet { key, field } => client
            .hget(Key::from(key), Key::from(field))
            .await
            .map(replies::of_optional),
        other => calls::send(client, other).await,
    }
}

async fn get_many(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Sent<Reply> {
    let values = calls::mget(client, keys).await?;
    Ok(Reply::Array(values.into_iter().map(replies::of_optional).collect()))
}

async fn exchange_versioned(client: &WithOptions<Client>, versioned: Versioned) -> Sent<Reply> {
    if versioned.keys().len() != UNGUARDED {
        return calls::send(client, Command::GetVersioned(versioned)).await;
    }
    let keys: Vec<_> = versioned.keys().map(Bytes::copy_from_slice).map(Key::from).collect();
    let found: Vec<Option<Bytes>> = client.mget(keys).await?;
    Ok(Reply::Bytes(Versioned::answer(found.iter().map(Option::as_deref))))
}

/// A list of so many is never taken for a message, whatever stands in it.
const UNGUARDED: usize = 2;

async fn set_one(client: &WithOptions<Client>, set: Set) -> Sent<Reply> {
    let expiry = match set.expiry {
        Expiry::Never => None,
        Expiry::Keep => Some(Expiration::KEEPTTL),
        Expiry::In(ttl) => Some(Expiration::PX(millis(ttl))),
        Expiry::At(millis) => Some(Expiration::PXAT(millis)),
    };
    let condition = set.condition.map(|condition| match condition {
        Condition::IfAbsent => SetOptions::NX,
        Condition::IfPresent => SetOptions::XX,
    });
    let key = Key::from(set.key);
    let answer: Option<Bytes> = client
        .set(key, Value::Bytes(set.value), expiry, condition, set.returns_old)
        .await?;
    Ok(match answer {
        Some(_ok) if !set.returns_old => Reply::Ok,
        old => replies::of_optional(old),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_quoted_where_they_would_end_or_add_a_command() {
        assert_eq!(quoted("pl@in:#%/?"), "pl@in:#%/?");
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(
            quoted("a \"b'\\\r\nFLUSHALL é"),
            r#""a\x20\x22b\x27\x5c\x0d\x0aFLUSHALL\x20\xc3\xa9""#
        );
    }
}
