//! The data behind the lock: synchronous, and time is an argument.

use std::{collections::HashMap, time::Instant};

use bytes::Bytes;
use lru::LruCache;

use crate::{
    command::{Command, Condition, Expiry, Reply, Set},
    error::{Error, ErrorKind, Result},
    ttl::Ttl,
};

pub(super) struct Store {
    /// Ordered by use; its own capacity is without bound, `max_bytes` bounds it.
    entries: LruCache<Bytes, Entry>,
    bytes: usize,
    max_bytes: usize,
}

struct Entry {
    data: Data,
    expires: Option<Instant>,
    /// What the entry counts against the bound.
    cost: usize,
}

enum Data {
    Text(Bytes),
    Hash(HashMap<Bytes, Bytes>),
}

/// What an entry, or a field of a hash, costs beside its bytes: table slot, list links, reference counts. An estimate.
const OVERHEAD: usize = 128;

impl Store {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn execute(&mut self, command: Command, now: Instant) -> Result<Reply> {
        match command {
            Command::Get(get) => self.get(&get.key, now),
            Command::GetMany { keys } => {
                let text = |key: &Bytes| match self.live(key, now).map(|entry| &entry.data) {
                    Some(Data::Text(value)) => Some(value.clone()),
                    _ => None,
                };
                Ok(Reply::Many(keys.iter().map(text).collect()))
            }
            Command::Set(set) => self.set(set, now),
            Command::SetMany { pairs, ttl } => self.set_many(pairs, ttl, now),
            Command::Delete { keys } => {
                let removed = keys
                    .iter()
                    .filter(|key| self.take(key).is_some_and(|entry| !entry.is_over(now)))
                    .count();
                Ok(count(removed))
            }
            Command::Exists { key } => Ok(Reply::Integer(self.live(&key, now).is_some().into())),
            Command::Expire { key, ttl } => {
                let entry = self.live(&key, now);
                let exists = entry.is_some();
                if let Some(entry) = entry {
                    entry.expires = deadline(now, ttl);
                }
                Ok(Reply::Integer(exists.into()))
            }
            Command::Ttl { key } => Ok(Reply::Integer(self.ttl(&key, now))),
            Command::IncrBy { key, by } => self.incr_by(key, by, now),
            Command::HashSet { key, fields } => self.hash_set(key, fields, now),
            Command::HashGet { key, field } => match self.live(&key, now).map(|entry| &entry.data) {
                None => Ok(Reply::Nil),
                Some(Data::Hash(fields)) => Ok(fields
                    .get(&field)
                    .map_or(Reply::Nil, |value| Reply::Bytes(value.clone()))),
                Some(Data::Text(_)) => Err(wrong_type()),
            },
        }
    }

    fn get(&mut self, key: &Bytes, now: Instant) -> Result<Reply> {
        match self.live(key, now).map(|entry| &entry.data) {
            None => Ok(Reply::Nil),
            Some(Data::Text(value)) => Ok(Reply::Bytes(value.clone())),
            Some(Data::Hash(_)) => Err(wrong_type()),
        }
    }

    fn set(&mut self, set: Set, now: Instant) -> Result<Reply> {
        let Set {
            key,
            value,
            expiry,
            condition,
        } = set;
        let present = self.live(&key, now).map(|entry| entry.expires);
        match condition {
            Some(Condition::IfAbsent) if present.is_some() => return Ok(Reply::Nil),
            Some(Condition::IfPresent) if present.is_none() => return Ok(Reply::Nil),
            _ => {}
        }
        let expires = match expiry {
            Expiry::Never => None,
            Expiry::Keep => present.flatten(),
            Expiry::In(ttl) => deadline(now, ttl),
        };
        self.check_fit(key.len() + value.len())?;
        self.put(key, Data::Text(owned(&value)), expires);
        Ok(Reply::Ok)
    }

