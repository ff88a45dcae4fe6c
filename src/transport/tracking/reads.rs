//! What the near cache does not know is asked for together with how long it will live.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::join;

use super::{
    super::{boxes::Outcome, failure::Failure, generation::Permit},
    Tracking,
};
use crate::{
    command::{Call, Command},
    error::{Error, ErrorKind},
    near::{Held, Moment, Ticket},
    reply::Reply,
};

/// A value, or an error in its place, and what `PTTL` says of its key.
type Found = (Reply, Reply);

/// A read of one key that may teach the near cache.
#[derive(Debug)]
pub(in super::super) struct Lesson {
    key: Bytes,
    ticket: Ticket,
}

impl Lesson {
    /// Returns the command that its caller meant.
    pub(in super::super) fn command(&self) -> Command {
        Command::Get { key: self.key.clone() }
    }

    /// Returns the command that tells how long the value will live as well.
    pub(in super::super) fn question(&self) -> Command {
        let keys = vec![self.key.clone()];
        Command::GetWithTtl { keys }
    }
}

/// For callers, before they are admitted.
impl Tracking {
    /// Answers a read by what is known. The moment comes from [`Near::live`](crate::near::Near::live).
    pub(in super::super) fn known(&self, now: Moment, command: &Command) -> Option<Reply> {
        match command {
            Command::Get { key } => self.near.get(now, key).map(reply_of),
            Command::GetMany { keys } => {
                let values = self.near.get_all(now, keys)?;
                Some(Reply::Array(values.into_iter().map(reply_of).collect()))
            }
            _ => None,
        }
    }

    /// Answers a read by what was known before the outage, if that is permitted.
    pub(in super::super) fn stale(&self, command: &Command) -> Option<Reply> {
        let stale = |key: &Bytes| self.near.stale(key).map(reply_of);
        match command {
            Command::Get { key } => stale(key),
            // All or nothing.
            Command::GetMany { keys } => keys.iter().map(stale).collect::<Option<_>>().map(Reply::Array),
            _ => None,
        }
    }
}

/// For callers that need no permit.
impl Tracking {
    /// Makes a lesson of a read of one key; gives back any other command, and a read of which nothing can be learnt now.
    pub(in super::super) fn lesson(&self, command: Command) -> Result<Lesson, Command> {
        let Command::Get { key } = command else {
            return Err(command);
        };
        self.start();
        let is_possible = !self.is_without_scripts.load(Ordering::Relaxed);
        match self.near.ticket(&key).filter(|_| is_possible) {
            Some(ticket) => Ok(Lesson { key, ticket }),
            None => Err(Command::Get { key }),
        }
    }

    /// Stores what came of a lesson's question, and answers its command. `None` if that has to be asked as it is.
    pub(in super::super) fn learn(&self, lesson: &Lesson, outcome: Outcome) -> Option<Outcome> {
        let found = self.found(outcome, 1).map(|found| found?.pop()).transpose()?;
        Some(found.and_then(|found| self.taught(lesson.ticket, &lesson.key, found)))
    }
}

/// For callers that were admitted.
impl Tracking {
    /// Sends a command, and stores or forgets what that makes of the near cache. The answer is the one of the command itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stores nothing, and forgets what the command may have changed.
    pub(in super::super) async fn send(&self, permit: &Permit, command: Command) -> Result<Reply, Failure> {
        match command {
            Command::Get { key } => {
                self.start();
                self.get(permit, key).await
            }
            Command::GetMany { keys } => {
                self.start();
                self.get_many(permit, keys).await
            }
            command => {
                let _owed = self.owed([&command]);
                permit.send(command).await
            }
        }
    }

    async fn get(&self, permit: &Permit, key: Bytes) -> Result<Reply, Failure> {
        let Some(ticket) = self.near.ticket(&key) else {
            let answer = permit.send(Command::Get { key: key.clone() }).await;
            // It may be newer than what is here, and would be served again.
            self.near.forget(&key);
            return answer;
        };
        let mut found = self.fetch(permit, vec![key.clone()], true).await?;
        self.taught(ticket, &key, found.pop().ok_or_else(misshapen)?)
    }

    /// Stores a value that was found, and answers with it.
    fn taught(&self, ticket: Ticket, key: &[u8], found: Found) -> Outcome {
        match found {
            (Reply::Error(error), _) => Err(Failure::Replied(error)),
            (value, ttl) => {
                self.store(ticket, key, &value, &ttl);
                Ok(value)
            }
        }
    }

