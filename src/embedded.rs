//! The embedded backend, `memory://`: the commands of the server, answered in this process, in bounded memory.
//!
//! It has no outages. What does not fit evicts what was used least recently; what is larger than the whole store is
//! refused as a server without memory would.

mod channels;
mod data;
mod entries;
mod hashes;
mod keys;
mod lists;
mod scan;
mod sets;
mod sorted_sets;
mod store;
mod strings;
mod words;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;

use self::{
    channels::Channels,
    data::{Hash, pair_cost},
    store::{Store, count, deadline},
};
use crate::{
    command::{Call, Command},
    error::{Error, ErrorKind, Result},
    messages::{Listener, Topic},
    reply::Reply,
};

/// One store, shared by everybody who holds the manager.
pub(crate) struct Embedded {
    store: Mutex<Store>,
    channels: Arc<Channels>,
}

/// The state of a key when it was watched.
#[derive(Debug)]
pub(crate) struct Watched {
    key: Bytes,
    revision: Option<u64>,
}

impl Embedded {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            store: Mutex::new(Store::new(max_bytes)),
            channels: Arc::default(),
        }
    }

    pub(crate) fn execute(&self, command: Command) -> Result<Reply> {
        self.answer(command, |command| execute(&mut self.store(), command, Instant::now()))
    }

    /// Listens to what is published here.
    pub(crate) fn listen(&self, topics: Vec<Topic>) -> Listener {
        self.channels.listen(topics)
    }

    /// Notes the state of keys.
    pub(crate) fn watch(&self, keys: Vec<Bytes>) -> Vec<Watched> {
        let (mut store, now) = (self.store(), Instant::now());
        let watched = keys.into_iter().map(|key| Watched {
            revision: store.revision(&key, now),
            key,
        });
        watched.collect()
    }

    /// Executes commands in one step; `None` if a watched key was changed since.
    pub(crate) fn transact(&self, commands: Vec<Command>, watched: &[Watched]) -> Option<Vec<Result<Reply>>> {
        let (mut store, now) = (self.store(), Instant::now());
        let is_unchanged = |watched: &Watched| store.revision(&watched.key, now) == watched.revision;
        if !watched.iter().all(is_unchanged) {
            return None;
        }
        let answer = |command| self.answer(command, |command| execute(&mut store, command, now));
        Some(commands.into_iter().map(answer).collect())
    }

    /// Answers a command, and publishes what is to be told once it was executed.
    fn answer(&self, command: Command, execute: impl FnOnce(Command) -> Result<Reply>) -> Result<Reply> {
        if let Some(receivers) = self.channels.answer(&command) {
            return Ok(receivers);
        }
        let to_be_told = entries::to_be_told(&command);
        let answer = execute(command);
        if let (Some((tell, if_answered)), Ok(Reply::Integer(answer))) = (to_be_told, &answer)
            && *answer >= if_answered
        {
            self.channels.tell(tell);
        }
        answer
    }

    /// A panic while the lock was held would have left the store as consistent as any early return.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.channels.end();
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

/// Answers a command; `now` is an argument, so that time can be tested.
fn execute(store: &mut Store, command: Command, now: Instant) -> Result<Reply> {
    match command {
        Command::Get { key } => strings::get(store, &key, now),
        Command::GetMany { keys } => Ok(strings::get_many(store, &keys, now)),
        Command::GetVersioned(versioned) => Ok(strings::get_versioned(store, &versioned, now)),
        Command::GetWithTtl { .. } => Err(Error::new(
            ErrorKind::Unsupported,
            "only servers have a near cache before them",
        )),
        Command::Set(set) => strings::set(store, set, now),
        Command::SetMany { pairs, ttl } => strings::set_many(store, pairs, ttl, now),
        Command::IncrBy { key, by, ttl } => strings::incr_by(store, key, by, ttl, now),
        Command::CompareAndSet { key, old, new, ttl } => strings::compare_and_set(store, key, (old, new), ttl, now),
        Command::Delete { keys } => Ok(keys::delete(store, keys.iter(), now)),
        Command::Exists { key } => Ok(Reply::Integer(store.live(&key, now).is_some().into())),
        Command::Expire { key, ttl } => Ok(Reply::Integer(store.set_expiry(&key, deadline(now, ttl), now).into())),
        Command::HashSet { key, fields } => {
            store.check_fit(fields.iter().map(|(field, value)| pair_cost(field, value)).sum())?;
            store.change(&key, now, |hash: &mut Hash| Ok(count(hash.set(fields))))
        }
        Command::HashReplace {
            key,
            fields,
            expiry,
            is_new,
        } => hashes::replace(store, key, fields, (expiry, is_new), now),
        Command::HashGet { key, field } => {
            let value = store.look(&key, now, |hash: &mut Hash| hash.get(&field))?;
            Ok(value.flatten().map_or(Reply::Nil, Reply::Bytes))
        }
        Command::Entry(entry) => entries::answer(store, *entry, now),
        Command::FillMany(fills) => Ok(entries::fill_many(store, fills, now)),
        Command::Call(call) => call_by_name(store, &call, now),
    }
}

