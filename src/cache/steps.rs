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

/// So many entries, and so many bytes of them, are stored by one script: while it runs the server does nothing else.
const AT_ONCE: usize = 128;
const LEN_AT_ONCE: usize = 256 * 1024;

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
        // A script's keys are in one slot, and who is told is told of one entry.
        let are_alone = fills.len() == 1 || !self.service.road().slot_tags().is_empty();
        if are_alone || fills.iter().any(|fill| fill.tell.is_some()) {
            let entries = self.service.entries();
            let fill = |fill: Fill| entries.fill(fill.entry, fill.seen, fill.envelope, fill.ttl, fill.tell);
            let requests: Vec<_> = fills.into_iter().map(fill).collect();
            return self.service.pipeline(requests).each().await;
        }
        self.fill_together(fills).await
    }

    /// Stores many by few scripts.
    async fn fill_together(&self, fills: Vec<Fill>) -> Vec<Result<bool>> {
        let (mut parts, mut len) = (vec![Vec::new()], 0);
        for fill in fills {
            let is_full =
                parts.last().is_some_and(|part| part.len() == AT_ONCE) || len + fill.envelope.len() > LEN_AT_ONCE;
            if is_full {
                parts.push(Vec::new());
                len = 0;
            }
            len += fill.envelope.len();
            if let Some(part) = parts.last_mut() {
                part.push((fill.entry, fill.seen, fill.envelope, fill.ttl));
            }
        }
        let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
        let entries = self.service.entries();
        let requests: Vec<_> = parts.into_iter().map(|part| entries.fill_many(part)).collect();
        let answers = self.service.pipeline(requests).each().await;
        let each = |(answer, count): (Result<Vec<Result<bool>>>, usize)| match answer {
            Ok(filled) => filled,
            Err(error) => vec![Err(error); count],
        };
        answers.into_iter().zip(counts).flat_map(each).collect()
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