    async fn get_many(&self, permit: &Permit, keys: Vec<Bytes>) -> Result<Reply, Failure> {
        let Some(now) = self.near.live() else {
            let answer = permit.send(Command::GetMany { keys: keys.clone() }).await;
            keys.iter().for_each(|key| self.near.forget(key));
            return answer;
        };
        let mut replies: Vec<Option<Reply>> = keys.iter().map(|key| self.near.get(now, key).map(reply_of)).collect();
        let mut missing = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            if replies[place].is_none() {
                let ticket = self.near.ticket(&key);
                missing.push((place, key, ticket));
            }
        }
        if !missing.is_empty() {
            let keys = missing.iter().map(|(_, key, _)| key.clone()).collect();
            let found = self.fetch(permit, keys, false).await?;
            for ((place, key, ticket), (value, ttl)) in missing.into_iter().zip(found) {
                match ticket {
                    Some(ticket) => self.store(ticket, &key, &value, &ttl),
                    None => self.near.forget(&key),
                }
                // As `MGET` does it: what is no string is nothing.
                let is_error = matches!(value, Reply::Error(_));
                replies[place] = Some(if is_error { Reply::Nil } else { value });
            }
        }
        let replies = replies.into_iter().map(|reply| reply.unwrap_or(Reply::Nil));
        Ok(Reply::Array(replies.collect()))
    }

    /// Asks for values and how long they will live, in one round trip: by a script, or where none is permitted by one command after the other.
    async fn fetch(&self, permit: &Permit, keys: Vec<Bytes>, is_single: bool) -> Result<Vec<Found>, Failure> {
        if !self.is_without_scripts.load(Ordering::Relaxed) {
            let asked = Command::GetWithTtl { keys: keys.clone() };
            if let Some(found) = self.found(permit.send(asked).await, keys.len())? {
                return Ok(found);
            }
        }
        Self::fetch_plainly(permit, keys, is_single).await
    }

    /// Reads the answer to [`Command::GetWithTtl`]. `None` if it does not tell what single commands would.
    fn found(&self, outcome: Outcome, count: usize) -> Result<Option<Vec<Found>>, Failure> {
        let found = match outcome {
            Ok(reply) => pairs(reply, count)?,
            Err(Failure::Replied(error)) if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Unsupported) => {
                self.is_without_scripts.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        // What is refused to a script may be permitted to its caller; if not, the error is to be the command's own.
        let is_refused =
            |(value, _): &Found| matches!(value, Reply::Error(error) if error.kind() != ErrorKind::WrongType);
        Ok((!found.iter().any(is_refused)).then_some(found))
    }

    /// First the value, then how long it lives. A change in between is told of by the feed, like any other.
    async fn fetch_plainly(permit: &Permit, keys: Vec<Bytes>, is_single: bool) -> Result<Vec<Found>, Failure> {
        let ttls = keys.iter().cloned().map(|key| Call::new("PTTL").key(key));
        let ttls: Vec<_> = ttls.map(|ttl| permit.send_in_order(ttl.into())).collect();
        let count = keys.len();
        let value = permit.send_in_order(match keys.first() {
            Some(key) if is_single => Command::Get { key: key.clone() },
            _ => Command::GetMany { keys },
        });
        let (value, ttls) = join!(biased; value, join_all(ttls));
        let values = match value? {
            Reply::Array(values) if !is_single => values,
            value => vec![value],
        };
        if values.len() != count {
            return Err(misshapen());
        }
        // Without one the value is good, but not stored.
        let ttls = ttls.into_iter().map(|ttl| ttl.unwrap_or(Reply::Nil));
        Ok(values.into_iter().zip(ttls).collect())
    }

    fn store(&self, ticket: Ticket, key: &[u8], value: &Reply, ttl: &Reply) {
        let pttl = match ttl {
            Reply::Integer(pttl) => Some(*pttl),
            _ => None,
        };
        match value {
            Reply::Bytes(value) => self.near.store(ticket, key, Some(value.clone()), pttl),
            Reply::Nil => self.near.store(ticket, key, None, pttl.filter(|_| self.keeps_absence)),
            _ => {}
        }
    }
}

fn reply_of(held: Held) -> Reply {
    held.into_bytes().map_or(Reply::Nil, Reply::Bytes)
}

fn pairs(reply: Reply, count: usize) -> Result<Vec<Found>, Failure> {
    let Reply::Array(replies) = reply else {
        return Err(misshapen());
    };
    if replies.len() != 2 * count {
        return Err(misshapen());
    }
    let mut replies = replies.into_iter();
    let mut pairs = Vec::with_capacity(count);
    while let (Some(value), Some(ttl)) = (replies.next(), replies.next()) {
        pairs.push((value, ttl));
    }
    Ok(pairs)
}

fn misshapen() -> Failure {
    Failure::Replied(Error::new(ErrorKind::Decode, "the reply has an unexpected shape"))
}
