//! Commands in the words of the server, and what is to be made of its replies.

use bytes::Bytes;

use super::entries;
use crate::{
    command::{Arg, Call, Command, Condition, EntryCommand, EntryFill, Expiry, Guard, Set, Versioned},
    reply::Reply,
    transport::guard,
    ttl::Ttl,
};

/// A command as the server reads it.
pub(super) struct Words {
    pub(super) name: &'static str,
    pub(super) words: Vec<Bytes>,
    /// What is to be made of the reply.
    pub(super) finish: Finish,
}

/// What the guard put around a reply, and is to be taken off again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Nothing,
    DropFirst,
    Unwrap,
    /// The number means `OK`.
    Done,
    /// Values, behind a first one, that become one answer.
    Versioned,
}

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

/// `KEYS`: the hash; `ARGV`: whether it has to be new (`1` or `0`), its time to live in milliseconds (`0`: without end, `-1`: as long as before), then
/// fields and values.
const HASH_REPLACE: &str = "if ARGV[1] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end \
     local ttl = ARGV[2] \
     if ttl == '-1' then ttl = redis.call('PTTL', KEYS[1]) end \
     redis.call('DEL', KEYS[1]) \
     for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end \
     if tonumber(ttl) > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end \
     return 1";

/// Puts a list around the reply of a command. `KEYS`: its keys, for a server that asks for them; `ARGV`: the command. An error comes back as
/// the command replied it: raised, it would tell of the script, and on Redis 6 begin with another code.
const WRAPPED: &str = "local reply = redis.pcall(unpack(ARGV)) \
     if type(reply) == 'table' and reply.err then return reply end \
     return {reply}";

/// The values of all keys, each with how long it will live. The `false` in front keeps the reply from beginning with what a user has written; an error
/// stands in its place. `KEYS`: the keys.
const GET_WITH_TTL: &str = "local reply = {false} \
     for i, key in ipairs(KEYS) do \
     reply[2 * i] = redis.pcall('GET', key) \
     reply[2 * i + 1] = redis.pcall('PTTL', key) \
     end \
     return reply";

/// The first line of a script whose keys may be in several slots of a cluster. They are arguments to it: keys that are named as such may not.
macro_rules! across_slots {
    ($body:expr) => {
        concat!("#!lua flags=no-writes,allow-cross-slot-keys\n", $body)
    };
}

/// `ARGV`: the keys. The `false` in front keeps the reply from beginning with what a user has written; an error stands in its value's place.
pub(super) const GET_ACROSS: &str = across_slots!(
    "local reply = {false} \
     for at, key in ipairs(ARGV) do reply[at + 1] = redis.pcall('GET', key) end \
     return reply"
);

/// As [`GET_WITH_TTL`]. `ARGV`: the keys.
pub(super) const GET_WITH_TTL_ACROSS: &str = across_slots!(
    "local reply = {false} \
     for i, key in ipairs(ARGV) do \
     reply[2 * i] = redis.pcall('GET', key) \
     reply[2 * i + 1] = redis.pcall('PTTL', key) \
     end \
     return reply"
);

/// The words of a script that names no keys.
pub(super) fn across(script: &'static str, keys: Vec<Bytes>) -> Vec<Bytes> {
    of_script(script, Vec::new(), keys)
}

