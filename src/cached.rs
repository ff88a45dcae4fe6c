//! The attribute `#[cached]`.

pub mod expansion;

/// Puts a read-through cache in front of an async function or method. Its signature stays as it is.
///
/// ```text
/// #[cached(
///     cache = "users",              // the namespace: redis_manager().cache("users")
///     key = "user:{id}",            // what tells one value from another
///     ttl = "60s",                  // how long it is fresh
///     tags = ["tenant:{tenant}"],   // what it can be removed by
///     negative = "10s",             // how long a `None` is kept; without, it is not
///     stale = "10m",                // how long after its time it is served if it cannot be loaded anew
///     jitter = 0.1,                 // the share by which its time differs by chance
///     schema = 2,                   // a new number when the type of the value changes
/// )]
/// ```
///
/// `cache`, `key` and `ttl` are required. The body runs when the cache does not know the value, once for all who ask at the same time. In an outage it simply
/// runs: nothing is added that could fail or panic, and the only errors are the body's own.
///
/// **Placeholders** in `key` and `tags` are arguments, or fields of them, as `{id}`, `{self.region}` or `{pair.0}`, of any type that implements
/// [`KeyPart`](crate::KeyPart). They are escaped as in [`redis_key!`](crate::redis_key), so that different arguments give different keys; between two of them there has to be
/// a `:`, and a brace that is meant is written twice. An argument that stands in no placeholder makes no difference: everybody who may see a value has to be
/// told apart by the key. Two functions with one cache and one key share their values, and so do all types that a generic function is called with.
///
/// **Times** are texts, a whole number and `ms`, `s`, `m`, `h` or `d`; or expressions of type [`Duration`](std::time::Duration).
///
/// **What is returned** is told from the last name of the type as it is written: `T`, `Option<T>`, `Result<T, E>` or `Result<Option<T>, E>`, where `io::Result<T>` is a
/// `Result` too. `Err` is never stored, and `None` only with `negative`. An alias with another name does not compile, since that would store its errors. `T` has to
/// be `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`; `E` may be anything.
///
/// **Further options**: `manager = expression` asks another manager than the global one, `self.redis` for instance. `policy = expression` takes a
/// [`CachePolicy`](crate::CachePolicy), or an `Arc` of one, for whatever has no option here; it excludes the options that are part of it. Both are evaluated in each call, and may use
/// its arguments. So are times that depend on arguments, `Self` or generics. All else is made once.
///
/// # Cancel safety
///
/// As the function itself: the body runs in the caller's task, and ends with it. Another caller who waits for it runs its own then.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager, cached};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct User { name: String }
///
/// #[derive(Debug)]
/// struct Broken;
///
/// #[cached(cache = "users", key = "user:{id}", ttl = "60s", tags = ["tenant:{tenant}"], negative = "10s")]
/// async fn user(tenant: u32, id: u64) -> Result<Option<User>, Broken> {
///     let name = format!("{id} of {tenant}"); // from a database
///     Ok((id < 100).then_some(User { name }))
/// }
///
/// struct Shop { redis: RedisManager, region: String }
///
/// impl Shop {
///     #[cached(cache = "prices", key = "{self.region}:{item}", ttl = "5m", manager = self.redis)]
///     async fn price(&self, item: &str) -> u64 {
///         item.len() as u64
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(user(3, 7).await.unwrap().unwrap().name, "7 of 3");
/// assert_eq!(user(3, 100).await.unwrap(), None);
///
/// let shop = Shop { redis: RedisManager::new(Config::from_url("memory://"))?, region: "eu".to_owned() };
/// assert_eq!(shop.price("apples").await, 6);
/// # Ok(())
/// # }
/// ```
pub use redis_manager_macros::cached;
