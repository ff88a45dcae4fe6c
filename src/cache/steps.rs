//! The steps that store something: by scripts, or, for accounts that may not run any, by what they may. Those see to it as well that nothing is stored over what has
//! changed since it was seen, in more round trips.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{
    Cache,
    freshness::later,
    version::{LIFE, Marked, Version, created, token},
};
use crate::{
    capabilities::Support,
    command::{Seen, Tell},
    envelope::Header,
    error::{Error, Result},
    key::Key,
    ttl::Ttl,
};

/// What is to be stored if what is there is what was seen.
pub(super) struct Fill {
    pub(super) entry: Key,
    pub(super) seen: Seen,
    pub(super) envelope: Bytes,
    pub(super) ttl: Ttl,
    pub(super) tell: Option<Tell>,
}

impl Cache {
    /// Stores each, and says whether it was.
    pub(super) async fn fill_all(&self, fills: Vec<Fill>) -> Vec<Result<bool>> {
        if self.is_scriptless() {
            return join_all(fills.into_iter().map(|fill| self.fill_plainly(fill))).await;
        }
        let entries = self.service.entries();
        let fill = |fill: Fill| entries.fill(fill.entry, fill.seen, fill.envelope, fill.ttl, fill.tell);
        let requests: Vec<_> = fills.into_iter().map(fill).collect();
        self.service.pipeline(requests).each().await
    }

    /// Returns the version at each key, made where there is none; it lives for so long at least, and is remembered.
    pub(super) async fn mark_all(&self, keys: Vec<Key>, life: Ttl) -> Vec<Result<Marked>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        let texts = if self.is_scriptless() {
            join_all(keys.iter().map(|key| self.mark_plainly(key, life))).await
        } else {
            let entries = self.service.entries();
            let mark = |key: &Key| entries.mark(key.clone(), token(), life);
            let requests: Vec<_> = keys.iter().map(mark).collect();
            self.service.pipeline(requests).each().await
        };
        let marked = |(key, text): (Key, Result<Option<Bytes>>)| {
            let marked = text?.and_then(|text| Marked::read(&text));
            let marked = marked.ok_or_else(|| Error::invalid("no version at its key"))?;
            self.space.remember_version(key, marked.id, later(now, LIFE / 2));
            Ok(marked)
        };
        keys.into_iter().zip(texts).map(marked).collect()
    }

    /// Says whether the account is known to run no scripts. The embedded store needs none.
    fn is_scriptless(&self) -> bool {
        !self.service.road().is_embedded() && self.service.capabilities().scripts == Support::No
    }

    /// `SET NX` where nothing was, and otherwise a watched key.
    async fn fill_plainly(&self, fill: Fill) -> Result<bool> {
        let Fill {
            entry,
            seen,
            envelope,
            ttl,
            ..
        } = fill;
        let strings = self.service.string();
        let set = strings.set(entry.clone(), envelope).ttl(ttl.as_duration());
        let expected = match seen {
            Seen::Nothing => return set.nx().await,
            Seen::Content(id) => id,
            // Nobody takes a lease without a script.
            Seen::Lease(_) => return Ok(false),
        };
        let mut watch = self.service.watch(entry.clone()).await?;
        let present: Option<Bytes> = watch.read(strings.get(entry)).await?;
        let id = present.and_then(|present| Some(Header::read(&present).ok()?.id));
        if id != Some(expected) {
            return Ok(false);
        }
        Ok(watch.commit((set,)).await?.is_some())
    }

    /// How old a version is cannot be told: it counts as made just now.
    async fn mark_plainly(&self, key: &Key, life: Ttl) -> Result<Option<Bytes>> {
        let strings = self.service.string();
        let new = created(token(), life);
        let set = strings.set(key.clone(), new.clone()).ttl(life.as_duration()).nx();
        let text = if set.await? {
            new
        } else {
            self.service.keys().expire(key, life).await?;
            let present: Option<Bytes> = strings.get(key).await?;
            present.ok_or_else(|| Error::invalid("a version that has just gone"))?
        };
        match Version::read(Some(&text)) {
            Version::Present(_) => Ok(Some([&text[..17], b":0"].concat().into())),
            Version::Absent => Ok(None),
        }
    }
}
