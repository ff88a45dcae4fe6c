//! Writes that leave together: one `MSET` where none of them expires, otherwise one `MSETEX` or one script.
//!
//! Of several writes to one key only the last is sent, because nobody could ever see the others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::{
    super::{connection::Connection, failure::Failure, knowledge::Knowledge},
    answers::Answers,
    driver::{Cargo, Told},
    load::{Asked, Load},
    permission::{self, Permission},
};
use crate::{
    command::{Call, Command},
    reply::Reply,
    ttl::Ttl,
};

/// `SET`s without conditions.
#[derive(Debug)]
pub(super) struct Writes {
    /// Whether the server has `MSETEX`, and runs scripts. Until that is known a script is tried.
    knowledge: Arc<Knowledge>,
    mset: Permission,
    msetex: Permission,
    script: Permission,
}

/// What is written, each key once.
pub(super) struct Plan {
    pub(super) keys: Vec<Bytes>,
    pub(super) values: Vec<Bytes>,
    pub(super) ttls: Vec<Option<Ttl>>,
}

/// How long what is written will live.
pub(super) enum Life {
    Endless,
    Equal(Ttl),
    Mixed,
}

/// `MSET`, and then an expiry for each key that has one: half as expensive for the server as a script of `SET … PX`. `KEYS`: the keys; `ARGV`: as many
/// values, then one time to live in milliseconds for all or one for each (`0`: without end). An error stops it before anything is written, unless it is `PEXPIREAT` alone
/// that is not permitted; the single commands that follow then write the same values again.
const SCRIPT: &str = "local count = #KEYS \
     local pairs = {} \
     for at = 1, count do pairs[2 * at - 1] = KEYS[at] pairs[2 * at] = ARGV[at] end \
     local call = redis.call \
     local time = call('TIME') \
     local now = time[1] * 1000 + math.floor(time[2] / 1000) \
     call('MSET', unpack(pairs)) \
     local ttl, due \
     for at = 1, count do \
       local next = ARGV[count + at] or ttl \
       if next ~= ttl then ttl = next due = string.format('%.0f', now + ttl) end \
       if ttl ~= '0' then call('PEXPIREAT', KEYS[at], due) end \
     end \
     return 1";

impl Cargo for Writes {
    const CAPACITY: usize = 256 * 1024;

    fn weight(command: &Command) -> usize {
        const PROTOCOL: usize = 64;
        command.key().map_or(0, <[u8]>::len) + command.payload_len() + PROTOCOL
    }

    async fn together(&self, connection: &Arc<Connection>, load: &Load, within: Duration) -> Result<Told, Failure> {
        let plan = Plan::of(load);
        let life = plan.life();
        let has_msetex = matches!(life, Life::Equal(_)) && self.knowledge.has_msetex();
        let permission = match life {
            Life::Endless => &self.mset,
            Life::Equal(_) if has_msetex => &self.msetex,
            Life::Equal(_) | Life::Mixed if self.knowledge.refuses_scripts() => return Err(permission::refused()),
            Life::Equal(_) | Life::Mixed => &self.script,
        };
        let sending = connection.send(plan.into_command(life, has_msetex), within);
        permission.ask(sending).await?;
        Ok(Answers::Alike(Ok(Reply::Ok)).into())
    }
}

impl Writes {
    pub(super) fn new(knowledge: &Arc<Knowledge>) -> Self {
        Self {
            knowledge: Arc::clone(knowledge),
            mset: Permission::default(),
            msetex: Permission::default(),
            script: Permission::default(),
        }
    }
}

impl Plan {
    pub(super) fn of(load: &Load) -> Self {
        let count = load.asked().len();
        let mut plan = Self {
            keys: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
            ttls: Vec::with_capacity(count),
        };
        // A hash that nobody can foresee: keys may come from outside.
        let mut places = HashMap::with_capacity_and_hasher(count, RandomState::default());
        for asked in load.asked() {
            let Asked::Set { key, value, ttl } = asked else {
                continue;
            };
            let place = *places.entry(load.slice(key)).or_insert(plan.keys.len());
            match (plan.values.get_mut(place), plan.ttls.get_mut(place)) {
                (Some(old), Some(old_ttl)) => (*old, *old_ttl) = (load.bytes(value), *ttl),
                _ => {
                    plan.keys.push(load.bytes(key));
                    plan.values.push(load.bytes(value));
                    plan.ttls.push(*ttl);
                }
            }
        }
        plan
    }

    pub(super) fn life(&self) -> Life {
        match self.ttls.split_first() {
            Some((first, rest)) if rest.iter().all(|ttl| ttl == first) => first.map_or(Life::Endless, Life::Equal),
            _ => Life::Mixed,
        }
    }

    fn into_command(self, life: Life, has_msetex: bool) -> Command {
        let Self { keys, values, ttls } = self;
        let count = keys.len();
        let pairs = |call: Call, keys: Vec<Bytes>, values: Vec<Bytes>| call.pairs(keys.into_iter().zip(values));
        let script = |keys, values: Vec<Bytes>| {
            let call = Call::new("EVAL").arg(SCRIPT).number(count);
            call.keys_of(keys).args(values)
        };
        let call = match life {
            Life::Endless => pairs(Call::new("MSET"), keys, values),
            Life::Equal(ttl) if has_msetex => pairs(Call::new("MSETEX").number(count), keys, values)
                .arg("PX")
                .number(ttl.as_millis()),
            Life::Equal(ttl) => script(keys, values).number(ttl.as_millis()),
            Life::Mixed => {
                let millis = ttls.into_iter().map(|ttl| ttl.map_or(0, Ttl::as_millis));
                millis.fold(script(keys, values), Call::number)
            }
        };
        call.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Expiry, Set};

    fn set(key: &'static str, value: &'static str, ttl: Option<u64>) -> Command {
        Command::Set(Set {
            key: key.into(),
            value: value.into(),
            expiry: ttl.map_or(Expiry::Never, |ttl| Expiry::In(Ttl::from_millis(ttl).unwrap())),
            condition: None,
            returns_old: false,
        })
    }

    fn sent(commands: &[Command], has_msetex: bool) -> String {
        let plan = Plan::of(&commands.iter().cloned().collect());
        let life = plan.life();
        let Command::Call(call) = plan.into_command(life, has_msetex) else {
            panic!("no call");
        };
        let words = call.args.iter().map(|arg| String::from_utf8_lossy(arg.bytes()));
        let words: Vec<_> = words.filter(|word| *word != SCRIPT).collect();
        format!("{} {}", call.name, words.join(" "))
    }

    #[test]
    fn of_writes_to_one_key_the_last_is_sent() {
        let writes = [set("a", "1", None), set("b", "2", None), set("a", "3", None)];
        assert_eq!(sent(&writes, true), "MSET a 3 b 2");
        let writes = [set("a", "1", Some(5)), set("a", "2", None)];
        assert_eq!(sent(&writes, true), "MSET a 2");
    }

    #[test]
    fn what_lives_equally_long_has_one_time_to_live() {
        let writes = [set("a", "1", Some(50)), set("b", "2", Some(50))];
        assert_eq!(sent(&writes, true), "MSETEX 2 a 1 b 2 PX 50");
        assert_eq!(sent(&writes, false), "EVAL 2 a b 1 2 50");
    }

    #[test]
    fn otherwise_each_has_its_own() {
        let writes = [set("a", "1", Some(50)), set("b", "2", None), set("c", "3", Some(70))];
        assert_eq!(sent(&writes, true), "EVAL 3 a b c 1 2 3 50 0 70");
    }
}
