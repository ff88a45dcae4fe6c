//! Families of keys that are declared once: what may be put into them, and what they hold.

mod declaration;
mod part;
pub mod template;

use bytes::Bytes;

pub use self::part::KeyPart;
use crate::key::Key;

/// A family of keys, declared by [`redis_key!`](crate::redis_key).
///
/// # Examples
///
/// ```
/// use redis_manager::{KeyFamily, redis_key};
///
/// redis_key! { pub Visits => "visits:{page}:{day}" { page: String, day: u32 } }
///
/// fn hash_slot_of(key: &impl KeyFamily) -> String {
///     key.key().to_string()
/// }
/// assert_eq!(hash_slot_of(&Visits { page: "a:b".to_owned(), day: 3 }), "visits:a%3Ab:3");
/// ```
pub trait KeyFamily: Sized {
    /// Returns the key.
    fn key(&self) -> Key;

    /// Returns the pattern of the whole family, for [`scan`](crate::KeyOperations::scan): what stands as it is in the template is escaped, and `*` stands
    /// for each field.
    ///
    /// A `*` matches more than a field can become, so that keys of a longer family may match as well; `parse` tells them apart.
    fn pattern() -> String;
}

/// A family of keys whose fields can be read back, because their types implement [`FromStr`](std::str::FromStr).
///
/// # Examples
///
/// ```
/// use redis_manager::{Key, ParseKey, redis_key};
///
/// redis_key! { pub Visits => "visits:{page}:{day}" { page: String, day: u32 } }
///
/// let key = Visits::parse_key(&Key::from("visits:a%3Ab:3")).unwrap();
/// assert_eq!((key.page.as_str(), key.day), ("a:b", 3));
/// assert!(Visits::parse_key(&Key::from("visits:a:3:more")).is_none());
/// ```
pub trait ParseKey: KeyFamily {
    /// Reads the fields back; `None` if no member of the family has this key.
    fn parse_key(key: &Key) -> Option<Self>;
}

/// A family of keys that hold values of one type, declared by [`redis_key!`](crate::redis_key) with `-> Type`.
///
/// # Examples
///
/// ```
/// use redis_manager::{RedisService, Result, TypedKey, redis_key};
/// use serde::de::DeserializeOwned;
///
/// redis_key! { pub Visits => "visits:{page}" { page: String } -> u64 }
///
/// async fn first<K>(service: &RedisService, keys: &[K]) -> Result<Option<K::Value>>
/// where
///     K: TypedKey<Value: DeserializeOwned + Send>,
/// {
///     match keys.first() {
///         Some(key) => service.json().get(key.key()).await,
///         None => Ok(None),
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// assert_eq!(first(redis.service(), &[Visits { page: "home".into() }]).await?, None);
/// # Ok(())
/// # }
/// ```
pub trait TypedKey: KeyFamily {
    /// What the keys hold.
    type Value;
}

/// A key that may hold a value of this type: text and bytes any, a family with a value type only that one.
///
/// # Examples
///
/// ```
/// use redis_manager::{Key, KeyOf, redis_key};
///
/// redis_key! { pub Visits => "visits:{page}" { page: String } -> u64 }
///
/// fn counter(key: impl KeyOf<u64>) -> Key {
///     key.into()
/// }
/// assert_eq!(counter("visits:home"), counter(Visits { page: "home".into() }));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key of a `{T}`",
    label = "this key holds something else, or is no key",
    note = "a key that `redis_key!` declares with `-> Type` holds values of exactly that type"
)]
pub trait KeyOf<T: ?Sized>: Into<Key> {}

macro_rules! keys_of_anything {
    ($($key:ty),*) => {$(
        impl<T: ?Sized> KeyOf<T> for $key {}
    )*};
}

keys_of_anything!(&str, String, &String, &[u8], Vec<u8>, Bytes, Key, &Key);
