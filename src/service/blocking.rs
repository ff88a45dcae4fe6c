//! Taking from lists, and waiting until there is something to take.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::lists::{ListOperations, Side};
use crate::{
    command::{Call, Command},
    error::{Error, Result},
    key::{IntoKeys, Key},
    reply::{FromReply, Reply},
    transport::{blocking::Blocking, call::Road},
};

/// Each takes a connection of its own while it waits, of the `REDIS_MAX_CONNECTIONS`.
impl ListOperations<'_> {
    /// Takes the leftmost element of the first list that has one, and waits up to `wait` until one has (`BLPOP`). Returns the key with the element,
    /// `None` if there was nothing in time. One round trip.
    ///
    /// # Errors
    ///
    /// - Kind `InvalidArgument` if there are no keys, or `wait` is less than a millisecond: Redis would take it for "for ever".
    /// - Kind `Unavailable` if all permitted connections are in use, or the connection is lost meanwhile.
    /// - As every [`Request`](crate::Request).
    ///
    /// # Cancel safety
    ///
    /// No element is lost: what is taken for a caller that has given up is put back where it was. Only if the connection or the runtime ends at that very
    /// moment can it be lost; where that matters use [`blmove`](Self::blmove), which never has an element in flight alone.
    pub async fn blpop<T: FromReply>(&self, keys: impl IntoKeys, wait: Duration) -> Result<Option<(Key, T)>> {
        self.pop(["BLPOP", "LPOP"], keys.into_keys(), wait, |reply| {
            put_back("LPUSH", reply)
        })
        .await
    }

    /// Takes the rightmost element of the first list that has one (`BRPOP`). Otherwise as [`blpop`](Self::blpop).
    ///
    /// # Errors
    ///
    /// - As [`blpop`](Self::blpop).
    ///
    /// # Cancel safety
    ///
    /// As [`blpop`](Self::blpop).
    pub async fn brpop<T: FromReply>(&self, keys: impl IntoKeys, wait: Duration) -> Result<Option<(Key, T)>> {
        self.pop(["BRPOP", "RPOP"], keys.into_keys(), wait, |reply| {
            put_back("RPUSH", reply)
        })
        .await
    }

    /// Moves an element from one list to another, and waits up to `wait` until there is one (`BLMOVE`). Returns it, `None` if there was nothing in
    /// time. One round trip. In a cluster both lists have to be in one slot.
    ///
    /// # Errors
    ///
    /// - As [`blpop`](Self::blpop).
    ///
    /// # Cancel safety
    ///
    /// The element is always in one of the two lists. After a cancellation it may have been moved.
    pub async fn blmove<T: FromReply>(
        &self,
        from: impl Into<Key>,
        to: impl Into<Key>,
        from_side: Side,
        to_side: Side,
        wait: Duration,
    ) -> Result<Option<T>> {
        let prefix = self.road.prefix();
        let (from, to) = (prefix.key(from.into())?, prefix.key(to.into())?);
        let call = |name| {
            let call = Call::new(name).key(from.clone()).key(to.clone());
            call.arg(from_side.word()).arg(to_side.word())
        };
        let command = call("BLMOVE").arg(seconds(wait)?).into();
        let tries = vec![call("LMOVE").into()];
        Option::from_reply(ask(self.road, command, wait, tries, |_moved| None).await?)
    }

    async fn pop<T: FromReply>(
        &self,
        [name, without_waiting]: [&'static str; 2],
        keys: Vec<Key>,
        wait: Duration,
        undo: fn(&Reply) -> Option<Command>,
    ) -> Result<Option<(Key, T)>> {
        let prefix = self.road.prefix();
        let keys = prefix.keys(keys)?;
        if keys.is_empty() {
            return Err(Error::invalid("no keys to take from"));
        }
        let tries = keys
            .iter()
            .map(|key| Call::new(without_waiting).key(key.clone()).into());
        let tries = tries.collect();
        let command = Call::new(name).keys_of(keys).arg(seconds(wait)?).into();
        let taken: Option<(Bytes, T)> = Option::from_reply(ask(self.road, command, wait, tries, undo).await?)?;
        Ok(taken.map(|(key, element)| (prefix.taken_off(&key), element)))
    }
}

async fn ask(
    road: &Arc<Road>,
    command: Command,
    wait: Duration,
    tries: Vec<Command>,
    undo: fn(&Reply) -> Option<Command>,
) -> Result<Reply> {
    let blocking = Blocking {
        command,
        wait,
        tries,
        undo,
    };
    blocking.ask(road).await
}

/// Makes the command that undoes a pop: its reply has the key and the element.
fn put_back(name: &'static str, reply: &Reply) -> Option<Command> {
    match reply {
        Reply::Array(taken) => match &taken[..] {
            [Reply::Bytes(key), Reply::Bytes(element)] => {
                Some(Call::new(name).key(key.clone()).arg(element.clone()).into())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Writes a time as Redis takes it.
fn seconds(wait: Duration) -> Result<String> {
    if wait < Duration::from_millis(1) {
        return Err(Error::invalid(
            "a wait of less than a millisecond, which would be for ever",
        ));
    }
    Ok(format!("{:.3}", wait.as_secs_f64()))
}
