//! Writes that leave together: one `MSET` where none of them expires, otherwise one `MSETEX` or one script.
//!
//! Of several writes to one key only the last is sent, because nobody could ever see the others.

use std::{collections::HashMap, sync::OnceLock, time::Duration};

use bytes::Bytes;

use super::{
    super::{boxes::Outcome, connection::Connection, failure::Failure, knowledge},
    lane::Cargo,
};
use crate::{
    command::{Call, Command, Expiry, Set},
    reply::Reply,
    ttl::Ttl,
};

/// `SET`s without conditions.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// Whether the server has `MSETEX`.
    has_msetex: OnceLock<bool>,
}

/// What is written, each key once.
struct Plan {
    keys: Vec<Bytes>,
    values: Vec<Bytes>,
    ttls: Vec<Option<Ttl>>,
}

/// How one command says it all.
enum Form {
    Mset,
    /// All live equally long.
    Msetex(Ttl),
    Script,
}

/// `MSET`, and then an expiry for each key that has one: half as expensive for the server as a script of `SET … PX`. `KEYS`: the keys; `ARGV`: as many
/// values, then as many times to live in milliseconds (`0`: without end). An error stops it before anything is written, unless it is `PEXPIREAT` alone
/// that is not permitted; the single commands that follow then write the same values again.
const SCRIPT: &str = "local count = #KEYS \
     local pairs = {} \
     for at = 1, count do pairs[2 * at - 1] = KEYS[at] pairs[2 * at] = ARGV[at] end \
     local call = redis.call \
     call('MSET', unpack(pairs)) \
     local time = call('TIME') \
     local now = time[1] * 1000 + math.floor(time[2] / 1000) \
     local ttl, due \
     for at = 1, count do \
       local next = ARGV[count + at] \
       if next ~= ttl then ttl = next due = string.format('%.0f', now + ttl) end \
       if ttl ~= '0' then call('PEXPIREAT', KEYS[at], due) end \
     end \
     return 1";

impl Cargo for Writes {
    const CAPACITY: usize = 256 * 1024;

    fn weight(command: &Command) -> usize {
        // The key, and what the protocol adds.
        command.payload_len() + 64
    }

    async fn together(
        &self,
        connection: &Connection,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Outcome>, Failure> {
        let plan = Plan::of(commands);
        let form = match plan.ttl() {
            Some(None) => Form::Mset,
            Some(Some(ttl)) if self.has_msetex(connection, within).await => Form::Msetex(ttl),
            _ => Form::Script,
        };
        connection.send(plan.into_command(form), within).await?;
        Ok(commands.iter().map(|_| Ok(Reply::Ok)).collect())
    }
}

impl Writes {
    /// Says whether the server has `MSETEX`, which is asked once.
    async fn has_msetex(&self, connection: &Connection, within: Duration) -> bool {
        if let Some(has_it) = self.has_msetex.get() {
            return *has_it;
        }
        let answer = connection.send(knowledge::question("MSETEX"), within).await;
        let has_it = matches!(answer, Ok(Reply::Array(found)) if matches!(found.first(), Some(Reply::Array(_))));
        *self.has_msetex.get_or_init(|| has_it)
    }
}

impl Plan {
    fn of(commands: &[Command]) -> Self {
        let count = commands.len();
        let mut plan = Self {
            keys: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
            ttls: Vec::with_capacity(count),
        };
        let mut places = HashMap::with_capacity(count);
        for (key, value, ttl) in commands.iter().filter_map(parts) {
            let place = *places.entry(key).or_insert(plan.keys.len());
            match (plan.values.get_mut(place), plan.ttls.get_mut(place)) {
                (Some(old), Some(old_ttl)) => (*old, *old_ttl) = (value.clone(), ttl),
                _ => {
                    plan.keys.push(key.clone());
                    plan.values.push(value.clone());
                    plan.ttls.push(ttl);
                }
            }
        }
        plan
    }

    /// Returns the time to live of all, if it is the same.
    fn ttl(&self) -> Option<Option<Ttl>> {
        let (first, rest) = self.ttls.split_first()?;
        rest.iter().all(|ttl| ttl == first).then_some(*first)
    }

    fn into_command(self, form: Form) -> Command {
        let Self { keys, values, ttls } = self;
        let count = keys.len();
        let pairs = |call: Call, keys: Vec<Bytes>, values: Vec<Bytes>| {
            let pairs = keys.into_iter().zip(values);
            pairs.fold(call, |call, (key, value)| call.key(key).arg(value))
        };
        let call = match form {
            Form::Mset => pairs(Call::new("MSET"), keys, values),
            Form::Msetex(ttl) => pairs(Call::new("MSETEX").number(count), keys, values)
                .arg("PX")
                .number(ttl.as_millis()),
            Form::Script => {
                let call = keys
                    .into_iter()
                    .fold(Call::new("EVAL").arg(SCRIPT).number(count), Call::key);
                call.args(values).args(ttls.into_iter().map(millis()))
            }
        };
        call.into()
    }
}

/// Writes times to live; mostly it is the same again.
fn millis() -> impl FnMut(Option<Ttl>) -> Bytes {
    let mut last = (None, Bytes::from_static(b"0"));
    move |ttl| {
        if ttl != last.0 {
            last = (ttl, ttl.map_or(0, Ttl::as_millis).to_string().into());
        }
        last.1.clone()
    }
}

fn parts(command: &Command) -> Option<(&Bytes, &Bytes, Option<Ttl>)> {
    match command {
        Command::Set(Set { key, value, expiry, .. }) => Some((
            key,
            value,
            match expiry {
                Expiry::In(ttl) => Some(*ttl),
                Expiry::Never | Expiry::Keep | Expiry::At(_) => None,
            },
        )),
        _ => None,
    }
}
