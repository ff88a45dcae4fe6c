//! Commands that are sent in the words of the server.
//!
//! fred flushes its socket after every custom command, which under concurrency costs half the throughput. So the hottest
//! commands go by fred's own functions, the others as custom ones.

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    error::{Error as FredError, ErrorKind as FredErrorKind},
    interfaces::{
        ClientLike, HashesInterface, KeysInterface, ListInterface, PubsubInterface, Resp3Frame as Frame, SetsInterface,
        SortedSetsInterface,
    },
    types::{CustomCommand, Key, Value},
};

pub(super) use super::words::Finish;
use super::{
    Sent, replies,
    words::{self, Words},
};
use crate::{
    command::Command,
    reply::Reply,
    transport::{failure, guard},
};

/// Sends any command.
pub(super) async fn send(client: &WithOptions<Client>, command: Command) -> Sent<Reply> {
    let Words { name, words, finish } = Words::of(command);
    plain(client, name, words).await.map(|reply| finish.apply(reply))
}

/// Asks for a list by fred's own functions, which do not flush, and without a guard.
pub(super) async fn list(client: &WithOptions<Client>, command: Command) -> Sent<Reply> {
    let name = command.name();
    let words = &mut Words::bare(command).into_iter();
    let value: Value = match name {
        "LRANGE" => client.lrange(name_of(words), integer(words), integer(words)).await?,
        "ZRANGE" => {
            let (key, start, stop) = (name_of(words), integer(words), integer(words));
            client.zrange(key, start, stop, None, false, None, false).await?
        }
        "HKEYS" => client.hkeys(name_of(words)).await?,
        _ => client.hvals(name_of(words)).await?,
    };
    Ok(replies::of_value(value))
}

/// Sends a command of a transaction: it is queued, and its reply comes with the others'.
pub(super) async fn queue(client: &WithOptions<Client>, command: Command) -> Sent<Finish> {
    let Words { name, words, finish } = Words::queued(command);
    custom(client, name, words).await.map(|_queued| finish)
}

/// Sends a command as it is, and keeps errors inside its reply in their places.
pub(super) async fn custom(client: &WithOptions<Client>, name: &'static str, words: Vec<Bytes>) -> Sent<Reply> {
    let (name, subcommand) = name
        .split_once(' ')
        .map_or((name, None), |(name, sub)| (name, Some(sub)));
    let subcommand = subcommand.map(Value::from_static_str);
    let words = subcommand
        .into_iter()
        .chain(words.into_iter().map(Value::Bytes))
        .collect();
    raw(client, name, words).await.map(replies::of_frame)
}