impl Words {
    pub(super) fn of(command: Command) -> Self {
        let name = command.name();
        let plain = |words| Self {
            name,
            words,
            finish: Finish::Nothing,
        };
        let without_first = |words| Self {
            finish: Finish::DropFirst,
            ..plain(words)
        };
        match command {
            Command::Get { key } | Command::Exists { key } => plain(vec![key]),
            Command::GetMany { keys } => without_first(guard::with_absent(keys, 0)),
            Command::GetWithTtl { keys } => without_first(of_script(GET_WITH_TTL, keys, [])),
            Command::GetVersioned(versioned) => Self::of_versioned(name, &versioned),
            Command::Set(set) => plain(of_set(set)),
            Command::SetMany { pairs, ttl: None } => plain(flat(pairs).collect()),
            Command::SetMany { pairs, ttl: Some(ttl) } => {
                let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                let arguments = [number(ttl.as_millis())].into_iter().chain(values);
                Self {
                    finish: Finish::Done,
                    ..plain(of_script(SET_MANY, keys, arguments))
                }
            }
            Command::Delete { keys } => plain(keys),
            Command::Expire { key, ttl } => plain(vec![key, number(ttl.as_millis())]),
            Command::IncrBy { key, by, ttl } => plain(of_incr_by(key, by, ttl)),
            Command::CompareAndSet { key, old, new, ttl } => {
                let values = [old, new].into_iter().flat_map(told);
                let ttl = number(ttl.map_or(0, Ttl::as_millis));
                plain(of_script(COMPARE_AND_SET, vec![key], values.chain([ttl])))
            }
            Command::HashSet { key, fields } => plain([key].into_iter().chain(flat(fields)).collect()),
            Command::HashReplace {
                key,
                fields,
                expiry,
                is_new,
            } => {
                let ttl = match expiry {
                    Expiry::In(ttl) => number(ttl.as_millis()),
                    Expiry::Keep => number(-1),
                    Expiry::Never | Expiry::At(_) => number(0),
                };
                let options = [number(u8::from(is_new)), ttl].into_iter();
                plain(of_script(HASH_REPLACE, vec![key], options.chain(flat(fields))))
            }
            Command::HashGet { key, field } => plain(vec![key, field]),
            Command::Entry(entry) => plain(of_entry(*entry)),
            Command::FillMany(fills) => plain(of_fills(fills)),
            Command::Call(call) => Self::of_call(call),
        }
    }

    fn of_versioned(name: &'static str, versioned: &Versioned) -> Self {
        let keys = versioned.keys().map(Bytes::copy_from_slice).collect();
        Self {
            name,
            words: guard::with_absent(keys, 0),
            finish: Finish::Versioned,
        }
    }

    /// Returns the arguments of a call as they are, without a guard.
    pub(super) fn bare(command: Command) -> Vec<Bytes> {
        match command {
            Command::Call(call) => call.args.into_iter().map(Arg::into_bytes).collect(),
            other => Self::of(other).words,
        }
    }

    /// Makes the words of a command of a transaction, whose reply comes in a list: there a list needs no script around it.
    pub(super) fn queued(command: Command) -> Self {
        match command {
            Command::Call(
                call @ Call {
                    guard: Guard::Wrapped, ..
                },
            ) => Self::of_call(call.guarded(Guard::Needless)),
            other => Self::of(other),
        }
    }

    fn of_call(call: Call) -> Self {
        let Call { name, guard, .. } = call;
        let keys = match guard {
            Guard::Wrapped | Guard::Scripted(_) => call.keys().cloned().collect(),
            Guard::Needless | Guard::AbsentAt(_) => Vec::new(),
        };
        let are_others_only = matches!(guard, Guard::Scripted(_));
        let words = call
            .args
            .into_iter()
            .filter(|arg| !(are_others_only && matches!(arg, Arg::Key(_))));
        let words = words.map(Arg::into_bytes);
        match guard {
            Guard::Needless => Self {
                name,
                words: words.collect(),
                finish: if name == "MSETEX" {
                    Finish::Done
                } else {
                    Finish::Nothing
                },
            },
            Guard::AbsentAt(place) => Self {
                name,
                words: guard::with_absent(words.collect(), place),
                finish: Finish::DropFirst,
            },
            Guard::Wrapped => {
                let command = name.split(' ').map(|word| Bytes::from_static(word.as_bytes()));
                Self {
                    name: "EVAL",
                    words: of_script(WRAPPED, keys, command.chain(words)),
                    finish: Finish::Unwrap,
                }
            }
            Guard::Scripted(script) => {
                let name = Bytes::from_static(name.as_bytes());
                Self {
                    name: "EVAL",
                    words: of_script(script, keys, [name].into_iter().chain(words)),
                    finish: Finish::Nothing,
                }
            }
        }
    }
}