fn call_by_name(store: &mut Store, call: &Call, now: Instant) -> Result<Reply> {
    let groups = [
        strings::call,
        keys::call,
        hashes::call,
        lists::call,
        sets::call,
        sorted_sets::call,
    ];
    let answer = groups.iter().find_map(|group| group(store, call, now));
    answer.unwrap_or_else(|| {
        let message = if call.name.starts_with("JSON.") {
            format!("the embedded backend lacks the RedisJSON module ({})", call.name)
        } else {
            format!("the embedded backend does not know {}", call.name)
        };
        Err(Error::new(ErrorKind::Unsupported, message))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::data::OVERHEAD;
    use super::*;
    use crate::{
        command::{Expiry, Set},
        ttl::Ttl,
    };
    use bytes::Bytes;

    fn set(key: &str, value: &str, expiry: Expiry) -> Command {
        Command::Set(Set {
            key: key.to_owned().into(),
            value: value.to_owned().into(),
            expiry,
            condition: None,
            returns_old: false,
        })
    }

    fn get(store: &mut Store, key: &str, now: Instant) -> Option<Bytes> {
        let command = Command::Get {
            key: key.to_owned().into(),
        };
        execute(store, command, now).unwrap().into_bytes().unwrap()
    }

    #[test]
    fn a_value_lives_exactly_as_long_as_it_was_given() {
        let now = Instant::now();
        let mut store = Store::new(1 << 20);
        let half_a_second = Expiry::In(Ttl::from_millis(500).unwrap());
        execute(&mut store, set("k", "v", half_a_second), now).unwrap();
        assert!(get(&mut store, "k", now + Duration::from_millis(499)).is_some());
        assert!(get(&mut store, "k", now + Duration::from_millis(500)).is_none());
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let now = Instant::now();
        let mut store = Store::new(3 * (OVERHEAD + 2));
        for key in ["a", "b", "c"] {
            execute(&mut store, set(key, "1", Expiry::Never), now).unwrap();
        }
        assert!(get(&mut store, "a", now).is_some());
        execute(&mut store, set("d", "1", Expiry::Never), now).unwrap();
        assert!(get(&mut store, "a", now).is_some());
        assert!(get(&mut store, "b", now).is_none());
    }

    #[test]
    fn memory_stays_bounded_whatever_is_written() {
        let now = Instant::now();
        let mut store = Store::new(100_000);
        for n in 0..10_000 {
            execute(
                &mut store,
                set(&format!("k{n}"), &"v".repeat(n % 300), Expiry::Never),
                now,
            )
            .unwrap();
            let fields = vec![(Bytes::from(format!("f{n}")), Bytes::from_static(b"v"))];
            let hash = Command::HashSet {
                key: format!("h{}", n % 7).into(),
                fields,
            };
            execute(&mut store, hash, now).unwrap();
            store.assert_accounted();
        }
    }

    #[test]
    fn every_change_of_a_list_or_a_set_is_accounted_for() {
        let now = Instant::now();
        let mut store = Store::new(20_000);
        for n in 0..2_000_usize {
            let element = "v".repeat(n % 90);
            for (name, args) in [
                ("RPUSH", &["l", &element, "x", "y"][..][..]),
                ("LPUSH", &["l", &element][..]),
                ("LINSERT", &["l", "BEFORE", "x", &element][..]),
                ("LSET", &["l", "1", &element][..]),
                ("LREM", &["l", "-1", "y"][..]),
                ("LMOVE", &["l", "m", "LEFT", "RIGHT"][..]),
                ("LMOVE", &["l", "l", "LEFT", "RIGHT"][..]),
                ("LTRIM", &["l", "0", "-3"][..]),
                ("RPOP", &["m"][..]),
                ("LPOP", &["l", "2"][..]),
                ("SADD", &["s", &element, &n.to_string()][..]),
                ("SUNIONSTORE", &["t", "s", "u"][..]),
                ("SDIFFSTORE", &["u", "s", "t"][..]),
                ("SINTERSTORE", &["v", "s", "t"][..]),
                ("SMOVE", &["t", "u", &element][..]),
                ("SPOP", &["s", &(n % 3).to_string()][..]),
                ("SREM", &["s", &element][..]),
            ] {
                let call = Call::new(name).args(args.iter().map(|arg| arg.as_bytes().to_vec()));
                match execute(&mut store, call.into(), now) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Server, "{name}: {error}"),
                }
                store.assert_accounted();
            }
        }
    }

    #[test]
    fn what_is_larger_than_the_store_is_refused_and_evicts_nothing() {
        let now = Instant::now();
        let mut store = Store::new(1_000);
        execute(&mut store, set("a", "1", Expiry::Never), now).unwrap();
        let error = execute(&mut store, set("b", &"v".repeat(1_000), Expiry::Never), now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(get(&mut store, "a", now).is_some());
    }
}
