//! The values of one family of keys, with what an application wants to be the same for all of them.

mod listing;

use std::{borrow::Borrow, fmt, marker::PhantomData};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::listing::Listing;
use crate::{
    codec::Format,
    command::Expiry,
    error::{Error, ErrorKind, Result},
    key::Key,
    reply::{FromReply, Reply},
    service::{Operation, RedisService, Request, SetOptions, TypedOperations},
    ttl::{IntoTtl, Ttl},
    typed_key::{KeyPart, ParseKey, TypedKey, template},
};

/// The values of a family of keys: what an application builds its own managers on.
///
/// Made of a service, and of options that hold for all of its calls: how long values live, a namespace, a [`Format`]. Every call returns a [`Result`];
/// an outage is an error, and [`is_unavailable`](Error::is_unavailable) then. A clone shares the connections.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Entities, RedisManager, RedisService, Result, redis_key};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct Cart { items: Vec<String> }
///
/// redis_key! { CartOf => "cart:{user}" { user: u64 } -> Cart }
///
/// struct Carts(Entities<CartOf>);
///
/// impl Carts {
///     fn new(service: &RedisService) -> Result<Self> {
///         Ok(Self(Entities::new(service).namespace("shop").ttl(7 * 86_400)?))
///     }
///
///     async fn add(&self, user: u64, item: &str) -> Result<usize> {
///         let cart = self.0.update(&CartOf { user }, |cart| {
///             let mut cart = cart.unwrap_or(Cart { items: Vec::new() });
///             cart.items.push(item.to_owned());
///             Some(cart)
///         });
///         Ok(cart.await?.map_or(0, |cart| cart.items.len()))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let carts = Carts::new(redis.service())?;
/// assert_eq!(carts.add(7, "apples").await?, 1);
/// assert_eq!(carts.add(7, "pears").await?, 2);
/// assert_eq!(carts.0.get(&CartOf { user: 7 }).await?.unwrap().items, ["apples", "pears"]);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Entities<K> {
    service: RedisService,
    namespace: String,
    ttl: Option<Ttl>,
    storage: Storage,
    family: PhantomData<fn() -> K>,
}

/// How a value is kept.
#[derive(Debug, Clone, Copy)]
enum Storage {
    /// As a string in this format.
    Text(Format),
    /// As a hash with its fields.
    Hash,
}

/// How often an update begins again, because another writer was faster. Each time at least one of them succeeds.
const MAX_ATTEMPTS: u32 = 256;

impl<K> Entities<K> {
    /// Makes a manager without namespace, whose values live until they are deleted and are kept as JSON.
    pub fn new(service: &RedisService) -> Self {
        Self {
            service: service.clone(),
            namespace: String::new(),
            ttl: None,
            storage: Storage::Text(Format::Json),
            family: PhantomData,
        }
    }

    /// Lets values expire so long after they were stored or updated.
    ///
    /// # Errors
    ///
    /// - Kind `InvalidArgument`: it is zero, negative, or too long.
    pub fn ttl(self, ttl: impl IntoTtl) -> Result<Self> {
        let ttl = Some(ttl.into_ttl()?);
        Ok(Self { ttl, ..self })
    }

    /// Puts this and a `:` before every key, behind the namespaces that were given before. It is escaped as a field of a key is, so that it may be what
    /// a user has written.
    pub fn namespace(mut self, namespace: impl KeyPart) -> Self {
        template::escape(&namespace.part(), &mut self.namespace);
        self.namespace.push(':');
        self
    }

    /// Keeps values in this format.
    pub fn format(self, format: Format) -> Self {
        Self {
            storage: Storage::Text(format),
            ..self
        }
    }

    /// Keeps values as hashes, a field for each of theirs, as [`hset_struct`](crate::HashOperations::hset_struct) does: so that single fields can be
    /// read and counted up by others. The values have to be structs, or maps with text as keys, with a field at least.
    pub fn as_hashes(self) -> Self {
        Self {
            storage: Storage::Hash,
            ..self
        }
    }
}