impl Finish {
    pub(super) fn apply(self, reply: Reply) -> Reply {
        match (self, reply) {
            (Self::DropFirst, Reply::Array(replies)) => Reply::Array(guard::unguarded(replies)),
            (Self::Unwrap, Reply::Array(mut replies)) => replies.pop().unwrap_or(Reply::Nil),
            (Self::Done, Reply::Integer(_)) => Reply::Ok,
            (Self::Versioned, Reply::Array(replies)) => {
                let bytes = |reply: &Reply| match reply {
                    Reply::Bytes(bytes) => Some(bytes.clone()),
                    _ => None,
                };
                let found: Vec<_> = guard::unguarded(replies).iter().map(bytes).collect();
                Reply::Bytes(Versioned::answer(found.iter().map(Option::as_deref)))
            }
            (_, reply) => reply,
        }
    }
}

fn of_set(set: Set) -> Vec<Bytes> {
    let mut words = vec![set.key, set.value];
    match set.expiry {
        Expiry::Never => {}
        Expiry::Keep => words.push("KEEPTTL".into()),
        Expiry::In(ttl) => words.extend(["PX".into(), number(ttl.as_millis())]),
        Expiry::At(millis) => words.extend(["PXAT".into(), number(millis)]),
    }
    words.extend(set.condition.map(|condition| {
        Bytes::from_static(match condition {
            Condition::IfAbsent => b"NX",
            Condition::IfPresent => b"XX",
        })
    }));
    words.extend(set.returns_old.then_some(Bytes::from_static(b"GET")));
    words
}

fn of_incr_by(key: Bytes, by: i64, ttl: Option<Ttl>) -> Vec<Bytes> {
    match ttl {
        None => vec![key, number(by)],
        Some(ttl) => of_script(INCR_WITH_TTL, vec![key], [number(by), number(ttl.as_millis())]),
    }
}

fn of_entry(EntryCommand { key, act }: EntryCommand) -> Vec<Bytes> {
    let (script, arguments) = entries::script(act);
    of_script(script, vec![key], arguments)
}

fn of_fills(fills: Vec<EntryFill>) -> Vec<Bytes> {
    let (script, keys, arguments) = entries::script_for_many(fills);
    of_script(script, keys, arguments)
}

fn of_script(script: &'static str, keys: Vec<Bytes>, arguments: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
    let mut words = vec![Bytes::from_static(script.as_bytes()), number(keys.len())];
    words.extend(keys);
    words.extend(arguments);
    words
}

/// Tells a script whether there is a value, and which.
fn told(value: Option<Bytes>) -> [Bytes; 2] {
    let is_there = if value.is_some() { "1" } else { "0" };
    [Bytes::from_static(is_there.as_bytes()), value.unwrap_or_default()]
}

fn flat(pairs: Vec<(Bytes, Bytes)>) -> impl Iterator<Item = Bytes> {
    pairs.into_iter().flat_map(|(name, value)| [name, value])
}

fn number(number: impl ToString) -> Bytes {
    number.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &Words) -> String {
        let words = words.words.iter().map(|word| String::from_utf8_lossy(word));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_list_that_users_write_is_wrapped_with_its_keys_named() {
        let call = Call::new("LRANGE").key("app:l".into()).number(0).number(-1);
        let words = Words::of(call.guarded(Guard::Wrapped).into());
        assert_eq!(words.name, "EVAL");
        assert_eq!(text(&words), format!("{WRAPPED} 1 app:l LRANGE app:l 0 -1"));
        assert_eq!(
            words.finish.apply(Reply::Array(vec![Reply::Array(vec![])])),
            Reply::Array(vec![])
        );
    }

    #[test]
    fn an_absent_field_stands_before_the_first() {
        let call = Call::new("HMGET").key("h".into()).args(["f", "g"]);
        let words = Words::of(call.guarded(Guard::AbsentAt(1)).into());
        assert_eq!((words.words.len(), &words.words[0][..]), (4, &b"h"[..]));
        assert!(words.words[1].starts_with(b"f\0absent:"));
        let reply = Reply::Array(vec![Reply::Nil, Reply::Integer(1)]);
        assert_eq!(words.finish.apply(reply), Reply::Array(vec![Reply::Integer(1)]));
    }

    #[test]
    fn a_set_has_its_options_in_the_servers_order() {
        let set = Set {
            key: "k".into(),
            value: "v".into(),
            expiry: Expiry::At(5),
            condition: Some(Condition::IfAbsent),
            returns_old: true,
        };
        assert_eq!(text(&Words::of(Command::Set(set))), "k v PXAT 5 NX GET");
    }
}