/// Asks for the values of many keys, with a key that does not exist before the first.
pub(super) async fn mget(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Sent<Vec<Option<Bytes>>> {
    let words = guard::with_absent(keys, 0).into_iter().map(Value::Bytes).collect();
    match raw(client, "MGET", words).await? {
        Frame::Array { data, .. } => Ok(guard::unguarded(data).into_iter().map(replies::slice).collect()),
        _ => Err(FredError::new(FredErrorKind::Parse, "MGET answers with a list")),
    }
}

/// Asks for the values of keys in several slots of a cluster.
pub(super) async fn get_across(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Sent<Vec<super::Found>> {
    let words = words::across(words::GET_ACROSS, keys)
        .into_iter()
        .map(Value::Bytes)
        .collect();
    match raw(client, "EVAL", words).await? {
        Frame::Array { data, .. } => Ok(guard::unguarded(data).into_iter().map(replies::found).collect()),
        _ => Err(FredError::new(FredErrorKind::Parse, "the script answers with a list")),
    }
}

/// Asks for the values of keys in several slots of a cluster, and how long they will live.
pub(super) async fn get_with_ttl_across(client: &WithOptions<Client>, keys: Vec<Bytes>) -> Sent<Reply> {
    let reply = custom(client, "EVAL", words::across(words::GET_WITH_TTL_ACROSS, keys)).await?;
    Ok(Finish::DropFirst.apply(reply))
}

async fn raw(client: &WithOptions<Client>, name: &'static str, words: Vec<Value>) -> Sent<Frame> {
    let command = CustomCommand::new_static(name, None, false);
    let refused = |text: &str| FredError::new(FredErrorKind::Unknown, failure::coded(text).into_owned());
    match client.custom_raw(command, words).await? {
        Frame::SimpleError { data, .. } => Err(refused(&data)),
        Frame::BlobError { data, .. } => Err(refused(&String::from_utf8_lossy(&data))),
        frame => Ok(frame),
    }
}

async fn plain(client: &WithOptions<Client>, name: &'static str, words: Vec<Bytes>) -> Sent<Reply> {
    let count = words.len();
    let words = &mut words.into_iter();
    let value: Value = match (name, count) {
        ("UNLINK", 1..) => client.unlink(names(words)).await?,
        ("PTTL", 1) => client.pttl(name_of(words)).await?,
        ("HGETALL", 1) => client.hgetall(name_of(words)).await?,
        ("HLEN", 1) => client.hlen(name_of(words)).await?,
        ("HMGET", 2..) => client.hmget(name_of(words), names(words)).await?,
        ("HDEL", 2..) => client.hdel(name_of(words), names(words)).await?,
        ("HEXISTS", 2) => client.hexists(name_of(words), name_of(words)).await?,
        ("LPUSH", 2..) => client.lpush(name_of(words), values(words)).await?,
        ("RPUSH", 2..) => client.rpush(name_of(words), values(words)).await?,
        ("LPOP", 1) => client.lpop(name_of(words), None).await?,
        ("RPOP", 1) => client.rpop(name_of(words), None).await?,
        ("LLEN", 1) => client.llen(name_of(words)).await?,
        ("SADD", 2..) => client.sadd(name_of(words), values(words)).await?,
        ("SREM", 2..) => client.srem(name_of(words), values(words)).await?,
        ("SISMEMBER", 2) => client.sismember(name_of(words), value_of(words)).await?,
        ("SCARD", 1) => client.scard(name_of(words)).await?,
        ("SMEMBERS", 1) => client.smembers(name_of(words)).await?,
        ("ZREM", 2..) => client.zrem(name_of(words), values(words)).await?,
        ("ZCARD", 1) => client.zcard(name_of(words)).await?,
        ("ZSCORE", 2) => client.zscore(name_of(words), value_of(words)).await?,
        ("PUBLISH", 2) => return publish(client, words).await,
        _ => return custom(client, name, words.collect()).await,
    };
    Ok(replies::of_value(value))
}

/// fred's own function takes channels that are text.
async fn publish(client: &WithOptions<Client>, words: &mut Rest) -> Sent<Reply> {
    let channel = words.next().unwrap_or_default();
    match std::str::from_utf8(&channel) {
        Ok(text) => client.publish(text, value_of(words)).await.map(replies::of_value),
        Err(_) => custom(client, "PUBLISH", std::iter::once(channel).chain(words).collect()).await,
    }
}

type Rest = std::vec::IntoIter<Bytes>;

fn name_of(words: &mut Rest) -> Key {
    words.next().unwrap_or_default().into()
}

/// Reads a number that the command's own method has written.
fn integer(words: &mut Rest) -> i64 {
    let word = words.next().unwrap_or_default();
    let text = std::str::from_utf8(&word).unwrap_or_default();
    text.parse().unwrap_or_default()
}

fn value_of(words: &mut Rest) -> Value {
    Value::Bytes(words.next().unwrap_or_default())
}

fn names(words: &mut Rest) -> Vec<Key> {
    words.map(Key::from).collect()
}

fn values(words: &mut Rest) -> Vec<Value> {
    words.map(Value::Bytes).collect()
}
