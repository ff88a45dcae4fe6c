//! Batches for a node of a cluster, whatever the slots of their keys.
//!
//! `MGET` and `MSET` must not cross slots, but a script that says so may, on its own node, as long as its keys are arguments to it: 64 keys in
//! one script took half the time of 64 commands. A key that has moved fails alone, and is asked for by itself, so that its caller is told where it is.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    super::{connection::Connection, failure::Failure, large::LargeKeys},
    answers::{Answers, Values},
    driver::{Cargo, Told},
    load::{Asked, Load},
    permission::Permission,
    reads::{Plan, Reads, note_large},
    writes::{self, Writes},
};
use crate::{
    command::{Call, Command},
    reply::Reply,
    ttl::Ttl,
};

/// `GET`s.
#[derive(Debug)]
pub(super) struct ReadsAcross {
    large: Arc<LargeKeys>,
    script: Permission,
}

/// `SET`s without conditions.
#[derive(Debug, Default)]
pub(super) struct WritesAcross {
    script: Permission,
}

/// `ARGV`: how many keys there are, the keys, as many values, then one time to live in milliseconds for all or one for each (`0`: without end). The
/// answer lists the places of the keys that could not be written, behind a `false`.
const WRITE: &str = "#!lua flags=allow-cross-slot-keys
     local count = tonumber(ARGV[1])
     local failed = {false}
     local ttl
     for at = 1, count do
       ttl = ARGV[2 * count + 1 + at] or ttl
       local key, value, reply = ARGV[1 + at], ARGV[1 + count + at]
       if ttl == '0' then reply = redis.pcall('SET', key, value)
       else reply = redis.pcall('SET', key, value, 'PX', ttl) end
       if reply.err then failed[#failed + 1] = at end
     end
     return failed";

impl ReadsAcross {
    pub(super) fn new(large: &Arc<LargeKeys>) -> Self {
        Self {
            large: Arc::clone(large),
            script: Permission::default(),
        }
    }
}

impl Cargo for ReadsAcross {
    const CAPACITY: usize = Reads::CAPACITY;

    fn weight(command: &Command) -> usize {
        Reads::weight(command)
    }

    async fn together(&self, connection: &Arc<Connection>, load: &Load, within: Duration) -> Result<Told, Failure> {
        let Plan { keys, shares } = Plan::of(load);
        let found = self.script.ask(connection.values_across(keys, within)).await?;
        let is_failed = |place: &usize| matches!(found.get(*place), None | Some(Err(_)));
        let again = shares
            .iter()
            .enumerate()
            .filter(|(_, share)| share.places().iter().any(&is_failed));
        let again = again.map(|(member, _)| member).collect();
        let values: Vec<_> = found.into_iter().map(|value| value.ok().flatten()).collect();
        note_large(&self.large, load, &shares, &values);
        Ok(Told {
            answers: Answers::Values(Values::copied(values), shares),
            again,
        })
    }
}

impl Cargo for WritesAcross {
    const CAPACITY: usize = Writes::CAPACITY;

    fn weight(command: &Command) -> usize {
        Writes::weight(command)
    }

    async fn together(&self, connection: &Arc<Connection>, load: &Load, within: Duration) -> Result<Told, Failure> {
        let plan = writes::Plan::of(load);
        let keys = plan.keys.clone();
        let written = self.script.ask(connection.send(into_script(plan), within)).await?;
        let failed: Vec<&Bytes> = match &written {
            Reply::Array(places) => places.iter().filter_map(|place| failed(place, &keys)).collect(),
            other => return Err(Failure::Replied(other.clone().unexpected("a list of places"))),
        };
        let is_failed = |asked: &Asked| match asked {
            Asked::Set { key, .. } => failed.iter().any(|failed| failed[..] == *load.slice(key)),
            _ => false,
        };
        let members = load.asked().iter().enumerate();
        let again = members.filter(|(_, asked)| is_failed(asked)).map(|(member, _)| member);
        let again = again.collect();
        Ok(Told {
            answers: Answers::Alike(Ok(Reply::Ok)),
            again,
        })
    }
}

fn failed<'k>(place: &Reply, keys: &'k [Bytes]) -> Option<&'k Bytes> {
    match place {
        Reply::Integer(place) => keys.get(usize::try_from(*place).ok()?.checked_sub(1)?),
        _ => None,
    }
}

fn into_script(plan: writes::Plan) -> Command {
    let life = plan.life();
    let writes::Plan { keys, values, ttls } = plan;
    let call = Call::new("EVAL").arg(WRITE).number(0).number(keys.len());
    let call = call.args(keys).args(values);
    let millis = |ttl: Option<Ttl>| ttl.map_or(0, Ttl::as_millis);
    match life {
        writes::Life::Endless => call.number(0),
        writes::Life::Equal(ttl) => call.number(ttl.as_millis()),
        writes::Life::Mixed => ttls.into_iter().map(millis).fold(call, Call::number),
    }
    .into()
}
