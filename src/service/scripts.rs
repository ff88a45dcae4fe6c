//! Lua scripts.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::request::{Request, group};
use crate::{
    command::{Call, Command},
    error::Result,
    key::{IntoKeys, Key, Prefix},
    reply::{FromReply, Reply},
    value::Value,
};

group! {
    /// Lua scripts. Made by [`RedisService::scripts`](crate::RedisService::scripts).
    ///
    /// The embedded backend runs none: kind `Unsupported`.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{redis_manager, Script};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    /// match redis_manager().service().scripts().run::<i64>(&add, "visits", [5]).await {
    ///     Ok(visits) => println!("{visits} visits"),
    ///     Err(error) if error.is_unavailable() => println!("no Redis: {error}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ScriptOperations
}

/// A Lua script. Make it once, use it often: it knows its digest after it was loaded first. A clone shares that.
///
/// What the script returns may have any shape. Line numbers in the server's errors are the script's own. An error that it raises should be text: the
/// client library drops a connection on which an error is no UTF-8.
///
/// # Examples
///
/// ```
/// use redis_manager::Script;
///
/// let script = Script::new("return redis.call('GET', KEYS[1])");
/// assert_eq!(script.source(), "return redis.call('GET', KEYS[1])");
/// ```
#[derive(Clone)]
pub struct Script {
    source: Arc<str>,
    digest: Arc<OnceLock<Bytes>>,
}

/// What stands before a script.
const BEFORE: &str = "local reply = (function(...)";

/// What stands after it.
const AFTER: &str = "end)(...) \
     if type(reply) ~= 'table' or not reply.err then return {reply} end \
     return {{err = (string.gsub(reply.err, '[\\128-\\255]', '?'))}}";

impl Script {
    /// Makes a script of its source. It is not checked before it runs.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into().into(),
            digest: Arc::default(),
        }
    }

    /// Returns the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Puts a list around what the script returns: a bare list could begin with what a user has written, and be taken for something else. What of an
    /// error that it returns is not ASCII becomes `?`: the client library drops a connection on which an error is no UTF-8. It begins in the script's first line, so that
    /// the lines keep their numbers; a line for the server (`#!lua …`) stays first.
    fn guarded(&self) -> String {
        let (shebang, body) = match self.source.split_once('\n') {
            Some((first, body)) if first.starts_with("#!") => (first, body),
            _ => ("", &*self.source),
        };
        let line_end = if shebang.is_empty() { "" } else { "\n" };
        format!("{shebang}{line_end}{BEFORE} {body}\n{AFTER}")
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("len", &self.source.len()).finish()
    }
}

