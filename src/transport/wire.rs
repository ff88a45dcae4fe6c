//! Commands and replies in fred's words.

mod calls;
mod replies;

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    error::Error as FredError,
    interfaces::{ClientLike, HashesInterface, KeysInterface},
    types::{Expiration, Key, Map, SetOptions, Value},
};

use super::{
    failure::{Failure, classify},
    guard,
};
use crate::{
    command::{Command, Condition, Expiry, Get, Set},
    reply::Reply,
    ttl::Ttl,
};

type Sent<T> = Result<T, FredError>;

/// `SET` for each pair, all in one step. `KEYS`: the keys; `ARGV`: the time to live in milliseconds, then the values.
const SET_MANY: &str = "for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1]) end return 1";

/// `KEYS`: the counter; `ARGV`: the step, the time to live in milliseconds.
const INCR_WITH_TTL: &str = "local is_new = redis.call('EXISTS', KEYS[1]) == 0 \
     local count = redis.call('INCRBY', KEYS[1], ARGV[1]) \
     if is_new then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
     return count";

/// `KEYS`: the string; `ARGV`: whether there was one (`1` or `0`) and which, whether there will be one and which, the time to live in
/// milliseconds (`0`: as long as before).
const COMPARE_AND_SET: &str = "local now = redis.call('GET', KEYS[1]) \
     local is_same = (ARGV[1] == '1' and now == ARGV[2]) or (ARGV[1] == '0' and not now) \
     if not is_same then return 0 end \
     if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) \
     elseif ARGV[5] == '0' then redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL') \
     else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end \
     return 1";

pub(super) async fn send(client: &WithOptions<Client>, command: Command) -> Result<Reply, Failure> {
    exchange(client, command).await.map_err(classify)
}

/// Sends a `GET`, by itself: the future and the stack frame of all commands together are several times as large.
pub(super) async fn get(client: &Client, get: Get) -> Result<Reply, Failure> {
    client
        .get(Key::from(get.key))
        .await
        .map(replies::of_optional)
        .map_err(classify)
}

/// Sends a token that nobody else has sent, and returns what comes back.
pub(super) async fn ping(client: &WithOptions<Client>, token: String) -> Result<String, Failure> {
    client.ping(Some(token)).await.map_err(classify)
}

async fn exchange(client: &WithOptions<Client>, command: Command) -> Sent<Reply> {
    match command {
        Command::Get(Get { key }) => client.get(Key::from(key)).await.map(replies::of_optional),
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
        Command::IncrBy { key, by, ttl: None } => client.incr_by(Key::from(key), by).await.map(Reply::Integer),
        Command::IncrBy {
            key,
            by,
            ttl: Some(ttl),
        } => {
            let arguments = [by.to_string(), ttl.as_millis().to_string()].map(Bytes::from);
            calls::eval(client, INCR_WITH_TTL, vec![key], arguments).await
        }
        Command::CompareAndSet { key, old, new, ttl } => {
            let ttl = ttl.map_or(0, Ttl::as_millis).to_string().into();
            let values = [old, new].into_iter().flat_map(told);
            calls::eval(client, COMPARE_AND_SET, vec![key], values.chain([ttl])).await
        }
        Command::HashSet { key, fields } => client.hset(Key::from(key), map(fields)).await.map(Reply::Integer),
        Command::HashGet { key, field } => client
            .hget(Key::from(key), Key::from(field))
            .await
            .map(replies::of_optional),
        Command::Call(call) => calls::send(client, call).await,
    }
}

async fn get_many(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Sent<Reply> {
    let values: Vec<Option<Bytes>> = client.mget(key_list(guard::guarded_keys(keys))).await?;
    let values = guard::unguarded(values).into_iter().map(replies::of_optional);
    Ok(Reply::Array(values.collect()))
}

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

async fn set_many(client: &WithOptions<Client>, pairs: Vec<(Bytes, Bytes)>, ttl: Ttl) -> Sent<Reply> {
    let (keys, values): (Vec<Bytes>, Vec<Bytes>) = pairs.into_iter().unzip();
    let arguments = [ttl.as_millis().to_string().into()].into_iter().chain(values);
    calls::eval(client, SET_MANY, keys, arguments)
        .await
        .map(|_one| Reply::Ok)
}

/// Tells a script whether there is a value, and which.
fn told(value: Option<Bytes>) -> [Bytes; 2] {
    let is_there = if value.is_some() { "1" } else { "0" };
    [Bytes::from_static(is_there.as_bytes()), value.unwrap_or_default()]
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
