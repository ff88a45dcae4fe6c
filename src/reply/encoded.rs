//! Typed values, read from the bytes of an answer.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{FromReply, Reply};
use crate::{codec, error::Result};

/// Reads an answer as JSON, wherever one is read: `hget::<Json<User>>`, `Vec<Json<User>>` and so on. To write it, use
/// [`Value::json`](crate::Value::json); for strings, [`json()`](crate::RedisService::json) does both.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Json, RedisManager, Value};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let strings = redis.service().string();
/// strings.set("scores", Value::json(&(3, "points"))?).await?;
/// let Some(Json((number, unit))) = strings.get::<Json<(u8, String)>>("scores").await? else { unreachable!() };
/// assert_eq!((number, unit.as_str()), (3, "points"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it is what it wraps, and there to be taken apart"
)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromReply for Json<T> {
    fn from_reply(reply: Reply) -> Result<Self> {
        codec::from_json(&Bytes::from_reply(reply)?).map(Self)
    }
}

/// Reads an answer as MessagePack. Otherwise as [`Json`], with [`Value::message_pack`](crate::Value::message_pack) and
/// [`message_pack()`](crate::RedisService::message_pack) to write it.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, MessagePack, RedisManager, Value};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let strings = redis.service().string();
/// strings.set("scores", Value::message_pack(&(3, "points"))?).await?;
/// let scores: Option<MessagePack<(u8, String)>> = strings.get("scores").await?;
/// assert_eq!(scores, Some(MessagePack((3, "points".to_owned()))));
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "msgpack")]
#[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it is what it wraps, and there to be taken apart"
)]
pub struct MessagePack<T>(pub T);

#[cfg(feature = "msgpack")]
impl<T: DeserializeOwned> FromReply for MessagePack<T> {
    fn from_reply(reply: Reply) -> Result<Self> {
        codec::from_message_pack(&Bytes::from_reply(reply)?).map(Self)
    }
}
