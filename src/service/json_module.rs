//! JSON documents by path, on a server with the RedisJSON module.
//!
//! Why no reply is guarded but `JSON.MGET`'s: with a path that begins with `$`, a list's first element is a number, a list, nothing, the
//! name of a type, or JSON text. JSON text is no bare word: a string in it has quotes, and a list brackets.

mod replies;

use std::future::IntoFuture;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::replies::JsonType;
use self::replies::{all, first, firsts, numbers, popped, types};
use super::request::{Request, group, operation};
use crate::{
    codec,
    command::{Call, Condition, Guard},
    error::{Error, Result},
    key::{IntoKeys, Key, Prefix},
    reply::{FromReply, Reply},
    transport::call::Road,
    value::Value,
};

group! {
    /// JSON documents by path. Made by [`RedisService::json_module`](crate::RedisService::json_module).
    ///
    /// It needs a server with the RedisJSON module (Redis 8 has it; Redis Stack, and others that know its commands). Where that is missing, as in the
    /// embedded backend, every operation fails with kind [`Unsupported`](crate::ErrorKind::Unsupported).
    ///
    /// A path is a [JSONPath](https://redis.io/docs/latest/develop/data-types/json/path/) and begins with `$`, which is the whole
    /// document. The older form without it, `.a` or `a`, means `$.a` here. A path can match several values, so most operations answer a list:
    ///
    /// - an element for each match, in the order of the document; `None` where the match is of another type than the operation is for;
    /// - an empty list if the path matches nothing.
    ///
    /// Without such a key the reading operations [`get`](Self::get), [`get_all`](Self::get_all), [`mget`](Self::mget) and
    /// [`type_of`](Self::type_of) answer as if the path matched nothing, and [`del`](Self::del) deletes nothing. As `$` matches every document,
    /// `type_of(key, "$")` tells a missing key from a path that matches nothing. [`set`](Self::set) and [`merge`](Self::merge)
    /// create a document at `$`; everything else fails with kind [`Server`](crate::ErrorKind::Server).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use redis_manager::{Config, Error, ErrorKind, RedisManager};
    ///
    /// async fn birthday(redis: &RedisManager) -> Result<Option<u32>, Error> {
    ///     let json = redis.service().json_module();
    ///     json.set("user:7", "$", &BTreeMap::from([("age", 36)])).nx().await?;
    ///     json.numincrby::<u32>("user:7", "$.age", 1).await?;
    ///     json.get("user:7", "$.age").await
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let error = birthday(&redis).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unsupported);
    /// assert!(error.message().contains("the RedisJSON module (JSON.SET)"));
    /// # Ok(())
    /// # }
    /// ```
    JsonModuleOperations
}

/// A `JSON.SET` under construction: add a condition or not, then await it; it says whether the value was set. Returned by
/// [`JsonModuleOperations::set`].
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, ErrorKind, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let both = redis.service().json_module().set("k", "$.a", &1).nx().xx();
/// assert_eq!(both.await.unwrap_err().kind(), ErrorKind::InvalidArgument);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing unless awaited"]
pub struct JsonSetCommand<'a> {
    road: &'a Road,
    key: Key,
    path: Result<String>,
    value: Result<Bytes>,
    condition: Result<Option<Condition>>,
}