    fn set_many(&mut self, pairs: Vec<(Bytes, Bytes)>, ttl: Option<Ttl>, now: Instant) -> Result<Reply> {
        self.check_fit(pairs.iter().map(|(key, value)| pair_cost(key, value)).sum())?;
        let expires = ttl.and_then(|ttl| deadline(now, ttl));
        for (key, value) in pairs {
            self.put(key, Data::Text(owned(&value)), expires);
        }
        Ok(Reply::Ok)
    }

    fn incr_by(&mut self, key: Bytes, by: i64, now: Instant) -> Result<Reply> {
        let (old, expires) = match self.live(&key, now) {
            None => (0, None),
            Some(Entry {
                data: Data::Text(value),
                expires,
                ..
            }) => (integer(value)?, *expires),
            Some(_) => return Err(wrong_type()),
        };
        let Some(new) = old.checked_add(by) else {
            return Err(Error::new(
                ErrorKind::Server,
                "ERR increment or decrement would overflow",
            ));
        };
        self.put(key, Data::Text(new.to_string().into()), expires);
        Ok(Reply::Integer(new))
    }

    fn hash_set(&mut self, key: Bytes, fields: Vec<(Bytes, Bytes)>, now: Instant) -> Result<Reply> {
        self.check_fit(
            key.len()
                + fields
                    .iter()
                    .map(|(field, value)| pair_cost(field, value))
                    .sum::<usize>(),
        )?;
        if self.live(&key, now).is_none() {
            self.put(key.clone(), Data::Hash(HashMap::new()), None);
        }
        let Some(entry) = self.entries.get_mut(&key) else {
            return Ok(count(0));
        };
        let Data::Hash(hash) = &mut entry.data else {
            return Err(wrong_type());
        };
        let (fields_before, cost_before) = (hash.len(), entry.cost);
        for (field, value) in fields {
            entry.cost += pair_cost(&field, &value);
            if let Some(old) = hash.insert(owned(&field), owned(&value)) {
                entry.cost -= pair_cost(&field, &old);
            }
        }
        let added = hash.len() - fields_before;
        self.bytes = self.bytes + entry.cost - cost_before;
        self.evict();
        Ok(count(added))
    }

    /// As `TTL`: whole seconds, rounded to the nearest.
    fn ttl(&mut self, key: &Bytes, now: Instant) -> i64 {
        match self.live(key, now).map(|entry| entry.expires) {
            None => -2,
            Some(None) => -1,
            Some(Some(expires)) => {
                let millis = expires.saturating_duration_since(now).as_millis();
                i64::try_from((millis + 500) / 1000).unwrap_or(i64::MAX)
            }
        }
    }

    /// Finds an entry that has not expired, and makes it the most recently used.
    fn live(&mut self, key: &Bytes, now: Instant) -> Option<&mut Entry> {
        if self.entries.peek(key)?.is_over(now) {
            self.take(key);
            return None;
        }
        self.entries.get_mut(key)
    }

    fn take(&mut self, key: &Bytes) -> Option<Entry> {
        let entry = self.entries.pop(key)?;
        self.bytes -= entry.cost;
        Some(entry)
    }

    fn put(&mut self, key: Bytes, data: Data, expires: Option<Instant>) {
        self.take(&key);
        let size = match &data {
            Data::Text(value) => value.len(),
            Data::Hash(fields) => fields.iter().map(|(field, value)| pair_cost(field, value)).sum(),
        };
        let cost = key.len() + size + OVERHEAD;
        self.bytes += cost;
        self.entries.put(owned(&key), Entry { data, expires, cost });
        self.evict();
    }

    fn evict(&mut self) {
        while self.bytes > self.max_bytes
            && let Some((_, entry)) = self.entries.pop_lru()
        {
            self.bytes -= entry.cost;
        }
    }

    fn check_fit(&self, bytes: usize) -> Result<()> {
        if bytes + OVERHEAD <= self.max_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::OutOfMemory,
            "the value is larger than the embedded store",
        ))
    }
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

