//! Iterating over what is too much for one answer, page by page.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{
    hashes::HashOperations, keys::KeyOperations, request::Request, sets::SetOperations,
    sorted_sets::SortedSetOperations,
};
use crate::{
    command::Call,
    error::{Error, Result},
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    transport::call::Road,
};

/// A `SCAN`, `HSCAN`, `SSCAN` or `ZSCAN` under way: a [`Stream`] that asks for the next page when the last one is used up.
///
/// The server is never blocked for longer than a page takes. What was there from the beginning to the end comes at least once, and may come
/// more than once; what came or went meanwhile may or may not come. After an error the stream ends.
///
/// # Cancel safety
///
/// It may be dropped at any time: nothing is left behind at the server. A [`next`](Self::next) that is dropped loses nothing.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// redis.set_many([("user:1", "Ada"), ("user:2", "Bob"), ("other", "x")]).await;
/// let mut users = redis.service().keys().scan("user:*").count(100);
/// let mut found = Vec::new();
/// while let Some(key) = users.next().await {
///     found.push(key?.to_string());
/// }
/// found.sort();
/// assert_eq!(found, ["user:1", "user:2"]);
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Scan<'a, T> {
    road: &'a Road,
    name: &'static str,
    /// What is iterated over; nothing for the keys themselves.
    key: Result<Option<Bytes>>,
    pattern: Option<Bytes>,
    count: u32,
    read: fn(Reply, &Prefix) -> Result<Vec<T>>,
    cursor: Option<Bytes>,
    asked: Option<Asked<'a>>,
    page: VecDeque<T>,
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<(Bytes, Reply)>> + Send + 'a>>;

/// How many elements a page has, roughly. More pages cost round trips, longer ones block the server.
const PAGE: u32 = 500;

impl<'a> KeyOperations<'a> {
    /// Iterates over the keys that match a pattern as Redis matches it (`*`, `?`, `[a-z]`, `\` before what is meant as it stands), within
    /// the configured prefix, which is taken off. One round trip for each page.
    ///
    /// Fails with kind `InvalidArgument` if the pattern is empty.
    pub fn scan(&self, pattern: impl AsRef<[u8]>) -> Scan<'a, Key> {
        let pattern = pattern.as_ref();
        let key = if pattern.is_empty() {
            Err(Error::invalid("an empty pattern"))
        } else {
            Ok(None)
        };
        let read = |reply: Reply, prefix: &Prefix| {
            let key = |reply| Bytes::from_reply(reply).map(|key| prefix.taken_off(&key));
            reply.into_array()?.into_iter().map(key).collect()
        };
        Scan {
            pattern: Some(self.road.prefix().pattern(pattern)),
            ..Scan::new(self.road, "SCAN", key, read)
        }
    }
}

impl<'a> HashOperations<'a> {
    /// Iterates over the fields of a hash and their values. One round trip for each page; a small hash is one page.
    pub fn hscan<F: FromReply, V: FromReply>(&self, key: impl Into<Key>) -> Scan<'a, (F, V)> {
        Scan::of(self.road, "HSCAN", key.into(), read_pairs)
    }
}

impl<'a> SetOperations<'a> {
    /// Iterates over the members of a set. One round trip for each page; a small set is one page.
    pub fn sscan<T: FromReply>(&self, key: impl Into<Key>) -> Scan<'a, T> {
        Scan::of(self.road, "SSCAN", key.into(), |reply, _prefix| Vec::from_reply(reply))
    }
}

impl<'a> SortedSetOperations<'a> {
    /// Iterates over the members of a sorted set and their scores, in no particular order. One round trip for each page; a small set is one page.
    pub fn zscan<T: FromReply>(&self, key: impl Into<Key>) -> Scan<'a, (T, f64)> {
        Scan::of(self.road, "ZSCAN", key.into(), read_pairs)
    }
}

fn read_pairs<F: FromReply, V: FromReply>(reply: Reply, _prefix: &Prefix) -> Result<Vec<(F, V)>> {
    let mut replies = reply.into_array()?.into_iter();
    let mut pairs = Vec::with_capacity(replies.len() / 2);
    while let (Some(name), Some(value)) = (replies.next(), replies.next()) {
        pairs.push((F::from_reply(name)?, V::from_reply(value)?));
    }
    Ok(pairs)
}

impl<'a, T> Scan<'a, T> {
    fn new(
        road: &'a Road,
        name: &'static str,
        key: Result<Option<Bytes>>,
        read: fn(Reply, &Prefix) -> Result<Vec<T>>,
    ) -> Self {
        Self {
            road,
            name,
            key,
            pattern: None,
            count: PAGE,
            read,
            cursor: Some(Bytes::from_static(b"0")),
            asked: None,
            page: VecDeque::new(),
        }
    }

    fn of(road: &'a Road, name: &'static str, key: Key, read: fn(Reply, &Prefix) -> Result<Vec<T>>) -> Self {
        Self::new(road, name, road.prefix().key(key).map(Some), read)
    }

    /// Asks for pages of about so many elements; 500 unless told otherwise. A page with more of them takes the server longer.
    pub fn count(self, count: u32) -> Self {
        Self {
            count: count.max(1),
            ..self
        }
    }

    /// Lets only elements (fields, members) through that match a pattern. The server goes over the others all the same.
    pub fn matching(self, pattern: impl AsRef<[u8]>) -> Self {
        let pattern = pattern.as_ref();
        let pattern = match self.key {
            Ok(None) => self.road.prefix().pattern(pattern),
            _ => Bytes::copy_from_slice(pattern),
        };
        Self {
            pattern: Some(pattern),
            ..self
        }
    }

    /// Returns the next element, `None` at the end.
    ///
    /// # Errors
    ///
    /// - As every [`Request`]; the stream ends after it.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Returns the next page, which may be empty; `None` at the end.
    pub(super) async fn next_page(&mut self) -> Option<Result<Vec<T>>> {
        poll_fn(|context| self.poll_page(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(element) = self.page.pop_front() {
                return Poll::Ready(Some(Ok(element)));
            }
            match ready!(self.poll_page(context)) {
                Some(Ok(page)) => self.page = page.into(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<T>>>> {
        let mut asked = match (self.asked.take(), self.cursor.take()) {
            (Some(asked), _) => asked,
            (None, Some(cursor)) => self.request(cursor).into_future(),
            (None, None) => return Poll::Ready(None),
        };
        let Poll::Ready(answer) = asked.as_mut().poll(context) else {
            self.asked = Some(asked);
            return Poll::Pending;
        };
        Poll::Ready(Some(answer.and_then(|(cursor, reply)| {
            let page = (self.read)(reply, self.road.prefix())?;
            self.cursor = (&cursor[..] != b"0").then_some(cursor);
            Ok(page)
        })))
    }

    fn request(&self, cursor: Bytes) -> Request<'a, (Bytes, Reply)> {
        let build = |_prefix: &Prefix| {
            let mut call = Call::new(self.name);
            if let Some(key) = self.key.clone()? {
                call = call.key(key);
            }
            call = call.arg(cursor);
            if let Some(pattern) = &self.pattern {
                call = call.arg("MATCH").arg(pattern.clone());
            }
            Ok(call.arg("COUNT").number(self.count))
        };
        Request::new(self.road, build, <(Bytes, Reply)>::from_reply)
    }
}

impl<T: Unpin> Stream for Scan<'_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl<T> fmt::Debug for Scan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scan").field(&self.name).finish()
    }
}