impl<'a> JsonModuleOperations<'a> {
    /// Sets what a path matches to a value (`JSON.SET`), and says whether it did: not if the path matches nothing and is not one new field of an
    /// object that is there, or if a condition prevents it. One round trip.
    ///
    /// A new document must be set at `$`; otherwise it fails with kind `Server`.
    pub fn set<T: Serialize + ?Sized>(&self, key: impl Into<Key>, path: &str, value: &T) -> JsonSetCommand<'a> {
        JsonSetCommand {
            road: self.road,
            key: key.into(),
            path: json_path(path),
            value: codec::to_json(value),
            condition: Ok(None),
        }
    }

    /// Returns the first value that a path matches (`JSON.GET`); `None` if it matches nothing, or without such a key. One round trip.
    pub fn get<T: DeserializeOwned>(&self, key: impl Into<Key>, path: &str) -> Request<'a, Option<T>> {
        self.on("JSON.GET", key, path, first::<T>, Ok)
    }

    /// Returns all values that a path matches (`JSON.GET`), in the order of the document; an empty list without such a key. One round trip.
    pub fn get_all<T: DeserializeOwned>(&self, key: impl Into<Key>, path: &str) -> Request<'a, Vec<T>> {
        self.on("JSON.GET", key, path, all::<T>, Ok)
    }

    /// Returns the first value that a path matches in each of several documents (`JSON.MGET`), as many as keys, in their order; `None` where the path
    /// matches nothing, and for a key that is missing or holds no document. One round trip; none for no keys.
    pub fn mget<T: DeserializeOwned>(&self, keys: impl IntoKeys, path: &str) -> Request<'a, Vec<Option<T>>> {
        let keys = keys.into_keys();
        if keys.is_empty() {
            return Request::known(self.road, Reply::Array(Vec::new()), firsts::<T>);
        }
        let build = |prefix: &Prefix| {
            let call = Call::new("JSON.MGET").keys_of(prefix.keys(keys)?);
            Ok(call.arg(json_path(path)?).guarded(Guard::AbsentAt(0)))
        };
        Request::new(self.road, build, firsts::<T>)
    }

    /// Deletes what a path matches (`JSON.DEL`) and returns how many values that were; at `$` it deletes the key. One round trip.
    pub fn del(&self, key: impl Into<Key>, path: &str) -> Request<'a, u64> {
        self.on("JSON.DEL", key, path, Reply::into_count, Ok)
    }

    /// Returns the types of the values that a path matches (`JSON.TYPE`); an empty list without such a key. One round trip.
    pub fn type_of(&self, key: impl Into<Key>, path: &str) -> Request<'a, Vec<JsonType>> {
        self.on("JSON.TYPE", key, path, types, Ok)
    }

    /// Adds to the numbers that a path matches (`JSON.NUMINCRBY`) and returns the sums. One round trip, never added twice.
    ///
    /// Fails with kind `InvalidArgument` if `by` is no finite number.
    pub fn numincrby<T: FromReply>(
        &self,
        key: impl Into<Key>,
        path: &str,
        by: impl Into<Value>,
    ) -> Request<'a, Vec<Option<T>>> {
        self.on("JSON.NUMINCRBY", key, path, numbers::<T>, |call| {
            let by = by.into().into_bytes();
            if !codec::is_json_number(&by) {
                return Err(Error::invalid("a step that is no finite number"));
            }
            Ok(call.arg(by))
        })
    }

    /// Adds to the end of the strings that a path matches (`JSON.STRAPPEND`) and returns their new lengths. One round trip.
    pub fn strappend(&self, key: impl Into<Key>, path: &str, text: &str) -> Request<'a, Vec<Option<u64>>> {
        self.on("JSON.STRAPPEND", key, path, Vec::from_reply, |call| {
            Ok(call.arg(codec::to_json(text)?))
        })
    }

    /// Adds values to the end of the arrays that a path matches (`JSON.ARRAPPEND`) and returns their new lengths. One round trip; none, and
    /// an empty list, for no values.
    pub fn arrappend<T: Serialize>(
        &self,
        key: impl Into<Key>,
        path: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Request<'a, Vec<Option<u64>>> {
        self.grow("JSON.ARRAPPEND", key, path, None, values)
    }

    /// Inserts values before a place of the arrays that a path matches (`JSON.ARRINSERT`) and returns their new lengths. A negative place
    /// counts from the end. One round trip; none, and an empty list, for no values.
    ///
    /// Fails with kind `Server` if an array has no such place.
    pub fn arrinsert<T: Serialize>(
        &self,
        key: impl Into<Key>,
        path: &str,
        index: i64,
        values: impl IntoIterator<Item = T>,
    ) -> Request<'a, Vec<Option<u64>>> {
        self.grow("JSON.ARRINSERT", key, path, Some(index), values)
    }

    /// Returns the lengths of the arrays that a path matches (`JSON.ARRLEN`). One round trip.
    pub fn arrlen(&self, key: impl Into<Key>, path: &str) -> Request<'a, Vec<Option<u64>>> {
        self.on("JSON.ARRLEN", key, path, Vec::from_reply, Ok)
    }

    /// Removes the element in a place, the last by -1, from the arrays that a path matches (`JSON.ARRPOP`) and returns what was removed;
    /// `None` from an empty one. A place beyond an end means that end. One round trip.
    ///
    /// If an element cannot be read as `T`, it fails with kind `Decode`; they have been removed all the same.
    pub fn arrpop<T: DeserializeOwned>(
        &self,
        key: impl Into<Key>,
        path: &str,
        index: i64,
    ) -> Request<'a, Vec<Option<T>>> {
        self.on("JSON.ARRPOP", key, path, popped::<T>, |call| Ok(call.number(index)))
    }

    /// Returns the names of the fields of the objects that a path matches (`JSON.OBJKEYS`). One round trip.
    pub fn objkeys(&self, key: impl Into<Key>, path: &str) -> Request<'a, Vec<Option<Vec<String>>>> {
        self.on("JSON.OBJKEYS", key, path, Vec::from_reply, Ok)
    }

    /// Returns how many fields the objects have that a path matches (`JSON.OBJLEN`). One round trip.
    pub fn objlen(&self, key: impl Into<Key>, path: &str) -> Request<'a, Vec<Option<u64>>> {
        self.on("JSON.OBJLEN", key, path, Vec::from_reply, Ok)
    }

    /// Turns every `true` that a path matches to `false`, every `false` to `true` (`JSON.TOGGLE`), and returns what they are now. One round
    /// trip.
    pub fn toggle(&self, key: impl Into<Key>, path: &str) -> Request<'a, Vec<Option<bool>>> {
        self.on("JSON.TOGGLE", key, path, Vec::from_reply, Ok)
    }

    /// Merges a value into what a path matches (`JSON.MERGE`, [RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)): fields are added or
    /// replaced, those that are `null` in it removed, anything but an object replaced. Says whether it did, as [`set`](Self::set). One round trip.
    pub fn merge<T: Serialize + ?Sized>(&self, key: impl Into<Key>, path: &str, value: &T) -> Request<'a, bool> {
        self.on("JSON.MERGE", key, path, Reply::into_done, |call| {
            Ok(call.arg(codec::to_json(value)?))
        })
    }

    fn grow<T: Serialize>(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        path: &str,
        index: Option<i64>,
        values: impl IntoIterator<Item = T>,
    ) -> Request<'a, Vec<Option<u64>>> {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Request::known(self.road, Reply::Array(Vec::new()), Vec::from_reply);
        }
        self.on(name, key, path, Vec::from_reply, |call| {
            let call = index.into_iter().fold(call, Call::number);
            let values: Result<Vec<Bytes>> = values.map(|value| codec::to_json(&value)).collect();
            Ok(call.args(values?))
        })
    }

    fn on<T>(
        &self,
        name: &'static str,
        key: impl Into<Key>,
        path: &str,
        read: fn(Reply) -> Result<T>,
        complete: impl FnOnce(Call) -> Result<Call>,
    ) -> Request<'a, T> {
        let build = |prefix: &Prefix| {
            let call = Call::new(name).key(prefix.key(key.into())?);
            complete(call.arg(json_path(path)?))
        };
        Request::new(self.road, build, read)
    }
}