fn pair_cost(name: &Bytes, value: &Bytes) -> usize {
    name.len() + value.len() + OVERHEAD
}

/// Copies, so that a small slice of a large buffer does not keep the buffer alive.
fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A time that the clock cannot express is further away than the process will live: never.
fn deadline(now: Instant, ttl: Ttl) -> Option<Instant> {
    now.checked_add(ttl.as_duration())
}

fn count(number: usize) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Reads what Redis takes for an integer: `i64` in its one canonical form, without sign `+`, spaces or leading zeros.
fn integer(value: &Bytes) -> Result<i64> {
    let parsed = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse::<i64>().ok().map(|number| (text, number)));
    match parsed {
        Some((text, number)) if number.to_string() == text => Ok(number),
        _ => Err(Error::new(
            ErrorKind::Server,
            "ERR value is not an integer or out of range",
        )),
    }
}

fn wrong_type() -> Error {
    Error::new(
        ErrorKind::WrongType,
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::Get;

    fn set(key: &str, value: &str, expiry: Expiry) -> Command {
        Command::Set(Set {
            key: key.to_owned().into(),
            value: value.to_owned().into(),
            expiry,
            condition: None,
        })
    }

    fn get(store: &mut Store, key: &str, now: Instant) -> Option<Bytes> {
        let command = Command::Get(Get {
            key: key.to_owned().into(),
        });
        store.execute(command, now).unwrap().into_bytes().unwrap()
    }

    #[test]
    fn a_value_lives_exactly_as_long_as_it_was_given() {
        let now = Instant::now();
        let mut store = Store::new(1 << 20);
        let half_a_second = Expiry::In(Ttl::from_millis(500).unwrap());
        store.execute(set("k", "v", half_a_second), now).unwrap();
        assert!(get(&mut store, "k", now + Duration::from_millis(499)).is_some());
        assert!(get(&mut store, "k", now + Duration::from_millis(500)).is_none());
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let now = Instant::now();
        let mut store = Store::new(3 * (OVERHEAD + 2));
        for key in ["a", "b", "c"] {
            store.execute(set(key, "1", Expiry::Never), now).unwrap();
        }
        assert!(get(&mut store, "a", now).is_some());
        store.execute(set("d", "1", Expiry::Never), now).unwrap();
        assert!(get(&mut store, "a", now).is_some());
        assert!(get(&mut store, "b", now).is_none());
    }

    #[test]
    fn memory_stays_bounded_whatever_is_written() {
        let now = Instant::now();
        let mut store = Store::new(100_000);
        for n in 0..10_000 {
            store
                .execute(set(&format!("k{n}"), &"v".repeat(n % 300), Expiry::Never), now)
                .unwrap();
            let fields = vec![(Bytes::from(format!("f{n}")), Bytes::from_static(b"v"))];
            let hash = Command::HashSet {
                key: format!("h{}", n % 7).into(),
                fields,
            };
            store.execute(hash, now).unwrap();
            assert!(store.bytes <= store.max_bytes);
        }
        let counted: usize = store.entries.iter().map(|(_, entry)| entry.cost).sum();
        assert_eq!(counted, store.bytes);
    }

    #[test]
    fn what_is_larger_than_the_store_is_refused_and_evicts_nothing() {
        let now = Instant::now();
        let mut store = Store::new(1_000);
        store.execute(set("a", "1", Expiry::Never), now).unwrap();
        let error = store
            .execute(set("b", &"v".repeat(1_000), Expiry::Never), now)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(get(&mut store, "a", now).is_some());
    }

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for text in ["+1", " 1", "01", "-0", "1.0", "", "9223372036854775808"] {
            assert!(integer(&text.to_owned().into()).is_err(), "{text:?}");
        }
        assert_eq!(integer(&Bytes::from_static(b"-9223372036854775808")).unwrap(), i64::MIN);
    }
}
