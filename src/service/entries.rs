//! The steps of the read-through cache. Not for users: what is at these keys has a layout of its own.

use bytes::Bytes;

use super::request::Request;
use crate::{
    command::{Call, Command, EntryAct, EntryCommand, EntryFill, Seen, Tell, Versioned, VersionedKeys},
    envelope::header::Id,
    error::Result,
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    transport::call::Road,
    ttl::Ttl,
};

/// Steps at entries of the read-through cache, and at the versions that they depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryOperations<'a> {
    road: &'a Road,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leased {
    Taken,
    /// Another holds it for so many milliseconds more.
    Held(u64),
    /// What is there is not what was seen.
    Changed,
}

impl<'a> EntryOperations<'a> {
    pub(super) fn new(road: &'a Road) -> Self {
        Self { road }
    }

    /// Reads a value and its versions, past the near cache. The answer is for [`VersionedValue::read`](crate::command::VersionedValue::read).
    pub(crate) fn read<'k>(self, keys: &'k VersionedKeys<'k>) -> impl Future<Output = Result<Option<Bytes>>>
    where
        'a: 'k,
    {
        let build = move |prefix: &Prefix| Ok(Command::GetVersioned(Versioned::new(prefix, *keys)?));
        self.road.call_far(build, Reply::into_bytes)
    }

    /// Stores an envelope if what is there is still what was seen, and says whether it did.
    pub(crate) fn fill(
        &self,
        key: Key,
        seen: Seen,
        envelope: Bytes,
        ttl: Ttl,
        tell: Option<Tell>,
    ) -> Request<'a, bool> {
        let act = EntryAct::Fill {
            seen,
            envelope,
            ttl,
            tell,
        };
        self.ask(key, act, Reply::into_flag)
    }

    /// Stores envelopes as [`fill`](Self::fill) does each, and says of each whether it did. In a cluster they are of one slot.
    pub(crate) fn fill_many(&self, fills: Vec<(Key, Seen, Bytes, Ttl)>) -> Request<'a, Vec<Result<bool>>> {
        let build = |prefix: &Prefix| {
            let fill = |(key, seen, envelope, ttl)| {
                Ok(EntryFill {
                    key: prefix.key(key)?,
                    seen,
                    envelope,
                    ttl,
                })
            };
            Ok(Command::FillMany(fills.into_iter().map(fill).collect::<Result<_>>()?))
        };
        Request::new(self.road, build, |reply| {
            Ok(reply.into_array()?.into_iter().map(Reply::into_flag).collect())
        })
    }

    /// Takes the right to load, or renews it.
    pub(crate) fn lease(
        &self,
        key: Key,
        lease: u64,
        ttl: Ttl,
        seen: Option<Id>,
        placeholder: Bytes,
    ) -> Request<'a, Leased> {
        let act = EntryAct::Lease {
            lease,
            ttl,
            seen,
            placeholder,
        };
        self.ask(key, act, |reply| {
            let left = reply.into_integer()?;
            Ok(match u64::try_from(left) {
                Ok(0) => Leased::Taken,
                Ok(left) => Leased::Held(left),
                Err(_negative) => Leased::Changed,
            })
        })
    }

    /// Gives the right to load back.
    pub(crate) fn release(&self, key: Key, lease: u64, tell: Option<Tell>) -> Request<'a, bool> {
        self.ask(key, EntryAct::Release { lease, tell }, Reply::into_flag)
    }

    /// Lets the life of a content begin anew.
    pub(crate) fn touch(&self, key: Key, id: Id, at: i64, ttl: Ttl) -> Request<'a, bool> {
        self.ask(key, EntryAct::Touch { id, at, ttl }, Reply::into_flag)
    }

    /// Declares what is there stale, and says whether there was a value. Where nothing is, this is put.
    pub(crate) fn expire(&self, key: Key, id: Id, removed: Bytes, ttl: Ttl) -> Request<'a, bool> {
        self.ask(key, EntryAct::Expire { id, removed, ttl }, Reply::into_flag)
    }

    /// Returns the version at a key as text, or makes it this one.
    pub(crate) fn mark(&self, key: Key, id: Id, ttl: Ttl) -> Request<'a, Option<Bytes>> {
        self.ask(key, EntryAct::Mark { id, ttl }, Reply::into_bytes)
    }

    /// Returns the server's time in milliseconds after 1970 (`TIME`).
    pub(crate) fn time(&self) -> Request<'a, i64> {
        let build = |_prefix: &Prefix| Ok(Call::new("TIME"));
        Request::new(self.road, build, |reply| {
            let (seconds, micros) = <(i64, i64)>::from_reply(reply)?;
            Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
        })
    }

    fn ask<T>(&self, key: Key, act: EntryAct, read: fn(Reply) -> Result<T>) -> Request<'a, T> {
        let build = |prefix: &Prefix| {
            let key = prefix.key(key)?;
            Ok(Command::Entry(EntryCommand { key, act }.into()))
        };
        Request::new(self.road, build, read)
    }
}