impl<'a> JsonSetCommand<'a> {
    /// Sets only if the path matches nothing.
    pub fn nx(self) -> Self {
        self.with(Condition::IfAbsent)
    }

    /// Sets only if the path matches something.
    pub fn xx(self) -> Self {
        self.with(Condition::IfPresent)
    }

    fn with(mut self, condition: Condition) -> Self {
        self.condition = self.condition.and_then(|before| match before {
            Some(other) if other != condition => Err(Error::invalid("both nx and xx")),
            _ => Ok(Some(condition)),
        });
        self
    }

    fn request(self) -> Request<'a, bool> {
        let build = |prefix: &Prefix| {
            let condition = self.condition?;
            let call = Call::new("JSON.SET").key(prefix.key(self.key)?);
            Ok(call
                .arg(self.path?)
                .arg(self.value?)
                .flag("NX", condition == Some(Condition::IfAbsent))
                .flag("XX", condition == Some(Condition::IfPresent)))
        };
        Request::new(self.road, build, Reply::into_done)
    }
}

operation!(JsonSetCommand, bool);

/// Returns a path in the form that begins with `$`. To the older form the server gives replies of other shapes, of which some begin with what a
/// user wrote. It reads `$a`, too, as a field in the older form.
fn json_path(path: &str) -> Result<String> {
    Ok(match path.as_bytes() {
        [] => return Err(Error::invalid("an empty path")),
        b"." => "$".to_owned(),
        [b'$'] | [b'$', b'.' | b'[', ..] => path.to_owned(),
        [b'.' | b'[', ..] => format!("${path}"),
        _ => format!("$.{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::Command,
        config::{Config, Settings},
        service::{
            RedisService,
            request::{Operation, Question},
        },
    };

    fn service() -> RedisService {
        let mut config = Config::from_url("memory://");
        config.key_prefix = "app:".to_owned();
        RedisService::with_settings(Settings::try_from(config).unwrap())
    }

    /// The words of a command, its keys in brackets.
    fn words<'a>(operation: impl Operation<'a>) -> String {
        match operation.into_request().into_parts().0.unwrap() {
            Question::Ask(Command::Call(call)) => {
                let words = call.args.iter().map(|arg| {
                    let text = String::from_utf8_lossy(arg.bytes());
                    if call.keys().any(|key| std::ptr::eq(key, arg.bytes())) {
                        format!(" <{text}>")
                    } else {
                        format!(" {text}")
                    }
                });
                [call.name.to_owned()].into_iter().chain(words).collect()
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn operations_are_sent_in_the_words_of_the_module() {
        let service = service();
        let json = service.json_module();
        assert_eq!(words(json.set("k", "$", &[1])), "JSON.SET <app:k> $ [1]");
        assert_eq!(words(json.set("k", "$.a", "x").nx()), r#"JSON.SET <app:k> $.a "x" NX"#);
        assert_eq!(words(json.set("k", "$.a", &()).xx()), "JSON.SET <app:k> $.a null XX");
        assert_eq!(words(json.get::<u8>("k", "$.a")), "JSON.GET <app:k> $.a");
        assert_eq!(words(json.get_all::<u8>("k", "$..a")), "JSON.GET <app:k> $..a");
        assert_eq!(
            words(json.mget::<u8>(["a", "b"], "$.x")),
            "JSON.MGET <app:a> <app:b> $.x"
        );
        assert_eq!(words(json.del("k", "$.a")), "JSON.DEL <app:k> $.a");
        assert_eq!(words(json.type_of("k", "$.a")), "JSON.TYPE <app:k> $.a");
        assert_eq!(
            words(json.numincrby::<i64>("k", "$.a", -2)),
            "JSON.NUMINCRBY <app:k> $.a -2"
        );
        assert_eq!(
            words(json.numincrby::<f64>("k", "$.a", 0.1)),
            "JSON.NUMINCRBY <app:k> $.a 0.1"
        );
        assert_eq!(
            words(json.strappend("k", "$.a", "\"x")),
            r#"JSON.STRAPPEND <app:k> $.a "\"x""#
        );
        assert_eq!(
            words(json.arrappend("k", "$.a", ["x", "y"])),
            r#"JSON.ARRAPPEND <app:k> $.a "x" "y""#
        );
        assert_eq!(
            words(json.arrinsert("k", "$.a", -1, [true])),
            "JSON.ARRINSERT <app:k> $.a -1 true"
        );
        assert_eq!(words(json.arrlen("k", "$.a")), "JSON.ARRLEN <app:k> $.a");
        assert_eq!(words(json.arrpop::<u8>("k", "$.a", -1)), "JSON.ARRPOP <app:k> $.a -1");
        assert_eq!(words(json.objkeys("k", "$.a")), "JSON.OBJKEYS <app:k> $.a");
        assert_eq!(words(json.objlen("k", "$.a")), "JSON.OBJLEN <app:k> $.a");
        assert_eq!(words(json.toggle("k", "$.a")), "JSON.TOGGLE <app:k> $.a");
        assert_eq!(words(json.merge("k", "$.a", &[0.5])), "JSON.MERGE <app:k> $.a [0.5]");
    }

    #[test]
    fn only_mget_is_guarded_and_nothing_is_sent_for_nothing() {
        let service = service();
        let json = service.json_module();
        let guard = |question| match question {
            Ok(Question::Ask(Command::Call(call))) => call.guard,
            other => panic!("{other:?}"),
        };
        assert_eq!(guard(json.mget::<u8>("k", "$").into_parts().0), Guard::AbsentAt(0));
        assert_eq!(guard(json.arrpop::<u8>("k", "$", 0).into_parts().0), Guard::Needless);
        let none = "Known(Array([]))";
        assert_eq!(words(json.mget::<u8>(Vec::<Key>::new(), "$")), none);
        assert_eq!(words(json.arrappend("k", "$", [0; 0])), none);
        assert_eq!(words(json.arrinsert("k", "$", 0, [0; 0])), none);
    }

    #[test]
    fn every_path_is_sent_in_the_form_of_which_the_replies_are_known() {
        for (path, sent) in [
            ("$", "$"),
            ("$..a", "$..a"),
            ("$['a']", "$['a']"),
            (".", "$"),
            (".a.b", "$.a.b"),
            ("a[0]", "$.a[0]"),
            ("[\"a\"]", "$[\"a\"]"),
            ("$a", "$.$a"),
            ("message", "$.message"),
        ] {
            assert_eq!(json_path(path).unwrap(), sent, "{path}");
        }
        assert!(json_path("").is_err());
    }
}