impl<K> Entities<K>
where
    K: TypedKey<Value: Serialize + DeserializeOwned>,
{
    /// Returns the key with its namespace, for commands that are not here.
    pub fn key(&self, key: &K) -> Key {
        self.with_namespace(key.key())
    }

    /// Returns a value (`GET`; `HGETALL` of a hash), `None` without such a key. One round trip.
    pub fn get(&self, key: &K) -> Request<'_, Option<K::Value>> {
        match self.storage {
            Storage::Text(format) => self.typed(format).get(self.key(key)),
            Storage::Hash => self.service.hash().hgetall_as(self.key(key)),
        }
    }

    /// Returns several values (`MGET`; a pipeline of `HGETALL`), as many as keys, in their order. One round trip; none for no keys.
    ///
    /// # Errors
    ///
    /// - As every [`Request`]; one value that cannot be read fails all.
    pub fn get_many<B: Borrow<K>>(
        &self,
        keys: impl IntoIterator<Item = B>,
    ) -> impl Future<Output = Result<Vec<Option<K::Value>>>> + Send
    where
        K::Value: Send,
    {
        let keys = keys.into_iter().map(|key| self.key(key.borrow()));
        match self.storage {
            Storage::Text(format) => self.typed(format).get_many(keys).into_future(),
            Storage::Hash => {
                let hash = self.service.hash();
                let reads: Vec<_> = keys.map(|key| hash.hgetall_as(key)).collect();
                self.service.pipeline(reads).into_future()
            }
        }
    }

    /// Stores a value (`SET`; a script for a hash), whatever was there, and lets its life begin anew. One round trip.
    pub fn put(&self, key: &K, value: &K::Value) -> Request<'_, ()> {
        self.store(key, value, false).reading(<()>::from_reply)
    }

    /// Stores a value if there is none (`SET NX`; a script for a hash), and says whether it did. One round trip.
    pub fn put_new(&self, key: &K, value: &K::Value) -> Request<'_, bool> {
        self.store(key, value, true)
    }

    /// Deletes a value (`DEL`), and says whether there was one. One round trip.
    pub fn delete(&self, key: &K) -> Request<'_, bool> {
        self.service.keys().delete(self.key(key)).reading(Reply::into_flag)
    }

    /// Says whether there is a value (`EXISTS`). One round trip.
    pub fn exists(&self, key: &K) -> Request<'_, bool> {
        self.service.keys().exists(self.key(key)).reading(Reply::into_flag)
    }

    /// Lets the life of a value begin anew (`PEXPIRE`; `EXISTS` where values live until they are deleted), and says whether there is one. One round
    /// trip.
    pub fn touch(&self, key: &K) -> Request<'_, bool> {
        match self.ttl {
            Some(ttl) => self.service.keys().expire(self.key(key), ttl),
            None => self.exists(key),
        }
    }

    /// Changes a value, and returns what is there then. The closure is given what is there; it returns what shall be, `None` for nothing.
    ///
    /// No update is lost: the value is stored only if nobody has changed it since it was read, otherwise it is read again, and the closure is called
    /// again. So it should do nothing else. Its life begins anew; without a time to live of the manager, the key keeps its own. Two round trips for each
    /// attempt: a script compares the bytes. Hashes are watched (`WATCH`), on a connection of their own, in three.
    ///
    /// # Errors
    ///
    /// - As every [`Request`]. After a timeout it is unknown whether the value was changed.
    /// - Kind `Unavailable`, and [retryable](Error::is_retryable): other writers were faster 256 times, or 16 times where values are kept as hashes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up: the value was changed by the closure or not at all.
    pub fn update<F>(&self, key: &K, mut change: F) -> impl Future<Output = Result<Option<K::Value>>> + use<'_, K, F>
    where
        F: FnMut(Option<K::Value>) -> Option<K::Value>,
    {
        let key = self.key(key);
        async move {
            let Storage::Text(format) = self.storage else {
                return self.update_hash(key, change).await;
            };
            for _attempt in 0..MAX_ATTEMPTS {
                if let Some(outcome) = self.attempt(&key, format, &mut change).await? {
                    return Ok(outcome);
                }
            }
            let message = format!("other writers were faster {MAX_ATTEMPTS} times");
            Err(self.explained(Error::new(ErrorKind::Unavailable, message).unsent(), &key))
        }
    }

    /// Updates a value once, and returns what is there then; the outer `None` if another writer was faster.
    async fn attempt<F>(&self, key: &Key, format: Format, change: &mut F) -> Result<Option<Option<K::Value>>>
    where
        F: FnMut(Option<K::Value>) -> Option<K::Value>,
    {
        let old: Option<Bytes> = self.service.string().get(key).await?;
        let value = old.as_deref().map(|old| format.decode(old)).transpose();
        let value = change(value.map_err(|error| self.explained(error, key))?);
        let new = value.as_ref().map(|value| format.encode(value)).transpose();
        let new = new.map_err(|error| self.explained(error, key))?;
        if old.is_none() && new.is_none() {
            return Ok(Some(None));
        }
        let strings = self.service.string();
        let is_stored = strings.compare_and_set(key.clone(), (old, new), self.ttl).await?;
        Ok(is_stored.then_some(value))
    }

    async fn update_hash<F>(&self, key: Key, mut change: F) -> Result<Option<K::Value>>
    where
        F: FnMut(Option<K::Value>) -> Option<K::Value>,
    {
        let (hash, keys) = (self.service.hash(), self.service.keys());
        let mut watch = self.service.watch(key.clone()).await?;
        loop {
            let value = change(watch.read(hash.hgetall_as(key.clone())).await?);
            let committed = match &value {
                Some(value) => {
                    let expiry = self.ttl.map_or(Expiry::Keep, Expiry::In);
                    watch
                        .commit((hash.replace(key.clone(), value, expiry, false),))
                        .await?
                        .is_some()
                }
                None => watch.commit((keys.delete(key.clone()),)).await?.is_some(),
            };
            if committed {
                return Ok(value);
            }
            watch.again().await?;
        }
    }

    /// Iterates over the keys of all values (`SCAN`), in no particular order. One round trip for each page.
    pub fn list(&self) -> Listing<'_, K>
    where
        K: ParseKey,
    {
        let mut pattern = String::new();
        template::glob(&self.namespace, &mut pattern);
        pattern.push_str(&K::pattern());
        Listing::new(self.service.keys().scan(pattern), &self.namespace)
    }

    fn typed(&self, format: Format) -> TypedOperations<'_> {
        TypedOperations::new(&self.service, format)
    }

    fn store(&self, key: &K, value: &K::Value, is_new: bool) -> Request<'_, bool> {
        let expiry = self.ttl.map_or(Expiry::Never, Expiry::In);
        match self.storage {
            Storage::Text(format) => {
                let options = SetOptions::default().with_expiry(expiry);
                let set = self.typed(format).set(self.key(key), value).with_options(options);
                if is_new { set.nx() } else { set }.into_request()
            }
            Storage::Hash => self.service.hash().replace(self.key(key), value, expiry, is_new),
        }
    }

    fn with_namespace(&self, key: Key) -> Key {
        if self.namespace.is_empty() {
            return key;
        }
        Key::from([self.namespace.as_bytes(), key.as_bytes()].concat())
    }

    fn explained(&self, error: Error, key: &Key) -> Error {
        error.during("update", self.service.road().key_hash(key.clone()))
    }
}

impl<K> Clone for Entities<K> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            namespace: self.namespace.clone(),
            ..*self
        }
    }
}

impl<K> fmt::Debug for Entities<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entities")
            .field("namespace", &self.namespace)
            .field("ttl", &self.ttl)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}