impl<'a> ScriptOperations<'a> {
    /// Runs a script by its digest (`EVALSHA`), in one step, and loads it where the server does not know it. One round trip, three if it has to be
    /// loaded. In a cluster all keys have to be in one slot.
    ///
    /// # Errors
    ///
    /// - Kind `Server` with the server's message, which tells the line, if the script fails; what it has written by then stays.
    /// - As every [`Request`].
    pub async fn run<T: FromReply>(
        &self,
        script: &Script,
        keys: impl IntoKeys,
        arguments: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Result<T> {
        self.run_as(["EVALSHA", "EVAL"], script, keys.into_keys(), values(arguments))
            .await
    }

    /// Runs a script that only reads (`EVALSHA_RO`), on a replica too. The server has to be Redis 7. Otherwise as [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// - As [`run`](Self::run); kind `Server` if the script writes.
    pub async fn run_read_only<T: FromReply>(
        &self,
        script: &Script,
        keys: impl IntoKeys,
        arguments: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Result<T> {
        self.run_as(["EVALSHA_RO", "EVAL_RO"], script, keys.into_keys(), values(arguments))
            .await
    }

    /// Runs a script by its source (`EVAL`): for a [`pipeline`](crate::RedisService::pipeline), or a
    /// [`transaction`](crate::RedisService::transaction). One round trip.
    pub fn eval<T: FromReply>(
        &self,
        script: &Script,
        keys: impl IntoKeys,
        arguments: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Request<'a, T> {
        let source = script.guarded().into();
        let read = |reply| read(unwrapped(reply)?);
        self.call("EVAL", source, keys.into_keys(), values(arguments), read)
    }

    /// Loads a script without running it (`SCRIPT LOAD`) and returns its digest. One round trip.
    ///
    /// # Errors
    ///
    /// - Kind `Server` if it is no Lua, with the line.
    /// - As every [`Request`].
    pub async fn load(&self, script: &Script) -> Result<String> {
        let digest = String::from_utf8_lossy(&self.load_guarded(script).await?).into_owned();
        Ok(digest)
    }

    async fn run_as<T: FromReply>(
        &self,
        [by_digest, by_source]: [&'static str; 2],
        script: &Script,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<T> {
        // Before anything is sent.
        self.road.prefix().keys(keys.clone())?;
        if let Some(digest) = script.digest.get()
            && let Some(reply) = self.run_known(by_digest, digest, &keys, &arguments).await?
        {
            return read(reply);
        }
        let digest = self.load_guarded(script).await?;
        if let Some(reply) = self.run_known(by_digest, &digest, &keys, &arguments).await? {
            return read(reply);
        }
        // A node of a cluster that has no slots yet was not told of the script.
        let source = script.guarded().into();
        read(self.call(by_source, source, keys, arguments, unwrapped).await?)
    }

    /// Runs a script by its digest. `None` if it certainly did not run: the server was restarted, or forgot its scripts.
    async fn run_known(
        &self,
        name: &'static str,
        digest: &Bytes,
        keys: &[Key],
        arguments: &[Value],
    ) -> Result<Option<Reply>> {
        let request = self.call(name, digest.clone(), keys.to_vec(), arguments.to_vec(), unwrapped);
        match request.await {
            Err(error) if error.server_code() == Some("NOSCRIPT") => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    async fn load_guarded(&self, script: &Script) -> Result<Bytes> {
        let load = |_prefix: &Prefix| Ok(Call::new("SCRIPT LOAD").arg(script.guarded()));
        let digest = Request::new(self.road, load, Bytes::from_reply).await?;
        Ok(script.digest.get_or_init(|| digest).clone())
    }

    fn call<T>(
        &self,
        name: &'static str,
        script: Bytes,
        keys: Vec<Key>,
        arguments: Vec<Value>,
        read: fn(Reply) -> Result<T>,
    ) -> Request<'a, T> {
        let build = |prefix: &Prefix| -> Result<Command> {
            let call = Call::new(name).arg(script).number(keys.len());
            let call = call.keys_of(prefix.keys(keys)?);
            Ok(call.args(arguments.into_iter().map(Value::into_bytes)).into())
        };
        Request::new(self.road, build, read)
    }
}

fn values(arguments: impl IntoIterator<Item = impl Into<Value>>) -> Vec<Value> {
    arguments.into_iter().map(Into::into).collect()
}

/// Takes the guard's list off. An empty one is a script that returned nothing.
fn unwrapped(reply: Reply) -> Result<Reply> {
    Ok(reply.into_array()?.pop().unwrap_or(Reply::Nil))
}

/// An error inside is the script's own: whatever its code says, the script has run.
fn read<T: FromReply>(reply: Reply) -> Result<T> {
    match reply {
        Reply::Error(error) => Err(error.executed()),
        reply => T::from_reply(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_keeps_the_lines_and_the_servers_first_line() {
        let guarded = Script::new("local a = 1\nreturn a").guarded();
        assert_eq!(guarded, format!("{BEFORE} local a = 1\nreturn a\n{AFTER}"));
        let guarded = Script::new("#!lua flags=no-writes\nreturn 1 -- one").guarded();
        assert_eq!(
            guarded,
            format!("#!lua flags=no-writes\n{BEFORE} return 1 -- one\n{AFTER}")
        );
    }
}
