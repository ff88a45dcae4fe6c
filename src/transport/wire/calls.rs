//! Commands that are sent in the words of the server.
//!
//! fred flushes its socket after every custom command, which under concurrency costs half the throughput. So the hottest
//! commands go by fred's own functions, the others as custom ones.

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    error::{Error as FredError, ErrorKind as FredErrorKind},
    interfaces::{
        ClientLike, HashesInterface, KeysInterface, ListInterface, Resp3Frame as Frame, SetsInterface,
        SortedSetsInterface,
    },
    types::{CustomCommand, Key, Value},
};

use super::{Sent, replies};
use crate::{
    command::{Arg, Call, Guard},
    reply::Reply,
    transport::guard,
};

/// Puts a list around the reply of a command. `KEYS`: its keys, for a server that asks for them; `ARGV`: the command. An error comes back as
/// the command replied it: raised, it would tell of the script, and on Redis 6 begin with another code.
const WRAPPED: &str = "local reply = redis.pcall(unpack(ARGV)) \
     if type(reply) == 'table' and reply.err then return reply end \
     return {reply}";

pub(super) async fn send(client: &WithOptions<Client>, call: Call) -> Sent<Reply> {
    match call.guard {
        Guard::Needless => plain(client, call.name, words(call)).await,
        Guard::AbsentAt(place) => {
            let name = call.name;
            let words = guard::with_absent(words(call), place);
            let reply = plain(client, name, words).await?;
            Ok(match reply {
                Reply::Array(replies) => Reply::Array(guard::unguarded(replies)),
                other => other,
            })
        }
        Guard::Wrapped => Ok(match wrapped(client, call).await? {
            Reply::Array(mut replies) if replies.len() == 1 => replies.remove(0),
            other => other,
        }),
        Guard::Scripted(script) => {
            let keys = call.keys().cloned().collect();
            let name = Bytes::from_static(call.name.as_bytes());
            let others = call.args.into_iter().filter_map(|arg| match arg {
                Arg::Key(_) => None,
                Arg::Other(word) => Some(word),
            });
            eval(client, script, keys, [name].into_iter().chain(others)).await
        }
    }
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
    let command = CustomCommand::new_static(name, None, false);
    match client.custom_raw::<Value>(command, words).await? {
        Frame::SimpleError { data, .. } => Err(FredError::new(FredErrorKind::Unknown, data.to_string())),
        frame => Ok(replies::of_frame(frame)),
    }
}

/// Runs a script.
pub(super) async fn eval(
    client: &WithOptions<Client>,
    script: &'static str,
    keys: Vec<Bytes>,
    arguments: impl IntoIterator<Item = Bytes>,
) -> Sent<Reply> {
    let mut words = vec![Bytes::from_static(script.as_bytes()), keys.len().to_string().into()];
    words.extend(keys);
    words.extend(arguments);
    custom(client, "EVAL", words).await
}

fn words(call: Call) -> Vec<Bytes> {
    call.args.into_iter().map(Arg::into_bytes).collect()
}

async fn wrapped(client: &WithOptions<Client>, call: Call) -> Sent<Reply> {
    let keys = call.keys().cloned().collect();
    let name = Bytes::from_static(call.name.as_bytes());
    eval(client, WRAPPED, keys, [name].into_iter().chain(words(call))).await
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
        _ => return custom(client, name, words.collect()).await,
    };
    Ok(replies::of_value(value))
}

type Words = std::vec::IntoIter<Bytes>;

fn name_of(words: &mut Words) -> Key {
    words.next().unwrap_or_default().into()
}

fn value_of(words: &mut Words) -> Value {
    Value::Bytes(words.next().unwrap_or_default())
}

fn names(words: &mut Words) -> Vec<Key> {
    words.map(Key::from).collect()
}

fn values(words: &mut Words) -> Vec<Value> {
    words.map(Value::Bytes).collect()
}
